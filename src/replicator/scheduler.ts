/**
 * Which replications run, by the rules of CouchDB's scheduler. What holds:
 * - At most `maxJobs` run at once. Where more would, at most `maxChurn` continuous ones are stopped in an interval for others
 *   that wait; one that is not continuous runs to its end.
 * - Whose turn is: see shares.ts; among equals, who has waited the longest.
 * - A document's that crashes rests for half a minute, twice as long after each crash in a row, up to some eight hours; a
 *   request's, which CouchDB gives up, for five seconds, and up to some ten minutes. The row ends with a run that was well for
 *   `healthThresholdSeconds`, or was stopped.
 * - No step is longer than what runs at once, or a burst of starts: those that wait stand in queues.
 */
import type { Clock } from '../base/clock.ts'
import { Heap } from '../base/heap.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { NameIndex } from '../server/name-index.ts'
import { Job, type JobDescription, type Run, type RunEnd } from './job.ts'
import { type ShareSettings, Shares } from './shares.ts'

export interface SchedulerSettings extends ShareSettings {
  readonly maxJobs: number
  readonly maxChurn: number
  readonly maxHistory: number
  readonly intervalMs: number
  readonly healthThresholdSeconds: number
  /** In so long as many begin as may run. */
  readonly startupJitterMs: number
}

export interface SchedulerOptions {
  settings: SchedulerSettings
  /** Begins a replication. What it throws is a crash. */
  run(job: Job): Run
  /** It has completed, or failed for good: it is not there any more. */
  onEnded(job: Job): void
  clock: Clock
  log: Log
  metrics: Pick<Metrics, 'count' | 'set'>
}

