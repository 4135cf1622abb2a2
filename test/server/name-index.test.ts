import fc from 'fast-check'
import t from 'tap'
import { NameIndex, type NameRange } from '../../src/server/name-index.ts'

/** What the range says, done the plain way. */
function plain(names: readonly string[], range: NameRange): string[] {
  const travel = [...names].sort()
  if (range.descending) travel.reverse()
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0) * (range.descending ? -1 : 1)
  const inside = travel.filter((name) => {
    if (range.startKey !== undefined && order(name, range.startKey) < 0) return false
    if (range.endKey === undefined) return true
    const end = order(name, range.endKey)
    return end < 0 || (end === 0 && range.inclusiveEnd !== false)
  })
  const skip = range.skip ?? 0
  return inside.slice(skip, range.limit === undefined ? undefined : skip + range.limit)
}

t.test('ranges agree with the plain way', async (t) => {
  const name = fc.stringMatching(/^[ab][ab/]{0,2}$/)
  const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
  const range = fc.record({
    startKey: option(name),
    endKey: option(name),
    inclusiveEnd: option(fc.boolean()),
    descending: option(fc.boolean()),
    skip: option(fc.nat(8)),
    limit: option(fc.nat(8)),
  })
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.uniqueArray(name), range, (added, removed, range) => {
      const index = new NameIndex(added.slice(0, 2))
      for (const each of added) index.add(each)
      for (const each of removed) index.remove(each)
      const left = added.filter((each) => !removed.includes(each))
      t.same(index.list(range), plain(left, range))
      t.equal(index.size, left.length)
      for (const each of removed) t.notOk(index.has(each))
      for (const each of left) t.ok(index.has(each))
    }),
    { numRuns: 300 },
  )
})
