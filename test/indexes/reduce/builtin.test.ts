/** What built-in reduces give. Results that are written down were recorded from Apache CouchDB 3.5.2. */
import t from 'tap'
import { runAtOnce } from '../../../src/base/time-slice.ts'
import { encodeRowValue } from '../../../src/indexes/keys/row-value.ts'
import { BuiltinReduction } from '../../../src/indexes/reduce/builtin-reduction.ts'
import { readNumber } from '../../../src/indexes/reduce/scalar.ts'
import { treeReducer } from '../../../src/indexes/reduce/tree-reducer.ts'
import { type MemoryRow, MemoryRows } from '../../support/memory-rows.ts'
import { Random } from '../../support/random.ts'

const LIMIT = { mode: 'true', threshold: 5000, ratio: 2 } as const

function rowsOf(values: readonly unknown[]): MemoryRow[] {
  return values.map((value, i) => ({ key: i, id: `d${i}`, value }))
}

function textOf(rows: readonly MemoryRow[], reduce: string, others: readonly string[] = []): string {
  const reduces = [...others, reduce]
  const reduction = new BuiltinReduction(new MemoryRows(rows, reduces), reduces, reduce, LIMIT)
  return String(runAtOnce(reduction.resultSteps({})))
}

function resultOf(values: readonly unknown[], reduce: string, others?: readonly string[]): unknown {
  return JSON.parse(textOf(rowsOf(values), reduce, others))
}

const REFUSED = {
  error: 'builtin_reduce_error',
  reason:
    'The _sum function requires that map values be numbers, arrays of numbers, or objects. Objects cannot be mixed with other data structures. Objects can be arbitrarily nested, provided that the values for all fields are themselves numbers, arrays of numbers, or objects.',
}

t.test('sums', async (t) => {
  t.equal(resultOf([1, 2.5, -3, 10, 10], '_sum'), 20.5)
  t.strictSame(
    resultOf(
      [
        [1, 2, 3],
        [10, 20],
      ],
      '_sum',
    ),
    [11, 22, 3],
  )
  t.strictSame(resultOf([[1, 2], 5], '_sum'), [6, 2])
  t.strictSame(resultOf([5, [1, 2]], '_sum'), [6, 2])
  const objects = [
    { x: 1, y: { z: 2 } },
    { x: 10, w: 4, y: { z: 3, q: 1 } },
  ]
  t.equal(textOf(rowsOf(objects), '_sum'), '{"w":4,"x":11,"y":{"q":1,"z":5}}')
  t.equal(textOf(rowsOf([{ b: 1, a: 2 }]), '_sum'), '{"b":1,"a":2}', 'one alone is as it was')
  t.strictSame(resultOf(['text', 1], '_sum'), { ...REFUSED, caused_by: 'text' })
  t.strictSame(resultOf([1, null, 'text'], '_sum'), { ...REFUSED, caused_by: null })
  t.strictSame(resultOf([[20, 'x']], '_sum'), [20, 'x'])
  t.strictSame(resultOf([1, { a: 1 }], '_sum'), { ...REFUSED, caused_by: { a: 1 } })
  t.strictSame(resultOf([{ a: 1 }, [1]], '_sum'), { ...REFUSED, caused_by: [1] })
  t.strictSame(resultOf([{ a: { b: 1 } }, { a: { b: 'x' } }], '_sum'), { ...REFUSED, caused_by: 'x' })
  const spread = [...Array(40).fill(1), 'bad', ...Array(40).fill(1)]
  t.strictSame(resultOf(spread, '_sum'), { ...REFUSED, caused_by: 'bad' }, 'however far down')
  t.strictSame(
    resultOf([...spread, { error: 'other' }], '_sum'),
    { ...REFUSED, caused_by: 'bad' },
    'the first',
  )
  const long = 'x'.repeat(5000)
  t.strictSame(resultOf([[1, long]], '_sum'), {
    error: 'builtin_reduce_error',
    reason: 'Reduce output must shrink more rapidly: input size: 5007 output size: 5007',
  })
})

t.test('integers are exact, doubles are marked as such', async (t) => {
  const text = (numbers: readonly string[], reduce: string): string => {
    const rows = numbers.map((number, i) => ({ key: i, id: `d${i}`, text: number }))
    return textOf(rows, reduce)
  }
  t.equal(text(['9007199254740991', '1', '1'], '_sum'), '9007199254740993')
  t.equal(text(['123456789012345680000', '-123456789012345679999'], '_sum'), '1')
  t.equal(text(['2.5', '2.5'], '_sum'), '5.0')
  t.equal(text(['2', '3'], '_sum'), '5')
  t.equal(text(['1e+21', '1'], '_sum'), '1.0e21')
  t.equal(text(['1e308', '1e308'], '_sum'), '1.0e999', 'beyond the largest double')
  t.equal(
    text(['1764354159123', '1764354159124'], '_stats'),
    '{"sum":3528708318247,"count":2,"min":1764354159123,"max":1764354159124,"sumsqr":6225891197632785516576505}',
  )
  t.equal(text(['[0.1,7]', '[0.2,7]'], '_sum'), '[0.30000000000000004,14]')
})

