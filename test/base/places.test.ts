/** Members at numbered places. */
import t from 'tap'
import { Places } from '../../src/base/places.ts'

t.test('a member is found by its number until it is taken', async (t) => {
  const places = new Places<string>()
  const numbers = ['a', 'b', 'c'].map((member) => places.add(member))
  t.equal(new Set(numbers).size, 3)
  t.equal(places.size, 3)
  t.equal(places.take(numbers[1]!), 'b')
  t.equal(places.take(numbers[1]!), undefined)
  t.same([...places], ['a', 'c'])
  t.same(
    [...places.entries()],
    [
      [numbers[0], 'a'],
      [numbers[2], 'c'],
    ],
  )
  t.equal(places.size, 2)
})

t.test('a place that is taken again has another number', async (t) => {
  const places = new Places<number>()
  const numbers = new Set<number>()
  for (let at = 0; at < 1000; at++) {
    const number = places.add(at)
    numbers.add(number)
    t.equal(places.take(number), at)
  }
  t.equal(numbers.size, 1000)
  const [first] = numbers
  const last = places.add(-1)
  t.equal(places.take(first!), undefined, 'the number of one who has gone')
  t.equal(places.take(last), -1)
})

t.test(
  'it holds no more places than there were members at a time, and those who are gone by nothing',
  async (t) => {
    const places = new Places<object>()
    const there: { number: number; member: object }[] = []
    for (let at = 0; at < 10_000; at++) {
      const member = { at }
      there.push({ number: places.add(member), member })
      if (there.length <= 64) continue
      const { number, member: gone } = there.splice((at * 7919) % 64, 1)[0]!
      t.ok(number % 2 ** 22 < 65)
      t.equal(places.take(number), gone)
    }
    t.equal(places.size, 64)
    t.same(new Set(places), new Set(there.map(({ member }) => member)))
  },
)

t.test('numbers that are none', async (t) => {
  const places = new Places<string>()
  places.add('a')
  for (const number of [1, 2 ** 22, 2 ** 52, -1, 0.5, Number.NaN]) t.equal(places.take(number), undefined)
  t.equal(places.size, 1)
})

t.test('while they are gone through they may go', async (t) => {
  const places = new Places<string>()
  for (const member of ['a', 'b', 'c']) places.add(member)
  for (const [number] of places.entries()) places.take(number)
  t.equal(places.size, 0)
})
