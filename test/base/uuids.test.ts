/** Ids that the server gives: neighbours, never the same. */
import t from 'tap'
import { systemRandom } from '../../src/base/random.ts'
import { SequentialUuids, UniqueTime, type UuidSettings, Uuids } from '../../src/base/uuids.ts'
import { manualClock } from '../support/manual-clock.ts'

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

t.test('the other algorithms, chosen from id to id', async (t) => {
  const clock = manualClock()
  const settings = { algorithm: 'random' as UuidSettings['algorithm'], suffix: '' }
  const uuids = new Uuids({ settings, time: new UniqueTime(), clock, random: systemRandom })
  t.match(uuids.next(), /^[0-9a-f]{32}$/)
  settings.algorithm = 'utc_random'
  const [first, second] = [uuids.next(), uuids.next()]
  t.match(first, /^0[0-9a-f]{31}$/)
  t.equal(Number.parseInt(first.slice(0, 14), 16), clock.now() * 1000, 'the time in microseconds')
  t.not(first.slice(14), second.slice(14))
  settings.algorithm = 'utc_id'
  settings.suffix = 'mine'
  t.match(uuids.next(), /^0[0-9a-f]{13}mine$/)
  settings.algorithm = 'uuid_v7'
  const ids = [uuids.next(), uuids.next()]
  for (const id of ids) {
    t.match(id, /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
    t.equal(Number.parseInt(id.slice(0, 12), 16), Math.floor(clock.now()))
  }
  t.not(ids[0]!.slice(13), ids[1]!.slice(13))
  settings.algorithm = 'sequential'
  const run = [uuids.next(), uuids.next()]
  t.equal(run[0]!.slice(0, 26), run[1]!.slice(0, 26))
})

t.test(
  'no time is given twice: in one millisecond, by a clock that is set back, by another thread',
  async (t) => {
    const time = new UniqueTime()
    const other = new UniqueTime(time.buffer)
    const given = new Set<bigint>()
    let last = 0n
    for (const nowMs of [1000, 1000, 1000.5, 999, 1001, 1]) {
      for (const each of [time, other]) {
        const next = each.next(nowMs)
        t.ok(next > last)
        given.add(next)
        last = next
      }
    }
    t.equal(given.size, 12)
  },
)