t.test('statistics', async (t) => {
  t.strictSame(resultOf([1, 2.5, -3, 10, 10], '_stats'), {
    ...{ sum: 20.5, count: 5, min: -3, max: 10, sumsqr: 216.25 },
  })
  const values = [
    [1, 2],
    [10, -20],
  ]
  t.strictSame(resultOf(values, '_stats'), [
    { sum: 11, count: 2, min: 1, max: 10, sumsqr: 101 },
    { sum: -18, count: 2, min: -20, max: 2, sumsqr: 404 },
  ])
  const before = { sum: -20, count: 2, min: -15, max: -5, sumsqr: 250 }
  t.strictSame(resultOf([before, before, 7], '_stats'), { sum: -33, count: 5, min: -15, max: 7, sumsqr: 549 })
  t.equal(textOf(rowsOf([1]), '_stats'), '{"sum":1,"count":1,"min":1,"max":1,"sumsqr":1}', 'as it is written')
  for (const [values, cause] of [
    [[1, 'a'], 'a'],
    [[null, 1], null],
    [[{ sum: 1 }, 2], { sum: 1 }],
  ] as const) {
    const { error, caused_by } = resultOf(values, '_stats') as Record<string, unknown>
    t.strictSame([error, caused_by], ['builtin_reduce_error', cause])
  }
  const { error } = resultOf([1, [1]], '_stats') as Record<string, unknown>
  t.equal(error, 'builtin_reduce_error')
})

t.test('ranks, counts, the first and the last', async (t) => {
  const values = [1, 2.5, -3, 10, 10]
  t.strictSame(resultOf(values, '_top_2'), [10, 2.5])
  t.strictSame(resultOf(values, '_bottom_2'), [-3, 1])
  t.strictSame(resultOf(['b', [1], null, 'a', { x: 1 }, 'b', 4], '_top_5'), [{ x: 1 }, [1], 'b', 'a', 4])
  t.strictSame(resultOf(['b', [1], null, 'a', null], '_bottom_9'), [null, 'a', 'b', [1]])
  t.equal(resultOf(values, '_count'), 5)
  t.equal(resultOf(values, '_first'), 1)
  t.equal(resultOf(values, '_last'), 10)
  const long = Array.from({ length: 300 }, (_, i) => ({ i, text: String(i).repeat(30) }))
  t.strictSame(resultOf(long, '_top_100'), long.slice(200).reverse(), 'longer than a node keeps')
})

t.test('different keys are counted as CouchDB counts them', async (t) => {
  const distinct = (keys: readonly unknown[]): unknown => {
    const rows = keys.map((key, i) => ({ key, id: `d${i}`, value: null }))
    return JSON.parse(textOf(rows, '_approx_count_distinct', ['_stats', '_sum', '_top_3']))
  }
  t.equal(distinct(['a', 'b', 'c', 'd', 'e']), 5)
  t.equal(distinct([1, 1, 1, [1], ['1'], { a: 1 }, 1.5, true, null]), 7)
  for (const count of [100, 2500, 8000]) {
    const keys = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? i : `key ${i}`))
    const estimate = distinct([...keys, ...keys.slice(0, count / 2)]) as number
    t.ok(Math.abs(estimate - count) / count < 0.07, `${estimate} of ${count}`)
  }
})

/** What the reduces are by definition, of all rows at once. */
function plain(values: readonly number[], reduce: string): unknown {
  const sum = values.reduce((a, b) => a + b, 0)
  if (reduce === '_sum') return sum
  if (reduce === '_count') return values.length
  const sorted = [...new Set(values)].sort((a, b) => a - b)
  if (reduce === '_bottom_4') return sorted.slice(0, 4)
  if (reduce === '_top_7') return sorted.reverse().slice(0, 7)
  const sumsqr = values.reduce((a, b) => a + b * b, 0)
  return { sum, count: values.length, min: Math.min(...values), max: Math.max(...values), sumsqr }
}

