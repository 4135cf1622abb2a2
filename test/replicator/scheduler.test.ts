import t from 'tap'
import type { Job, JobDescription, Run, RunEnd } from '../../src/replicator/job.ts'
import { Scheduler, type SchedulerSettings } from '../../src/replicator/scheduler.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { recordingLog } from '../support/recording-log.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const MINUTE_MS = 60_000

interface Simulation {
  clock: SimulatedClock
  scheduler: Scheduler
  settings: { -readonly [K in keyof SchedulerSettings]: SchedulerSettings[K] } & {
    shares: Map<string, number>
  }
  /** How often each job has begun. */
  starts: Map<string, number>
  /** How long the jobs of each database have run. */
  ranMs: Map<string, number>
  completed: string[]
  mostAtOnce: number
  mostInTurn: number
  /** Moves time on; what is told in promises is taken in between. */
  advance(ms: number, stepMs?: number): Promise<void>
}

/** Runs end as `endOf` says: after so long, and how; undefined: when they are stopped. */
function simulate(endOf: (job: Job) => { afterMs: number; end: RunEnd } | undefined): Simulation {
  const clock = new SimulatedClock()
  const settings = {
    maxJobs: 500,
    maxChurn: 20,
    maxHistory: 20,
    intervalMs: MINUTE_MS,
    healthThresholdSeconds: 120,
    startupJitterMs: 5000,
    shares: new Map<string, number>(),
    usageCoefficient: 0.5,
    priorityCoefficient: 0.98,
  }
  const starts = new Map<string, number>()
  const ranMs = new Map<string, number>()
  const completed: string[] = []
  let running = 0
  let inTurn = 0
  const run = (job: Job): Run => {
    running += 1
    inTurn += 1
    simulation.mostAtOnce = Math.max(simulation.mostAtOnce, running)
    simulation.mostInTurn = Math.max(simulation.mostInTurn, inTurn)
    starts.set(job.id, (starts.get(job.id) ?? 0) + 1)
    const startedMs = clock.monotonic()
    let settle: (end: RunEnd) => void = () => undefined
    const ended = new Promise<RunEnd>((resolve) => {
      settle = (end) => {
        settle = () => undefined
        running -= 1
        ranMs.set(job.owner, (ranMs.get(job.owner) ?? 0) + clock.monotonic() - startedMs)
        resolve(end)
      }
    })
    const planned = endOf(job)
    if (planned !== undefined) clock.after(planned.afterMs, () => settle(planned.end))
    return { stop: () => settle({ kind: 'stopped' }), ended, statistics: () => ({ docs_read: 1 }) }
  }
  const scheduler = new Scheduler({
    settings,
    run,
    onEnded: (job) => completed.push(job.id),
    clock,
    log: recordingLog().log,
    metrics: { count() {}, set() {} },
  })
  const simulation: Simulation = {
    clock,
    scheduler,
    settings,
    starts,
    ranMs,
    completed,
    mostAtOnce: 0,
    mostInTurn: 0,
    async advance(ms, stepMs = 1000) {
      for (let left = ms; left > 0; left -= stepMs) {
        inTurn = 0
        clock.advance(Math.min(stepMs, left))
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
  return simulation
}

function described(id: string, database: string, isContinuous: boolean): JobDescription {
  return {
    id,
    database,
    documentId: id,
    user: null,
    source: 'http://a/',
    target: 'http://b/',
    sourceProxy: null,
    targetProxy: null,
    isContinuous,
    startTimeMs: 0,
  }
}

t.test(
  'of ten thousand continuous ones each has its turn, and none a second one long before the others',
  async (t) => {
    const seed = propertySeed(t)
    const random = new Random(seed)
    const { scheduler, settings, starts, clock, advance } = simulate(() => undefined)
    const ids = Array.from({ length: 10_000 }, (_, index) => `${index}`)
    for (let at = ids.length - 1; at > 0; at--) {
      const other = random.int(at + 1)
      ;[ids[at], ids[other]] = [ids[other]!, ids[at]!]
    }
    for (const id of ids) scheduler.add(described(id, '_replicator', true))
    await advance(10_000)
    t.equal(scheduler.runningCount, settings.maxJobs)
    // Twice round: each interval lets as many in as it churns.
    const rounds = 2
    const cycles = (rounds * (ids.length - settings.maxJobs)) / settings.maxChurn
    let unequal = 0
    for (let cycle = 0; cycle < cycles; cycle++) {
      await advance(MINUTE_MS, MINUTE_MS / 2)
      if (cycle % 100 !== 0) continue
      const counts = ids.map((id) => starts.get(id) ?? 0)
      unequal = Math.max(unequal, Math.max(...counts) - Math.min(...counts))
    }
    const counts = ids.map((id) => starts.get(id) ?? 0)
    t.ok(Math.min(...counts) >= rounds - 1, `the one with the fewest turns has ${Math.min(...counts)}`)
    t.ok(unequal <= 2, `turns differ by ${unequal}`)
    t.equal(scheduler.size, ids.length)
    t.ok(clock.pending <= 2, 'the scheduler has a timer for the interval, and one for what comes next')
    await scheduler.close()
  },
)

t.test('those that end make room for the next at once', async (t) => {
  const random = new Random(propertySeed(t))
  const simulation = simulate(() => ({ afterMs: random.between(10, 5000), end: { kind: 'completed' } }))
  const { scheduler, settings, completed, advance } = simulation
  for (let id = 0; id < 10_000; id++) scheduler.add(described(`${id}`, `${id % 3}/_replicator`, false))
  t.ok(simulation.mostInTurn <= 20, 'a burst begins at once')
  await advance(4 * MINUTE_MS, 50)
  t.equal(new Set(completed).size, 10_000)
  t.equal(completed.length, 10_000)
  t.equal(simulation.mostAtOnce <= settings.maxJobs, true)
  t.equal(scheduler.size, 0)
  await advance(2 * MINUTE_MS)
  t.equal(simulation.clock.pending, 0, 'a scheduler without jobs has no timer')
})

t.test('databases have shares', async (t) => {
  const { scheduler, settings, ranMs, advance } = simulate(() => undefined)
  settings.maxJobs = 20
  settings.maxChurn = 10
  settings.shares.set('rich/_replicator', 400)
  for (let id = 0; id < 100; id++) scheduler.add(described(`r${id}`, 'rich/_replicator', true))
  for (let id = 0; id < 100; id++) scheduler.add(described(`p${id}`, 'poor/_replicator', true))
  await advance(600 * MINUTE_MS, MINUTE_MS / 2)
  await scheduler.close()
  const rich = ranMs.get('rich/_replicator')!
  const poor = ranMs.get('poor/_replicator')!
  t.ok(rich > 2 * poor, `${rich} against ${poor}`)
  t.ok(poor > 0, 'the poor one runs, too')
})

t.test('a database with many jobs does not crowd out one with few', async (t) => {
  const { scheduler, settings, ranMs, advance } = simulate(() => undefined)
  settings.maxJobs = 20
  settings.maxChurn = 10
  for (let id = 0; id < 1000; id++) scheduler.add(described(`m${id}`, 'many/_replicator', true))
  for (let id = 0; id < 10; id++) scheduler.add(described(`f${id}`, 'few/_replicator', true))
  await advance(600 * MINUTE_MS, MINUTE_MS / 2)
  await scheduler.close()
  // Its ten jobs are a hundredth of all; their part of the time is far more than that.
  const few = ranMs.get('few/_replicator')!
  const many = ranMs.get('many/_replicator')!
  t.ok(few / (few + many) > 0.1, `${few} against ${many}`)
})

t.test('one that crashes rests twice as long each time, and is well again after a while', async (t) => {
  const ends: ({ afterMs: number; end: RunEnd } | undefined)[] = []
  const crash = { afterMs: 10, end: { kind: 'crashed' as const, reason: 'db_not_found: could not open it' } }
  ends.push(crash, crash, crash, { ...crash, afterMs: 200_000 }, undefined)
  const { scheduler, starts, advance } = simulate(() => ends.shift())
  const job = scheduler.add(described('a', '_replicator', true))
  await advance(1000, 10)
  t.equal(job.state, 'crashing')
  t.match(job.summary(), { info: { error: 'db_not_found: could not open it' }, error_count: 1 })
  t.match(job.info(), {
    pid: null,
    history: [{ type: 'crashed', reason: /db_not_found/ }, { type: 'started' }],
  })
  await advance(28_000)
  t.equal(starts.get('a'), 1)
  await advance(2000)
  t.equal(starts.get('a'), 2)
  await advance(57_000)
  t.equal(starts.get('a'), 2)
  await advance(5000)
  t.equal(starts.get('a'), 3)
  t.equal(job.errorCount, 3)
  await advance(125_000)
  t.equal(starts.get('a'), 4, 'it runs for longer than it takes to be well')
  t.equal(job.state, 'running')
  t.equal(job.errorCount, 3)
  await advance(202_000)
  t.equal(job.errorCount, 0)
  t.equal(starts.get('a'), 5, 'it begins at once again')
  await scheduler.close()
})

t.test('fewer may run: continuous ones are stopped first', async (t) => {
  const { scheduler, settings, advance } = simulate(() => undefined)
  settings.maxJobs = 10
  const jobs = [
    ...Array.from({ length: 5 }, (_, id) => scheduler.add(described(`c${id}`, '_replicator', true))),
    ...Array.from({ length: 5 }, (_, id) => scheduler.add(described(`o${id}`, '_replicator', false))),
  ]
  t.equal(scheduler.runningCount, 10)
  settings.maxJobs = 6
  await advance(MINUTE_MS + 1000)
  t.equal(scheduler.runningCount, 6)
  t.equal(jobs.filter((job) => job.isContinuous && job.state === 'running').length, 1)
  t.equal(jobs.filter((job) => !job.isContinuous && job.state === 'running').length, 5)
  settings.maxJobs = 0
  await advance(MINUTE_MS)
  t.equal(scheduler.runningCount, 0)
  t.ok(jobs.every((job) => job.state === 'pending'))
  await scheduler.close()
})

t.test('a history has its bound', async (t) => {
  const { scheduler, settings, advance } = simulate(() => ({
    afterMs: 10,
    end: { kind: 'crashed', reason: 'no' },
  }))
  settings.maxHistory = 3
  const job = scheduler.add(described('a', '_replicator', false))
  await advance(60 * MINUTE_MS)
  t.equal(job.history.length, 3)
  t.ok(job.errorCount > 3)
  await scheduler.close()
})

t.test('one that is removed stops, and keeps its place until it has', async (t) => {
  const { scheduler, settings, starts, advance } = simulate(() => undefined)
  settings.maxJobs = 1
  const first = scheduler.add(described('a', '_replicator', true))
  scheduler.add(described('b', '_replicator', true))
  t.equal(starts.get('b'), undefined)
  await scheduler.remove(first)
  t.equal(scheduler.find('a'), undefined)
  await advance(6000)
  t.equal(starts.get('b'), 1)
  t.equal(scheduler.runningCount, 1)
  await scheduler.close()
})
