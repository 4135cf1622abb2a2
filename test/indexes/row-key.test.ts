/** Keys of rows against the orders said plainly: CouchDB's collation, and Erlang's terms. */
import t from 'tap'
import { collatedOrder, type KeyOrder, rawOrder } from '../../src/indexes/keys/key-order.ts'
import {
  afterDocument,
  afterKey,
  afterRow,
  beforeDocument,
  canHaveRows,
  groupOf,
  idOf,
  rowKey,
  sortKeyOf,
} from '../../src/indexes/keys/row-key.ts'
import { partitionStart } from '../../src/indexes/keys/sort-key.ts'
import { BY_TEXT } from '../../src/indexes/keys/tokens.ts'
import {
  arbitraryKey,
  arbitraryString,
  jsonOf,
  type KeyValue,
  plainCollated,
  plainRaw,
} from '../support/arbitrary-keys.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const random = new Random(propertySeed(t))
const ORDERS = [
  { order: collatedOrder, plain: plainCollated },
  { order: rawOrder, plain: plainRaw },
]

const bytes = (text: string): Buffer => Buffer.from(text)
const sortKey = (order: KeyOrder, value: KeyValue, partition?: string): Buffer =>
  order.sortKey(bytes(jsonOf(value)), partition === undefined ? undefined : bytes(partition))
/** The engine gives comparators no Buffers. */
const compared = (order: KeyOrder, a: Uint8Array, b: Uint8Array): number =>
  order.compare(new Uint8Array(a), new Uint8Array(b))

function sameSign(a: number, b: number): boolean {
  return Math.sign(a) === Math.sign(b)
}

t.test('sort keys are in the order of their values, equal where those are', async (t) => {
  for (const { order, plain } of ORDERS) {
    const values = Array.from({ length: 1500 }, () => arbitraryKey(random))
    const sorted = values.toSorted(plain)
    const keys = sorted.map((value) => sortKey(order, value))
    const inPartition = sorted.map((value) => sortKey(order, value, 'p'))
    let byBytes = 0
    for (const [i, a] of keys.entries()) {
      for (const j of [i, i + 1, i + 2, random.int(keys.length)].filter((j) => j < keys.length)) {
        const b = keys[j]!
        const expected = plain(sorted[i]!, sorted[j]!)
        const what = `${jsonOf(sorted[i]!)} and ${jsonOf(sorted[j]!)}`
        if (!sameSign(compared(order, a, b), expected)) t.fail(what)
        if (!sameSign(order.compare(b, a), -expected)) t.fail(`${what}, turned over`)
        if (!sameSign(order.compare(inPartition[i]!, inPartition[j]!), expected))
          t.fail(`${what}, in a partition`)
        if (order === collatedOrder && (a[0]! | b[0]!) >= BY_TEXT) continue
        byBytes += 1
        if (!sameSign(Buffer.compare(a, b), expected)) t.fail(`${what}, by bytes`)
      }
    }
    t.ok(byBytes > 1000)
  }
})

t.test('strings of ASCII are decided by bytes: each, all pairs, and longer ones', async (t) => {
  const all = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
  const strings = ['', ...all, ...all.flatMap((a) => all.map((b) => a + b))]
  for (let i = 0; i < 20_000; i++) {
    strings.push(Array.from({ length: 1 + random.int(20) }, () => all[random.int(128)]).join(''))
    strings.push(Array.from({ length: 1 + random.int(20) }, () => 'aAbB \u0000'[random.int(6)]).join(''))
  }
  const sorted = strings.toSorted(plainCollated)
  const keys = sorted.map((text) => sortKey(collatedOrder, text))
  const wrong = keys.findIndex(
    (key, i) =>
      i > 0 && !sameSign(Buffer.compare(keys[i - 1]!, key), plainCollated(sorted[i - 1]!, sorted[i]!)),
  )
  t.equal(wrong, -1, JSON.stringify([sorted[wrong - 1], sorted[wrong]]))
  t.notOk(keys.some((key) => key[0]! >= BY_TEXT))
})

t.test(
  'rows of equal keys are in the order of their ids, and those of one document in that of their numbers',
  async (t) => {
    const ids = [
      '',
      'a',
      'a\u0000',
      'a\u0000b',
      'a\u0001',
      'a\u0001\u0001\u0002',
      'aa',
      'b',
      'é',
      '\u{1f600}',
      'x'.repeat(300),
      'y'.repeat(20_000),
    ].sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
    const numbers = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1]
    for (const { order } of ORDERS) {
      for (const value of [1, 'a', 'é\u0000', ['日', 2], []] as KeyValue[]) {
        const key = sortKey(order, value)
        const rows = ids.flatMap((id) => numbers.map((number) => rowKey(key, bytes(id), number)))
        const wrong = rows.findIndex((row, i) => i > 0 && order.compare(rows[i - 1]!, row) >= 0)
        t.equal(wrong, -1)
        t.strictSame(
          rows.map((row) => idOf(row)),
          ids.flatMap((id) => numbers.map(() => id)),
        )
        t.ok(rows.every((row) => Buffer.from(sortKeyOf(row)).equals(key)))
        for (const [i, id] of ids.entries()) {
          const first = i * numbers.length
          const before = (place: Uint8Array): number =>
            rows.filter((row) => order.compare(row, place) < 0).length
          t.equal(before(beforeDocument(key, bytes(id))), first)
          t.equal(before(afterDocument(key, bytes(id))), first + numbers.length)
          t.equal(before(afterRow(rows[first]!)), first + 1)
          t.equal(before(key), 0)
          t.equal(before(afterKey(key)), rows.length)
        }
      }
    }
  },
)

