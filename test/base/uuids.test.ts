/** Ids that the server gives: neighbours, never the same. */
import t from 'tap'
import { systemRandom } from '../../src/base/random.ts'
import { SequentialUuids } from '../../src/base/uuids.ts'

t.test('a prefix that stays, a number that grows, a new prefix when it is used up', async (t) => {
  const uuids = new SequentialUuids(systemRandom)
  const perPrefix = new Map<string, number[]>()
  for (let i = 0; i < 30_000; i++) {
    const id = uuids.next()
    if (!/^[0-9a-f]{32}$/.test(id)) t.fail(id)
    const numbers = perPrefix.get(id.slice(0, 26)) ?? []
    numbers.push(Number.parseInt(id.slice(26), 16))
    perPrefix.set(id.slice(0, 26), numbers)
  }
  const runs = [...perPrefix.values()]
  t.ok(runs.length >= 2 && runs.length <= 6, `${runs.length} prefixes`)
  const steps = runs.flatMap((numbers) => numbers.map((number, at) => number - (numbers[at - 1] ?? 0)))
  t.ok(steps.every((step) => step >= 1 && step <= 0xffd))
  t.ok(new Set(steps).size > 1000, 'the steps are random')
  t.ok(runs.slice(0, -1).every((numbers) => numbers.at(-1)! >= 0xfff000 && numbers.at(-2)! < 0xfff000))
})

t.test('at the ends of what the steps can be', async (t) => {
  for (const byte of [0x00, 0xff]) {
    const uuids = new SequentialUuids((target) => target.fill(byte))
    const first = uuids.next()
    t.ok(first < uuids.next())
  }
})
