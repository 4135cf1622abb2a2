/** What the fuzzer promises of itself: failures repeat, shrink, and are told with the command that repeats them. */
import t from 'tap'
import { commandFor } from '../../fuzz/report.ts'
import { runTarget, shortestFailure } from '../../fuzz/run.ts'
import { untroddenPaths } from '../../fuzz/smoke.ts'
import { duePaths, playerOf, type Target } from '../../fuzz/target.ts'
import { canary } from '../../fuzz/targets/canary.ts'
import { crash } from '../../fuzz/targets/crash.ts'
import { database } from '../../fuzz/targets/database.ts'
import { readers } from '../../fuzz/targets/readers.ts'
import { threads } from '../../fuzz/targets/threads.ts'

/** Fails at the second event that draws a multiple of 16, with both numbers in its message. */
const twoInACase: Target = {
  name: 'two',
  summary: '',
  caseEvents: 50,
  smokeEvents: 50,
  rarePaths: ['even', 'never'],
  open: playerOf(async (script) => {
    const met: number[] = []
    for (const random of script.events()) {
      const drawn = random.int(2 ** 20)
      if (drawn % 2 === 0) script.coverage.count('even')
      if (drawn % 16 === 0) met.push(drawn)
      if (met.length === 2) throw new Error(met.join(' and '))
    }
  }),
}

const once = { events: Number.POSITIVE_INFINITY, seconds: 20 }

t.test('a failure is repeated by its seed and events, and shrinks to what it needs', async (t) => {
  const { failure, coverage } = await runTarget(twoInACase, { seed: 4, ...once })
  t.ok(failure)
  const shortest = await shortestFailure(twoInACase, failure!, 20)
  t.equal(shortest.numbers.length, 2)
  t.equal(shortest.error.message, failure!.error.message, 'other events left out, the same draws')
  t.match(commandFor('two', shortest), / --target two --seed \d+ --only \d+,\d+$/)
  t.match(commandFor('two', failure!), / --target two --seed \d+ --events \d+$/)
  const again = await runTarget(twoInACase, {
    seed: shortest.seed,
    ...once,
    only: shortest.numbers,
  })
  t.equal(again.failure?.error.message, failure!.error.message)
  t.same(untroddenPaths(twoInACase, coverage), ['never'])
})

t.test('who watches a run hears of every case', async (t) => {
  const told: number[] = []
  const limits = { seed: 1, events: 120, seconds: 20, onProgress: (events: number) => told.push(events) }
  await runTarget({ ...twoInACase, open: playerOf(async (script) => void [...script.events()]) }, limits)
  t.same(told, [50, 100, 120])
})

t.test('a server without fronts is not asked for the ends of any', async (t) => {
  t.notOk(duePaths(threads, { threads: 0 }).includes('frontsKilled'))
  for (const settings of [{}, { threads: 2 }]) t.same(duePaths(threads, settings), threads.rarePaths)
})

t.test('the canary is caught', async (t) => {
  const { failure } = await runTarget(canary, { seed: 1, events: canary.smokeEvents, seconds: 20 })
  t.ok(failure)
})

for (const [target, looks] of [
  [crash, 'images'],
  [database, 'images'],
  [readers, 'refreshes'],
] as const) {
  t.test(`${target.name}: the same seed gives the same run`, async (t) => {
    const limits = { seed: 9, events: 40, seconds: 60 }
    const first = await runTarget(target, limits)
    const second = await runTarget(target, limits)
    t.equal(first.failure, undefined)
    t.same(first.coverage.entries(), second.coverage.entries())
    t.ok(first.coverage.of(looks) > 20)
  })
}

t.test('rejections that nobody awaits, and cases that wait for nothing, fail', async (t) => {
  const careless = {
    ...twoInACase,
    open: playerOf(async () => {
      void Promise.reject(new Error('forgotten'))
    }),
  }
  const hung = { ...twoInACase, hangMs: 30, open: playerOf(() => new Promise<void>(() => undefined)) }
  const first = await runTarget(careless, { seed: 1, events: 1, seconds: 5 })
  t.match(first.failure?.error.message, /nobody awaited/)
  const second = await runTarget(hung, { seed: 1, events: 1, seconds: 5 })
  t.match(second.failure?.error.message, /hangs/)
})