const SECOND_MS = 1000
/** After crashes. */
const DOCUMENT_REST = { firstMs: 30_000, mostDoublings: 10 }
const REQUEST_REST = { firstMs: 5000, mostDoublings: 7 }
/** So many begin at once. */
const BURST = 20
/** So many cease to rest in one step. */
const MOST_WOKEN = 1000

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #shares: Shares
  readonly #jobs = new Map<string, Job>()
  readonly #ids = new NameIndex()
  /** Running, or asked to stop. */
  readonly #running = new Set<Job>()
  /** Ends of those that are gone and still run, by their ids: the next one of that id waits for it. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #ready = new Heap<Job>(isEarlier)
  readonly #resting = new Heap<Job>(
    (a, b) => a.restsUntilMs < b.restsUntilMs || (a.restsUntilMs === b.restsUntilMs && a.order < b.order),
  )
  #lastOrder = 0
  #cancelCycle: (() => void) | undefined
  #cancelWake: (() => void) | undefined
  #wakeAtMs = Number.POSITIVE_INFINITY
  /** How many may begin before `#burstEndMs`. */
  #burstLeft = BURST
  #burstEndMs = 0
  #isClosed = false

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#shares = new Shares(options.settings)
  }

  get size(): number {
    return this.#jobs.size
  }

  get runningCount(): number {
    return this.#running.size
  }

  find(id: string): Job | undefined {
    return this.#jobs.get(id)
  }

  /** By their ids, in their order. */
  list(skip: number, limit: number): Job[] {
    return this.#ids.list({ skip, limit }).map((id) => this.#jobs.get(id)!)
  }

  /** It runs at once where there is room. There must be none of this id. */
  add(description: JobDescription): Job {
    if (this.#jobs.has(description.id)) throw new Error('there is such a replication')
    const { clock, metrics } = this.#options
    const job = new Job(description, this.#lastOrder++)
    this.#jobs.set(job.id, job)
    this.#ids.add(job.id)
    this.#note(job, 'added', clock.now())
    this.#shares.jobAdded(job)
    metrics.count('couch_replicator.jobs.adds')
    this.#scheduleCycle()
    const leaving = this.#leaving.get(job.id)
    if (leaving === undefined) this.#enter(job)
    else void leaving.then(() => this.#enter(job))
    return job
  }

  #enter(job: Job): void {
    if (job.phase !== 'ready') return
    this.#ready.add(job)
    this.#fill()
  }

  /** It is not there any more; resolves when it does not run any more. */
  async remove(job: Job): Promise<void> {
    if (job.phase === 'removed') return this.#leaving.get(job.id)
    this.#options.metrics.count('couch_replicator.jobs.removes')
    const { run } = job
    this.#forget(job)
    if (run === undefined) return
    run.stop()
    const left = run.ended.then(() => {
      if (this.#leaving.get(job.id) === left) this.#leaving.delete(job.id)
    })
    this.#leaving.set(job.id, left)
    await left
  }

  /** Resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelCycle?.()
    this.#cancelWake?.()
    for (const job of this.#running) job.run?.stop()
    await Promise.all([...this.#running].map((job) => job.run?.ended))
  }

  /** A place is its as long as its run has not ended. */
  #forget(job: Job): void {
    job.phase = 'removed'
    if (this.#jobs.get(job.id) === job) {
      this.#jobs.delete(job.id)
      this.#ids.remove(job.id)
    }
    this.#ready.remove(job)
    this.#resting.remove(job)
    this.#shares.jobRemoved(job)
  }

  #note(job: Job, type: 'added' | 'started' | 'stopped', atMs: number): void {
    job.note({ type, atMs }, this.#options.settings.maxHistory)
  }

  #scheduleCycle(): void {
    if (this.#isClosed || this.#cancelCycle !== undefined || this.#jobs.size === 0) return
    const { clock, settings } = this.#options
    this.#cancelCycle = clock.after(settings.intervalMs, () => {
      this.#cancelCycle = undefined
      this.#cycle()
      this.#scheduleCycle()
    })
  }

  #cycle(): void {
    const { settings, clock } = this.#options
    const now = clock.monotonic()
    for (const job of this.#running) this.#shares.charge(job, now)
    if (this.#shares.update(this.#running)) this.#shares.rescale(this.#jobs.values())
    this.#wakeRested()
    const stopped = this.#stopExcess(Math.max(0, this.#running.size - settings.maxJobs))
    const room = Math.max(0, settings.maxJobs - this.#running.size)
    this.#stop(Math.min(this.#ready.size - room, settings.maxChurn - stopped), true)
    this.#fill()
    this.#countPhases()
  }

  /** Continuous ones first. */
  #stopExcess(count: number): number {
    const stopped = this.#stop(count, true)
    return stopped + this.#stop(count - stopped, false)
  }

  /** Those whose priority is the worst, of them those that run the longest. Returns how many there were. */
  #stop(count: number, isContinuous: boolean): number {
    if (count <= 0) return 0
    const stoppable = [...this.#running].filter(
      (job) => job.phase === 'running' && job.isContinuous === isContinuous,
    )
    stoppable.sort(
      (a, b) => b.priority - a.priority || a.lastStartedMs - b.lastStartedMs || a.order - b.order,
    )
    const chosen = stoppable.slice(0, count)
    for (const job of chosen) {
      job.phase = 'stopping'
      job.run!.stop()
    }
    return chosen.length
  }

  /** Begins what there is room for, in bursts. */
  #fill(): void {
    const { settings, clock } = this.#options
    while (!this.#isClosed && this.#running.size < settings.maxJobs && this.#ready.size > 0) {
      const now = clock.monotonic()
      if (now >= this.#burstEndMs) {
        this.#burstLeft = BURST
        this.#burstEndMs = now + (settings.startupJitterMs * BURST) / Math.max(BURST, settings.maxJobs)
      }
      if (this.#burstLeft === 0) {
        this.#wakeAt(this.#burstEndMs)
        return
      }
      this.#burstLeft -= 1
      this.#start(this.#ready.takeFirst()!)
    }
    const resting = this.#resting.first
    if (resting !== undefined) this.#wakeAt(resting.restsUntilMs)
  }

  #wakeAt(atMs: number): void {
    if (this.#isClosed || atMs >= this.#wakeAtMs) return
    this.#cancelWake?.()
    const { clock } = this.#options
    this.#wakeAtMs = atMs
    this.#cancelWake = clock.after(Math.max(1, Math.ceil(atMs - clock.monotonic())), () => {
      this.#cancelWake = undefined
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      this.#wakeRested()
      this.#fill()
    })
  }

  /** A step's worth of them; the next ones follow soon. */
  #wakeRested(): void {
    const now = this.#options.clock.monotonic()
    for (let count = 0; count < MOST_WOKEN; count++) {
      const job = this.#resting.first
      if (job === undefined || job.restsUntilMs > now) return
      this.#resting.remove(job)
      job.phase = 'ready'
      this.#ready.add(job)
    }
  }

  #start(job: Job): void {
    const { clock, metrics, run } = this.#options
    const startedMs = clock.monotonic()
    job.phase = 'running'
    job.lastStartedMs = startedMs
    job.chargedUntilMs = startedMs
    this.#note(job, 'started', clock.now())
    this.#running.add(job)
    metrics.count('couch_replicator.jobs.starts')
    try {
      job.run = run(job)
    } catch (error) {
      this.#ended(job, { kind: 'crashed', reason: describeError(error) })
      return
    }
    void job.run.ended.then((end) => this.#ended(job, end))
  }

  #ended(job: Job, end: RunEnd): void {
    const { clock, metrics, log, onEnded } = this.#options
    job.statistics()
    job.run = undefined
    this.#running.delete(job)
    this.#shares.charge(job, clock.monotonic())
    if (job.phase === 'removed' || this.#isClosed) {
      this.#fill()
      return
    }
    if (end.kind === 'completed') {
      this.#forget(job)
      log.notice('a replication has completed', { replication: job.id })
      onEnded(job)
    } else if (end.kind === 'failed') {
      metrics.count('couch_replicator.jobs.crashes')
      this.#forget(job)
      const { source, target } = job.description
      log.error('a replication has failed for good', {
        ...{ replication: job.id, source, target, reason: end.reason },
      })
      onEnded(job)
    } else if (end.kind === 'stopped') {
      metrics.count('couch_replicator.jobs.stops')
      this.#note(job, 'stopped', clock.now())
      job.errorCount = 0
      job.phase = 'ready'
      this.#ready.add(job)
    } else {
      this.#crashed(job, end.reason)
    }
    this.#fill()
  }

  #crashed(job: Job, reason: string): void {
    const { settings, clock, metrics, log } = this.#options
    const nowMs = clock.now()
    const healthyMs = clock.monotonic() - job.lastStartedMs
    job.errorCount = healthyMs > settings.healthThresholdSeconds * SECOND_MS ? 0 : job.errorCount + 1
    job.note({ type: 'crashed', atMs: nowMs, reason }, settings.maxHistory)
    metrics.count('couch_replicator.jobs.crashes')
    log.warning('a replication has failed', { replication: job.id, reason })
    const { firstMs, mostDoublings } = job.isRequested ? REQUEST_REST : DOCUMENT_REST
    const doublings = Math.min(job.errorCount - 1, mostDoublings)
    job.restsUntilMs = clock.monotonic() + (doublings < 0 ? 0 : firstMs * 2 ** doublings)
    job.phase = 'resting'
    this.#resting.add(job)
  }

  #countPhases(): void {
    const { metrics } = this.#options
    metrics.set('couch_replicator.jobs.total', this.#jobs.size)
    metrics.set('couch_replicator.jobs.running', this.#running.size)
    metrics.set('couch_replicator.jobs.pending', this.#ready.size)
    metrics.set('couch_replicator.jobs.crashed', this.#resting.size)
  }
}

function isEarlier(a: Job, b: Job): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority
  return a.lastStartedMs === b.lastStartedMs ? a.order < b.order : a.lastStartedMs < b.lastStartedMs
}