t.test('side by side, of any rows, they are what they are alone and by definition', async (t) => {
  const random = new Random(20_261_128)
  const names = ['_sum', '_stats', '_top_7', '_approx_count_distinct', '_bottom_4', '_count']
  for (let round = 0; round < 30; round++) {
    // Sums of these are exact.
    const values = Array.from({ length: 1 + random.int(120) }, () => (random.int(4000) - 2000) / 8)
    const rows = rowsOf(values)
    const tree = new MemoryRows(rows, names)
    for (const name of names) {
      const text = String(runAtOnce(new BuiltinReduction(tree, names, name, LIMIT).resultSteps({})))
      if (text !== textOf(rows, name)) t.fail(`${name} alone`)
      if (name === '_approx_count_distinct') continue
      t.strictSame(JSON.parse(text), plain(values, name))
    }
  }
})

t.test('entries that lie together are reduced as each of them is', async (t) => {
  const random = new Random(3)
  const texts = [
    '7',
    '-12',
    '0',
    '2.5',
    '-0.125',
    '1e+21',
    '94906266',
    '123456789012345678',
    '"x"',
    '[1,2]',
    'null',
  ]
  const reducer = treeReducer(['_sum', '_stats', '_top_2', 'function () {}', '_approx_count_distinct'])!
  for (let round = 0; round < 400; round++) {
    const most = 1 + random.int(texts.length)
    const values = Array.from({ length: 1 + random.int(12) }, () => Buffer.from(texts[random.int(most)]!))
    const entries = values.map((value, i) => {
      const both = Buffer.concat([Buffer.from(String(i % 3)), value])
      return { key: Buffer.from([i]), value: encodeRowValue(both, 0, 1, 1, both.length) }
    })
    const bounds: number[] = []
    const bytes: Buffer[] = []
    let at = 0
    for (const { key, value } of entries) {
      bytes.push(Buffer.alloc(random.int(3), 9), key, value)
      at += bytes.at(-3)!.length
      bounds.push(at, at + key.length, at + key.length, at + key.length + value.length)
      at += key.length + value.length
    }
    const all = reducer.mapAll!(Buffer.concat(bytes), Uint32Array.from(bounds))
    const each = reducer.combine(entries.map(({ key, value }) => reducer.map(key, value)))
    if (Buffer.compare(all, each) !== 0) t.strictSame(all, each, String(values))
  }
  t.pass()
})

t.test('what a node keeps is never longer than it may be', async (t) => {
  const reduces = [
    '_sum',
    '_stats',
    '_approx_count_distinct',
    ...Array.from({ length: 100 }, (_, i) => `_top_${i + 1}`),
  ]
  const reducer = treeReducer(reduces)!
  t.ok(reducer.name.length <= 255)
  const random = new Random(7)
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    key: i,
    id: `d${i}`,
    value: { [`member ${random.int(50)}`]: random.int(9), text: 'x'.repeat(random.int(60)) },
  }))
  const tree = new MemoryRows(rows, reduces)
  t.ok(tree.reduce({}).reduction!.length <= reducer.maxBytes)
  const result = runAtOnce(
    new BuiltinReduction(tree, reduces, '_approx_count_distinct', LIMIT).resultSteps({}),
  )
  t.ok(Math.abs(Number(result) - 3000) < 200, 'and what does not fit is computed')
  t.equal(treeReducer(['_count', '_first', '_last']), undefined)
  t.equal(treeReducer(['_count', 'function () {}'])!.name, 'rows', 'for functions: what the rows are')
})

t.test('a sum of many members is limited as CouchDB limits it, unless the limit is off', async (t) => {
  const values = Array.from({ length: 40 }, (_, i) =>
    Object.fromEntries(Array.from({ length: 20 }, (_, j) => [`member ${i} ${j}`, 1])),
  )
  t.match(resultOf(values, '_sum'), { error: 'builtin_reduce_error', reason: /^Reduce output must shrink/ })
  const tree = new MemoryRows(rowsOf(values), ['_sum'])
  const reduction = new BuiltinReduction(tree, ['_sum'], '_sum', { ...LIMIT, mode: 'false' })
  const result = JSON.parse(String(runAtOnce(reduction.resultSteps({})))) as object
  t.equal(Object.keys(result).length, 800)
})

t.test('doubles are read as their texts say', async (t) => {
  const random = new Random(7)
  const digits = (count: number): string =>
    Array.from({ length: count }, () => String(random.int(10))).join('')
  const texts = ['0.0', '-0.0', '0.1', '9.007199254740993', '123456789012345.6', '0.000000000000001']
  for (let i = 0; i < 5000; i++) {
    const exponent = random.int(4) === 0 ? `e${random.int(40) - 20}` : ''
    const text = `${digits(1 + random.int(10))}.${digits(1 + random.int(12))}${exponent}`
    texts.push(random.int(2) === 0 ? text : `-${text}`)
  }
  const wrong = texts.filter((text) => !Object.is(readNumber(Buffer.from(text)), Number(text)))
  t.strictSame(wrong, [])
})
