/**
 * Random requests against a database and a plain model of one; after each everything that can be asked of
 * both is compared. A failure prints the seed and the shortest requests that show it.
 */
import { randomInt } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import type { Database } from '../../src/database/api/database.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { edit, fileDatabase, type TestDatabase, testDatabase } from '../support/database-fixture.ts'
import {
  applyEdits,
  type Choice,
  compareDatabase,
  documentEdit,
  equal,
  IDS,
  modelEdit,
} from '../support/document-comparison.ts'
import { DatabaseModel } from '../support/document-model.ts'
import { type Front, fixtureOf } from '../support/followed-fixture.ts'
import { isLong } from '../support/test-run.ts'

/** The engine's own store cannot be told to fail. */
interface Fixture {
  readonly database: Database
  reopen(): Promise<unknown>
  store?: TestDatabase['store']
}

type Request =
  | { kind: 'interactive'; edits: Choice[] }
  | { kind: 'replicated'; edits: Choice[] }
  | { kind: 'limit'; limit: number }
  | { kind: 'reopen' }
  | { kind: 'fail'; edits: Choice[] }
  | { kind: 'local'; id: string; rev: number | undefined; deleted: boolean }

const choice: fc.Arbitrary<Choice> = fc.record({
  id: fc.constantFrom('a', 'a', 'a', 'a', ...IDS),
  deleted: fc.boolean(),
  value: fc.nat(9),
  base: fc.constantFrom('none', 'winner', 'winner', 'leaf', 'leaf', 'inner', 'unknown'),
  pick: fc.nat(5),
  branches: fc.string({ unit: fc.constantFrom('x', 'y'), minLength: 1, maxLength: 5 }),
  onLeaf: fc.boolean(),
  known: fc.integer({ min: 1, max: 6 }),
})

const edits = fc.array(choice, { minLength: 1, maxLength: 5 })

const request: fc.Arbitrary<Request> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('interactive' as const), edits }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('replicated' as const), edits }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('limit' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), edits }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('local' as const),
      id: fc.constantFrom('l', 'm'),
      rev: fc.option(fc.nat(5), { nil: undefined }),
      deleted: fc.boolean(),
    }),
  },
)

async function apply(fixture: Fixture, model: DatabaseModel, request: Request): Promise<void> {
  const { database } = fixture
  if (request.kind === 'interactive' || request.kind === 'replicated') {
    await applyEdits(database, model, request.kind, request.edits)
  } else if (request.kind === 'limit') {
    await database.setRevsLimit(request.limit)
    model.revsLimit = request.limit
  } else if (request.kind === 'reopen') {
    await fixture.reopen()
  } else if (request.kind === 'fail') {
    const store = fixture.store?.()
    if (store === undefined) return
    store.failNext = 'WRITE_FAILED'
    const wanted = request.edits.map((one) => documentEdit(modelEdit(model, 'interactive', one)))
    await database.update(wanted).then(
      () => Promise.reject(new Error('a write that failed was acknowledged')),
      () => undefined,
    )
    await fixture.reopen()
  } else {
    const { id, rev, deleted } = request
    const body = `{"r":${rev ?? null}}`
    const written = edit(`_local/${id}`, body, { deleted, ...(rev === undefined ? {} : { rev: `0-${rev}` }) })
    await database.update([written])
    if (deleted) model.local.delete(id)
    else model.local.set(id, { rev: (rev ?? 0) + 1, body })
  }
}

const requests = fc.array(request, { minLength: 1, maxLength: 25 })

async function play(fixture: Fixture, all: readonly Request[]): Promise<void> {
  const model = new DatabaseModel()
  for (const one of all) {
    await apply(fixture, model, one)
    compareDatabase(fixture.database, model)
  }
}

t.test('random requests, on a store in memory', async (t) => {
  const seed = randomInt(2 ** 31)
  t.comment(`seed ${seed}`)
  const property = fc.asyncProperty(requests, async (all) => {
    const fixture = await testDatabase()
    await play(fixture, all)
    equal(fixture.store().openSnapshots, 0, 'snapshots left open')
    equal((await fixture.store().check()).problems, [], 'references')
  })
  await t.resolves(fc.assert(property, { seed, numRuns: isLong ? 300 : 100 }))
})

/** Plays random requests on databases in files, each in a folder of its own. */
async function playInFiles(
  t: Test,
  numRuns: number,
  run: (folder: string, all: readonly Request[]) => Promise<void>,
): Promise<void> {
  const seed = randomInt(2 ** 31)
  t.comment(`seed ${seed}`)
  const folder = t.testdir({})
  let made = 0
  const property = fc.asyncProperty(requests, async (all) => {
    made += 1
    const own = join(folder, String(made))
    await mkdir(own)
    await run(own, all)
  })
  await t.resolves(fc.assert(property, { seed, numRuns }))
}

t.test('random requests, on the engine', async (t) => {
  await playInFiles(t, isLong ? 40 : 12, async (own, all) => {
    const fixture = await fileDatabase(own)
    await play(fixture, all)
    await fixture.database.close()
    const store = await openStore(join(own, 'a.nfb'), { trees: TREE_OPTIONS, readOnly: true })
    equal((await store.check()).problems, [], 'the file')
    await store.close()
  })
})

t.test('random requests, by two databases that follow one', async (t) => {
  await playInFiles(t, isLong ? 60 : 15, async (own, all) => {
    const core = await fileDatabase(own)
    let shared = fixtureOf(core.database)
    let fronts: Front[] = []
    let turn = 0
    const fixture: Fixture = {
      get database() {
        turn += 1
        return fronts[turn % 2]!.database
      },
      reopen: async () => {
        await shared.close()
        shared = fixtureOf(await core.reopen())
        fronts = [await shared.follow(), await shared.follow()]
      },
    }
    fronts = [await shared.follow(), await shared.follow()]
    await play(fixture, all)
    await shared.close()
  })
})
