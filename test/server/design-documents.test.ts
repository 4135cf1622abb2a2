/** Of any number of design documents: they are read in turns, once for all who ask, and again when one was written. */
import { performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { runInTurns, type Steps } from '../../src/base/time-slice.ts'
import type { Database, DocumentView } from '../../src/database/api/database.ts'
import { DesignDocuments } from '../../src/design/design-documents.ts'
import { queryPlans } from '../../src/mango/branches.ts'
import { readFindOptions } from '../../src/mango/find-options.ts'
import { indexSteps } from '../../src/mango/mango-index.ts'
import { QueryMembers } from '../../src/mango/query-members.ts'
import type { Scripting } from '../../src/scripting/scripting.ts'
import { JsonSlice } from '../../src/selector/json-slice.ts'
import { definitionSteps } from '../../src/server/index-definitions.ts'

const DESIGNS = 60
const READING_MS = 1

const mango = (n: number): object => ({
  language: 'query',
  views: { [`v${n}`]: { map: { fields: { [`f${n}`]: 'asc' } }, options: {} } },
})
const validating = (): object => ({ validate_doc_update: 'function () {}' })

/** Each of its design documents takes a while to be read. */
class SlowDesigns {
  readonly name = 'db'
  readonly uuid = 'uuid'
  readonly properties = { partitioned: false }
  readonly #bodyOf: (n: number) => object
  isFresh = true
  designVersion = 1
  reads = 0

  constructor(bodyOf: (n: number) => object) {
    this.#bodyOf = bodyOf
  }

  get database(): Database {
    return this as unknown as Database
  }

  allDocs(): { rows: Iterable<{ document(): DocumentView }> } {
    const rows = Array.from({ length: DESIGNS }, (_, n) => ({ document: () => this.#view(n) }))
    return { rows }
  }

  #view(n: number): DocumentView {
    this.reads += 1
    for (const end = performance.now() + READING_MS; performance.now() < end; );
    const body = Buffer.from(JSON.stringify(this.#bodyOf(n)))
    const rev = `1-${this.designVersion}`
    const view = { id: `_design/d${n}`, rev, deleted: false, body: () => body, attachments: () => [] }
    return view as unknown as DocumentView
  }
}

/** How many turns others had until it came. */
async function turnsUntil(work: unknown): Promise<number> {
  let isDone = false
  const done = Promise.resolve(work).finally(() => (isDone = true))
  let turns = 0
  for (; !isDone; turns++) await turn()
  await done
  return turns
}

const designs = (): DesignDocuments => new DesignDocuments({} as Scripting)
/** A turn is three milliseconds at least. */
const LEAST_TURNS = 5

t.test('those that validate', async (t) => {
  const slow = new SlowDesigns(validating)
  const documents = designs()
  const asked = [documents.validating(slow.database), documents.validating(slow.database)]
  t.ok((await turnsUntil(asked[0])) >= LEAST_TURNS, 'others have their turns meanwhile')
  t.equal((await asked[1])?.length, DESIGNS)
  t.equal(slow.reads, DESIGNS, 'who asks meanwhile waits for the same reading')
  t.notOk(documents.validating(slow.database) instanceof Promise, 'then they are known')
  slow.designVersion = 2
  const again = documents.validating(slow.database)
  t.equal((await again).length, DESIGNS)
  t.equal(slow.reads, 2 * DESIGNS, 'until a design document is written')
})

t.test('what is behind is for who asked, and for nobody else', async (t) => {
  const slow = new SlowDesigns(validating)
  slow.isFresh = false
  const documents = designs()
  const first = documents.validating(slow.database)
  slow.isFresh = true
  await Promise.all([first, documents.validating(slow.database)])
  t.equal(slow.reads, 2 * DESIGNS)
})

t.test('a reading that fails is for those who waited', async (t) => {
  const slow = new SlowDesigns((n) => {
    if (slow.designVersion === 1 && n === 3) throw new TypeError('unreadable')
    return validating()
  })
  const documents = designs()
  await t.rejects(async () => documents.validating(slow.database), TypeError)
  slow.designVersion = 2
  t.equal((await documents.validating(slow.database)).length, DESIGNS)
})

t.test('definitions of indexes', async (t) => {
  const slow = new SlowDesigns(mango)
  let count = 0
  const read = async (): Promise<void> => {
    count = (await runInTurns(definitionSteps(designs(), slow.database))).length
  }
  t.ok((await turnsUntil(read())) >= LEAST_TURNS)
  t.equal(count, DESIGNS)
})

function stepsOf<T>(steps: Steps<T>): { count: number; result: T } {
  for (let count = 0; ; count++) {
    const step = steps.next()
    if (step.done === true) return { count, result: step.value }
  }
}

t.test('a plan has a step for each index, and each alternative has its own', (t) => {
  const { result: indexes } = stepsOf(indexSteps(new SlowDesigns(mango).database))
  t.equal(indexes.length, DESIGNS + 1)
  const optionsOf = (query: object) => {
    const members = new QueryMembers(new JsonSlice(Buffer.from(JSON.stringify(query)), 0))
    return readFindOptions(members, { limit: 25, partition: '' })
  }
  const one = stepsOf(queryPlans(indexes, optionsOf({ selector: { f7: 1 } }), true))
  t.equal(one.result.whole.index?.name, 'v7')
  t.ok(one.count >= DESIGNS)
  const either = optionsOf({ selector: { $or: [{ f7: 1 }, { f8: 2 }, { f9: 3 }] } })
  const three = stepsOf(queryPlans(indexes, either, true))
  t.same(
    three.result.branches?.map(({ index }) => index?.name),
    ['v7', 'v8', 'v9'],
  )
  t.ok(three.count >= 4 * DESIGNS)
  t.end()
})