t.test('places around keys, groups and beginnings of arrays hold what they say', async (t) => {
  for (const { order, plain } of ORDERS) {
    const values = Array.from({ length: 60 }, () =>
      random.int(3) === 0
        ? arbitraryKey(random)
        : Array.from({ length: random.int(4) }, () => arbitraryKey(random, 1)),
    )
    const rows = values.map((value) => rowKey(sortKey(order, value), bytes(arbitraryString(random)), 0))
    for (const [i, value] of values.entries()) {
      const key = sortKey(order, value)
      const isWithin = (start: Uint8Array, end: Uint8Array) =>
        rows.map((row) => order.compare(row, start) >= 0 && order.compare(row, end) < 0)
      t.strictSame(
        isWithin(key, afterKey(key)),
        values.map((other) => plain(other, value) === 0),
        jsonOf(value),
      )
      for (const level of [1, 2, 3, Number.POSITIVE_INFINITY]) {
        const { start, end } = groupOf(rows[i]!, level)
        t.strictSame(
          isWithin(start, end),
          values.map((other) => plain(groupKey(other, level), groupKey(value, level)) === 0),
          `${jsonOf(value)} at level ${level}`,
        )
      }
      if (!Array.isArray(value)) continue
      const start = order.arrayStart(bytes(jsonOf(value)))
      t.strictSame(
        isWithin(start, afterKey(start)),
        values.map(
          (other) =>
            Array.isArray(other) &&
            other.length >= value.length &&
            plain(other.slice(0, value.length), value) === 0,
        ),
        `arrays that begin with ${jsonOf(value)}`,
      )
    }
  }
})

function groupKey(value: KeyValue, level: number): KeyValue {
  return Array.isArray(value) ? value.slice(0, level) : value
}

t.test('a partition holds its own rows, whatever else is in them', async (t) => {
  for (const { order } of ORDERS) {
    const names = ['', 'a', 'a\u0000', 'aa', 'é', 'x'.repeat(3000), `${'x'.repeat(3000)}y`]
    const rows = names.flatMap((name) =>
      Array.from({ length: 20 }, () => ({
        name,
        key: rowKey(sortKey(order, arbitraryKey(random), name), bytes(`${name}:1`), 0),
      })),
    )
    for (const name of names) {
      const start = partitionStart(bytes(name))
      const within = rows.filter(
        ({ key }) => order.compare(key, start) >= 0 && order.compare(key, afterKey(start)) < 0,
      )
      t.strictSame(new Set(within.map((row) => row.name)), new Set([name]))
      t.equal(within.length, 20)
      t.ok(within.every(({ key }) => idOf(key) === `${name}:1`))
    }
  }
})

t.test('keys that are cut stay in one order, and are equal where they were', async (t) => {
  const long = (text: string, count: number): string => text.repeat(count)
  const parts: KeyValue[] = [
    1,
    'é',
    long('ab', 12_260),
    long('aB', 10_720),
    long('é', 24_500),
    long('日', 12_270),
    long('a', 40_000),
  ]
  const values = Array.from({ length: 36 }, () =>
    Array.from({ length: 1 + random.int(4) }, () => {
      const part = parts[random.int(parts.length)]!
      return typeof part === 'string' ? part.slice(random.int(3), part.length - random.int(20)) : part
    }),
  )
  for (const { order, plain } of ORDERS) {
    const keys = values.map((value) => sortKey(order, value))
    t.ok(keys.some((key) => key.length > 24_576))
    t.ok(
      keys.every(
        (key) => key.length <= 24_576 + 33 && rowKey(key, Buffer.alloc(40_000, 'i'), 70_000).length < 65_536,
      ),
    )
    for (const [i, a] of keys.entries()) {
      t.ok(Buffer.from(sortKeyOf(rowKey(a, bytes('id'), 300))).equals(a))
      t.equal(idOf(rowKey(a, bytes('id'), 300)), 'id')
      for (const [j, b] of keys.entries()) {
        const found = order.compare(a, b)
        if (!sameSign(found, -order.compare(b, a))) t.fail('one way and the other')
        const isCut = Math.max(a.length, b.length) > 24_576
        if (!isCut && !sameSign(found, plain(values[i]!, values[j]!))) t.fail('two that are not cut')
        if (a.equals(b) !== (jsonOf(values[i]!) === jsonOf(values[j]!)) && order === rawOrder)
          t.fail('equal ones')
      }
    }
    const sorted = keys.toSorted(order.compare)
    for (let i = 0; i < 600; i++) {
      const [first, second] = [random.int(sorted.length), random.int(sorted.length)].sort((a, b) => a - b)
      if (order.compare(sorted[first!]!, sorted[second!]!) > 0) t.fail('transitive')
    }
  }
  const id = Buffer.alloc(65_000, 'i')
  t.equal(canHaveRows(id), false)
  t.throws(() => rowKey(Buffer.from([2]), id, 0), RangeError)
})

t.test('no depth is too deep', async (t) => {
  const deep = (levels: number): Buffer => bytes(`${'[{"a":'.repeat(levels)}"é"${'}]'.repeat(levels)}`)
  const [a, b] = [collatedOrder.sortKey(deep(300_000)), collatedOrder.sortKey(deep(300_001))]
  t.ok(collatedOrder.compare(a, b) !== 0)
  t.equal(idOf(rowKey(a, bytes('id'), 1000)), 'id')
})
