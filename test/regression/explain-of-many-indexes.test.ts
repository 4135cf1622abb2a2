/**
 * `_explain` said of each index why it is not the one that is used, in one go: with thousands of them other requests waited for
 * all of that.
 */
import t from 'tap'
import { runAtOnce, type Steps } from '../../src/base/time-slice.ts'
import { explainSteps } from '../../src/mango/explain.ts'
import { type FindOptions, readFindOptions } from '../../src/mango/find-options.ts'
import { ALL_DOCS, type MangoIndex } from '../../src/mango/mango-index.ts'
import { planSteps } from '../../src/mango/planner.ts'
import { QueryMembers } from '../../src/mango/query-members.ts'
import { JsonSlice } from '../../src/selector/json-slice.ts'

const MANY = 3000
const DATABASE = { name: 'd', properties: { partitioned: false } }
/** By number: those that can be used, some too long, some for other fields, partial ones, those of partitions. */
const COLUMNS = [['a'], ['a', 'b'], ['b'], ['c'], ['b', 'a']]

function indexOf(number: number): MangoIndex {
  const columns = COLUMNS[number % COLUMNS.length]!
  const name = `index ${String(number).padStart(5, '0')}`
  return {
    designId: `_design/${name}`,
    name,
    isPartitioned: number % 11 === 0,
    isOffered: true,
    fields: columns.map((column) => [column, 'asc'] as const),
    columns,
    filter: number % 13 === 0 ? '{}' : undefined,
    reduce: undefined,
    shown: `{"ddoc":"_design/${name}"}`,
    definition: undefined,
  }
}

function optionsOf(query: object): FindOptions {
  const body = new JsonSlice(Buffer.from(JSON.stringify(query)), 0)
  return readFindOptions(new QueryMembers(body), { limit: 25, partition: '' })
}

function* explained(indexes: readonly MangoIndex[], options: FindOptions): Steps<string> {
  const plan = yield* planSteps(indexes, options, false)
  return yield* explainSteps(DATABASE, options, plan, undefined)
}

interface Shown {
  index: { ddoc: string } | null
  index_candidates: { index: { ddoc: string }; analysis: { usable: boolean; ranking: number } }[]
}

const indexes = [ALL_DOCS, ...Array.from({ length: MANY }, (_, number) => indexOf(number))]

t.test('it is told in steps of one index each', async (t) => {
  const steps = explained(indexes, optionsOf({ selector: { a: 1, b: 2 } }))
  let count = 0
  for (let step = steps.next(); step.done !== true; step = steps.next()) count += 1
  t.ok(count > 8 * MANY, `${count} steps`)
})

for (const query of [
  { selector: { a: 1, b: 2 } },
  { selector: { a: 1 }, sort: ['a'] },
  { selector: { b: { $gt: 1 } }, use_index: 'index 00002' },
  { selector: { d: 1 } },
]) {
  t.test(`each index but the chosen one, the last one first: ${JSON.stringify(query)}`, async (t) => {
    const { index, index_candidates: candidates } = JSON.parse(
      runAtOnce(explained(indexes, optionsOf(query))),
    ) as Shown
    const shown = indexes.map((each) => (JSON.parse(each.shown) as { ddoc: string }).ddoc)
    const chosen = index?.ddoc
    t.same(
      candidates.map((each) => each.index.ddoc),
      shown.filter((each) => each !== chosen).reverse(),
    )
    const usable = candidates
      .filter(({ analysis }) => analysis.usable)
      .map(({ analysis }) => analysis.ranking)
    const others = candidates
      .filter(({ analysis }) => !analysis.usable)
      .map(({ analysis }) => analysis.ranking)
    t.ok(Math.max(0, ...usable) < Math.min(Number.POSITIVE_INFINITY, ...others))
  })
}
