/** Groups of ranges against the definition: walk the rows, and begin a group where a key differs from the one before. */
import t from 'tap'
import type { RowRange } from '../../src/indexes/api.ts'
import { collatedOrder } from '../../src/indexes/keys/key-order.ts'
import { afterKey } from '../../src/indexes/keys/row-key.ts'
import { BuiltinReduction } from '../../src/indexes/reduce/builtin-reduction.ts'
import { compareValues } from '../../src/json/collation.ts'
import { builtinRows, reducedRows } from '../../src/views/reduced-rows.ts'
import type { Reduction } from '../../src/views/reduction.ts'
import { MemoryRows } from '../support/memory-rows.ts'
import { Random } from '../support/random.ts'

const SCALARS = [null, false, true, 0, 1, 2.5, '', 'a', 'A', 'b', 'é', 'e\u0301', 'ä', {}, { a: 1 }, []]
const LIMIT = { mode: 'true', threshold: 5000, ratio: 2 } as const

interface Query {
  level: number
  reverse: boolean
  skip: number
  limit: number
  start?: unknown
  end?: unknown
}

function randomKey(random: Random): unknown {
  const scalar = (): unknown => SCALARS[random.int(SCALARS.length)]
  if (random.int(4) === 0) return scalar()
  return Array.from({ length: random.int(4) }, scalar)
}

interface Found {
  key: unknown
  value: number
}

/** Sums by group. `sorted` is in the order of the keys, then of the ids. */
function expected(sorted: readonly Found[], { level, reverse, skip, limit, start, end }: Query): Found[] {
  const within = sorted.filter(
    ({ key }) =>
      (start === undefined || compareValues(key, start) >= 0) &&
      (end === undefined || compareValues(key, end) <= 0),
  )
  const cut = (key: unknown): unknown => {
    if (level === 0) return null
    return Array.isArray(key) && key.length > level ? key.slice(0, level) : key
  }
  const groups: Found[] = []
  for (const { key, value } of reverse ? within.reverse() : within) {
    const last = groups.at(-1)
    if (last !== undefined && compareValues(last.key, cut(key)) === 0) last.value += value
    else groups.push({ key: cut(key), value })
  }
  return groups.slice(skip, skip + limit)
}

function rowsOf(tree: MemoryRows, ranges: RowRange[], query: Query): Found[] {
  const builtin = new BuiltinReduction(tree, ['_sum'], '_sum', LIMIT)
  const options = { ...query, compare: collatedOrder.compare }
  const found: Found[] = []
  for (const row of builtinRows(tree, ranges, options, builtin)) {
    if (row !== undefined) found.push(JSON.parse(row.toString()) as Found)
  }
  return found
}

function sortKey(key: unknown): Buffer {
  return collatedOrder.sortKey(Buffer.from(JSON.stringify(key)))
}

t.test('every level, direction, range, skip and limit', async (t) => {
  const random = new Random(16)
  for (let round = 0; round < 300; round++) {
    const rows = Array.from({ length: random.int(80) }, (_, i) => ({
      key: randomKey(random),
      id: `d${String(i).padStart(3, '0')}`,
      value: random.int(100),
    }))
    const sorted = [...rows].sort((a, b) => compareValues(a.key, b.key) || (a.id < b.id ? -1 : 1))
    const tree = new MemoryRows(rows, ['_sum'])
    for (let attempt = 0; attempt < 10; attempt++) {
      const query: Query = {
        level: [0, 1, 2, 3, Number.POSITIVE_INFINITY][random.int(5)]!,
        reverse: random.int(2) === 0,
        skip: random.int(3) === 0 ? random.int(6) : 0,
        limit: random.int(2) === 0 ? random.int(6) : Number.POSITIVE_INFINITY,
        ...(random.int(2) === 0 ? { start: randomKey(random) } : {}),
        ...(random.int(2) === 0 ? { end: randomKey(random) } : {}),
      }
      const range = {
        start: 'start' in query ? sortKey(query.start) : undefined,
        end: 'end' in query ? afterKey(sortKey(query.end)) : undefined,
      }
      const found = rowsOf(tree, [range], query)
      const wanted = expected(sorted, query)
      if (JSON.stringify(found) !== JSON.stringify(wanted)) {
        t.strictSame(found, wanted, JSON.stringify({ query, rows }))
        return
      }
    }
  }
  t.pass()
})

t.test('keys that were asked for have their rows as one group each, in that order', async (t) => {
  const rows = [
    { key: 'é', id: 'a', value: 1 },
    { key: 'e\u0301', id: 'b', value: 2 },
    { key: ['x'], id: 'c', value: 4 },
    { key: ['x', 1], id: 'd', value: 8 },
  ]
  const tree = new MemoryRows(rows, ['_sum'])
  const asked = [['x'], 'nothing', 'e\u0301', ['x']]
  const ranges = asked.map((key) => ({ ...tree.rangeOf(key), key: Buffer.from(JSON.stringify(key)) }))
  const query = { level: Number.POSITIVE_INFINITY, reverse: true, skip: 0, limit: Number.POSITIVE_INFINITY }
  t.strictSame(rowsOf(tree, ranges, query), [
    { key: ['x'], value: 4 },
    { key: 'e\u0301', value: 3 },
    { key: ['x'], value: 4 },
  ])
  t.strictSame(rowsOf(tree, ranges, { ...query, skip: 1, limit: 1 }), [{ key: 'e\u0301', value: 3 }])
  t.strictSame(rowsOf(tree, ranges.slice(0, 1), { ...query, level: 0 }), [{ key: null, value: 4 }])
})

t.test('groups of few rows among groups of many', async (t) => {
  for (const reverse of [false, true]) {
    const random = new Random(reverse ? 2 : 1)
    for (let round = 0; round < 30; round++) {
      const lengths = Array.from({ length: 8 }, () => [1, 3, 15, 16, 17, 18, 60][random.int(7)]!)
      const rows = lengths.flatMap((length, group) =>
        Array.from({ length }, (_, i) => ({ key: [group, i], id: `d${group}-${i}`, value: 1 })),
      )
      const groups = lengths.map((value, group) => ({ key: [group], value }))
      const query = { level: 1, reverse, skip: 0, limit: Number.POSITIVE_INFINITY }
      const found = rowsOf(new MemoryRows(rows, ['_sum']), [{}], query)
      t.strictSame(found, reverse ? groups.reverse() : groups)
    }
  }
})

t.test('nobody groups on for a client that has gone', async (t) => {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ key: i, id: `d${i}`, value: 1 }))
  const tree = new MemoryRows(rows, ['_sum'])
  const query = { level: 1, reverse: false, skip: 0, limit: Number.POSITIVE_INFINITY }
  const reduction: Reduction = { reduce: async (groups) => groups.map(() => Buffer.from('1')) }
  for (const skip of [0, 1_000_000]) {
    const options = { ...query, skip, compare: collatedOrder.compare }
    const gone = new AbortController()
    setImmediate(() => gone.abort(new Error('gone')))
    const all = async (): Promise<void> => {
      const each = reducedRows(tree, [{}], options, reduction, gone.signal)
      while (!(await each.next()).done);
    }
    await t.rejects(all(), { message: 'gone' })
  }
})
