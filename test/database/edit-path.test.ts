/** The way of edits to a writer that refuses them. */
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { type EditedDatabase, EditPath, type EditPathParts } from '../../src/database/write/edit-path.ts'
import type { ReadyEdits } from '../../src/database/write/edits.ts'
import type { PackedEdits } from '../../src/database/write/packed-edits.ts'
import { edit, settled } from '../support/database-fixture.ts'

/** Longer than the turn that long work is given. */
const LONG_MS = 15

type Writes = EditPathParts['writer']

const FRESH: EditedDatabase = {
  isFresh: true,
  knowsRules: true,
  refresh: async () => {},
  learnRules: async () => {},
  checkStamp: () => ({ design: 0, settings: 0 }),
  replacedBy: () => undefined,
}

function pathTo(writer: Pick<Writes, 'write' | 'writePacked'>, database: EditedDatabase): EditPath {
  return new EditPath({
    writer: { ...writer, append: () => Promise.reject(new Error('nothing is to be appended')) },
    database,
    partitioned: false,
    clock: { now: () => 0 },
    compression: () => 'none',
  })
}

t.test('parts that are refused while others are still handed over', async (t) => {
  let parts = 0
  const write = async (): Promise<void> => {
    parts += 1
    const until = performance.now() + LONG_MS
    while (performance.now() < until);
    throw new DatabaseError('storageUnavailable', `part ${parts}`)
  }
  const path = pathTo({ write, writePacked: () => Promise.reject(new Error('nothing is packed')) }, FRESH)
  const edits = Array.from({ length: 1500 }, (_, n) => edit(`d${n}`))
  t.match(await settled(path.update(edits)), { status: 503, reason: 'part 1' }, 'the first is told')
  t.equal(parts, 3, 'and all were handed over')
})

/** A database whose writer, in another thread, changes the rules whenever they were looked at. */
class RestlessRules implements EditedDatabase {
  readonly isFresh: boolean
  #version = 0
  /** The newest rules that were looked at. */
  seen = 0

  constructor(isFresh: boolean) {
    this.isFresh = isFresh
  }

  get knowsRules(): boolean {
    this.look()
    return true
  }

  look(): void {
    this.seen = this.#version
    this.#version += 1
  }

  checkStamp() {
    return { design: this.#version, settings: 0 }
  }

  async refresh(): Promise<void> {}

  async learnRules(): Promise<void> {}

  replacedBy(): undefined {}
}

for (const isFresh of [true, false]) {
  t.test(
    `a stamp is never newer than what was looked at: reads ${isFresh ? 'are fresh' : 'behind'}`,
    async (t) => {
      const rules = new RestlessRules(isFresh)
      const look = (stamp: ReadyEdits['stamp'] | null): void => {
        t.ok(stamp && stamp.design <= rules.seen, `${stamp?.design} of ${rules.seen}`)
      }
      const path = pathTo(
        {
          write: async ({ stamp, documents }, results) => {
            look(stamp)
            for (const { id, edits } of documents) {
              for (const { place } of edits) results[place] = { ok: true, id, rev: '1-a' }
            }
          },
          writePacked: async ({ stamp }) => {
            look(stamp)
            return []
          },
        },
        rules,
      )
      const check = {
        isNeeded: () => {
          rules.look()
          return false
        },
        look: async () => [],
      }
      await path.update([edit('a')], { check })
      await path.update([edit('a'), edit('b')], { check })
      await path.updatePacked({} as PackedEdits, check)
      const needed = {
        isNeeded: () => true,
        look: async () => {
          rules.look()
          return [undefined]
        },
      }
      await path.update([edit('a')], { check: needed })
    },
  )
}
