/** Entries that were collected in any order against a plain sort of them. */
import t from 'tap'
import { forgetSpareMemory, spareMemoryBytes } from '../../src/indexes/build-memory.ts'
import { CollectedEntries } from '../../src/indexes/collected-entries.ts'
import { collatedOrder } from '../../src/indexes/keys/key-order.ts'
import { rowKey } from '../../src/indexes/keys/row-key.ts'
import { arbitraryKey, jsonOf } from '../support/arbitrary-keys.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const random = new Random(propertySeed(t))
const { comparator } = collatedOrder

function sortedKeys(entries: CollectedEntries): string[] {
  return [...entries.sorted()].map(({ key, value }) => {
    if (value.toString() !== `of ${key.toString('hex')}`) t.fail(`another value: ${value.toString()}`)
    return key.toString('hex')
  })
}

function check(name: string, keys: readonly Buffer[], isCollated: boolean): void {
  const entries = new CollectedEntries(isCollated ? comparator : undefined)
  const distinct = new Map(keys.map((key) => [key.toString('hex'), key]))
  for (const [hex, key] of distinct) entries.add(key, Buffer.from(`of ${hex}`))
  const compare = isCollated ? comparator!.compare : Buffer.compare
  const expected = [...distinct.values()].sort(compare).map((key) => key.toString('hex'))
  t.same(sortedKeys(entries), expected, name)
  t.equal(entries.count, distinct.size)
}

check('none', [], false)
check('one', [Buffer.from('a')], false)
check(
  'beginnings of each other, and zeros',
  ['a', 'a\0', 'a\0\0', 'a\0\0\0\0\0', 'a\0\0\0\0\0\0', 'ab', 'b'].map((key) => Buffer.from(key)),
  false,
)

for (const [name, shared, alphabet, most] of [
  ['that agree in much', 'a shared beginning of all', 2, 12],
  ['of few bytes', '', 2, 7],
  ['of any bytes', '', 256, 30],
  ['with bytes above 127', 'x', 256, 6],
] as const) {
  const keys = Array.from({ length: 3000 }, () => {
    const rest = Buffer.from(Array.from({ length: random.int(most) }, () => random.int(alphabet)))
    return Buffer.concat([Buffer.from(shared || 'k'), rest])
  })
  check(name, keys, false)
}

const rows = Array.from({ length: 2000 }, (_, n) => {
  const sortKey = collatedOrder.sortKey(Buffer.from(jsonOf(arbitraryKey(random, 2))))
  return rowKey(sortKey, Buffer.from(String(n)), 0)
})
check('rows, some of which bytes do not decide', rows, true)
const numbers = Array.from({ length: 2000 }, (_, n) => {
  const sortKey = collatedOrder.sortKey(Buffer.from(JSON.stringify([random.int(500) - 250, `text ${n % 7}`])))
  return rowKey(sortKey, Buffer.from(String(n)), 0)
})
check('rows that bytes decide', numbers, true)
/** They begin alike, then differ in four bytes that many share, in one more, and in the last two. */
const many = Array.from({ length: 9000 }, (_, n) =>
  Buffer.from([0, 0, random.int(200), 0, 0, 0, random.int(256), n >> 8, n & 255]),
)
check('more than are sorted by one call, several times over', many, false)
check('the same in their order', [...many].sort(Buffer.compare), false)
check('the same the other way round', [...many].sort(Buffer.compare).reverse(), false)

t.test("memory that others have used before, and give back, is nobody else's", async (t) => {
  forgetSpareMemory()
  t.equal(spareMemoryBytes(), 0)
  const fill = (entries: CollectedEntries, mark: string): string[] => {
    const keys = Array.from({ length: 20_000 }, (_, i) => Buffer.from(`${mark} ${i % 977} ${i}`))
    for (const key of keys) entries.add(key, Buffer.from(`of ${key.toString('hex')}`))
    return keys.sort(Buffer.compare).map((key) => key.toString('hex'))
  }
  const before = new CollectedEntries(undefined)
  fill(before, 'before')
  before.release()
  t.ok(spareMemoryBytes() > 0)
  const kept = spareMemoryBytes()
  const [one, other] = [new CollectedEntries(undefined), new CollectedEntries(undefined)]
  const expected = [fill(one, 'one'), fill(other, 'other')]
  t.ok(spareMemoryBytes() < kept, 'it was taken')
  t.same(sortedKeys(one), expected[0])
  t.same(sortedKeys(other), expected[1])
  one.release()
  one.release()
  t.same(sortedKeys(other), expected[1])
  t.same(sortedKeys(one), [])
  forgetSpareMemory()
  t.equal(spareMemoryBytes(), 0)
})
