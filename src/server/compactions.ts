/**
 * The compactions of a server's databases. What holds:
 * - A database is compacted by one job at a time; asking again while it runs changes nothing.
 * - A job holds a lease, so that its database stays open. When the lease's signal tells it to go, or the server
 *   stops, it leaves its file to be gone on from; when a client cancels it, it takes its file with it.
 * - However a job ends, the writer's turn is given back and the task says what became of it.
 * - While the thread that writes is busy, or those that answer requests leave one processor at most, the jobs work for half of their
 *   time share.
 */
import { performance } from 'node:perf_hooks'
import { MessageChannel } from 'node:worker_threads'
import type { Clock } from '../base/clock.ts'
import type { Compression } from '../base/compression.ts'
import { DatabaseError } from '../base/errors.ts'
import { isMachineBusy } from '../base/serving-load.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { OwnedDatabase } from '../database/api/database.ts'
import { type CompactionJob, type CompactionReport, serveSource } from '../workers/compaction-job.ts'
import { JobControl, STOP, WHOLE_SHARE } from '../workers/control.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { Task, TaskOutcome, TaskRegistry } from '../workers/tasks.ts'
import type { Lease } from './open-databases.ts'

const WORKER = new URL('../workers/compaction-worker.js', import.meta.url).href
/** A job that was told to stop and has not ended then is ended with its thread. */
const STOP_GRACE_MS = 5000
const LOAD_EVERY_MS = 500
/** Share of the event loop's time in use from which on it counts as busy. */
const BUSY = 0.8
const BUSY_DIVISOR = 2
/** What a compaction writes, as a multiple of the bytes in use. */
const NEEDED = 1.2

/** They are read whenever they are needed, so they may change; a job keeps the rate, the cache and the compression that it began with. */
export interface CompactionSettings {
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number
  /** Percent of its thread's time that a job may work. */
  readonly sharePercent: number
  /** Of one job. */
  readonly cacheBytes: number
  /** Bytes that must be left on the disk beside what a compaction needs. */
  readonly reserveBytes: number
  /** Of bodies that are not packed yet. */
  readonly compression: Compression
}

export function compactionSettings(settings: Pick<SettingsRegistry, 'view'>): CompactionSettings {
  return settings.view({
    bytesPerSecond: 'compactionBytesPerSecond',
    sharePercent: 'compactionSharePercent',
    cacheBytes: 'compactionCacheBytes',
    reserveBytes: 'compactionReserveBytes',
    compression: 'fileCompression',
  })
}

export interface CompactionsOptions {
  lease(name: string): Promise<Lease<OwnedDatabase>>
  pool: WorkerPool
  tasks: TaskRegistry
  clock: Clock
  settings: CompactionSettings
  /** Bytes that the disk has free; undefined: unknown. */
  freeBytes?: (() => Promise<number>) | undefined
  /** Is told of each database that has another file. */
  onCompacted?: ((name: string) => void) | undefined
  /** How long a job that was told to stop may take for it. Default 5000. */
  stopGraceMs?: number | undefined
  /** The module that a job runs; the compaction's unless a test gives another. */
  worker?: string | undefined
}

interface Job {
  readonly control: JobControl
  readonly kill: AbortController
  readonly ended: Promise<void>
}

export class Compactions {
  readonly #options: CompactionsOptions
  readonly #jobs = new Map<string, Job>()
  #stopped = false
  #cancelLoadTimer: (() => void) | undefined

  constructor(options: CompactionsOptions) {
    this.#options = options
  }

  /** Starts one, unless one is running. Throws insufficient_storage, and what leasing the database throws. */
  async start(name: string): Promise<void> {
    // A job that was told to stop will not finish its compaction: the one that is asked for now begins after it.
    for (let job = this.#jobs.get(name); job && job.control.stop !== STOP.no; job = this.#jobs.get(name)) {
      await job.ended
    }
    if (this.#stopped) throw new DatabaseError('shuttingDown')
    const lease = await this.#options.lease(name)
    try {
      if (!this.#jobs.has(name)) await this.#requireRoom(lease)
    } catch (error) {
      lease.release()
      throw error
    }
    if (this.#jobs.has(name) || this.#stopped) {
      lease.release()
      return
    }
    const control = new JobControl()
    const kill = new AbortController()
    const ended = this.#run(name, lease, control, kill).finally(() => {
      this.#jobs.delete(name)
      lease.release()
    })
    this.#jobs.set(name, { control, kill, ended })
    this.#watchLoad()
  }

  /** Databases that are being compacted. */
  get running(): number {
    return this.#jobs.size
  }

  /** The new file is as long as what is in use, and some more is written while it is made. */
  async #requireRoom({ database }: Lease<OwnedDatabase>): Promise<void> {
    const { freeBytes, settings } = this.#options
    if (freeBytes === undefined) return
    const { active, file } = database.info().sizes
    const neededBytes = Math.min(file, Math.ceil(active * NEEDED)) + settings.reserveBytes
    const free = await freeBytes()
    if (free >= neededBytes) return
    throw new DatabaseError(
      'insufficientStorage',
      `The compaction needs ${neededBytes} bytes on the disk, which has ${free}.`,
    )
  }

  /** Resolves when the one that runs for the database, if any, has ended. */
  async ended(name: string): Promise<void> {
    await this.#jobs.get(name)?.ended
  }

  /** Ends all jobs; they can be gone on with. */
  async stop(): Promise<void> {
    this.#stopped = true
    const jobs = [...this.#jobs.values()]
    for (const job of jobs) this.#stopJob(job, STOP.keep)
    await Promise.all(jobs.map(({ ended }) => ended))
    this.#cancelLoadTimer?.()
    await this.#options.pool.destroy()
  }

  #stopJob(job: Pick<Job, 'control' | 'kill'>, how: typeof STOP.keep | typeof STOP.discard): void {
    job.control.stop = how
    const { clock, stopGraceMs = STOP_GRACE_MS } = this.#options
    clock.after(stopGraceMs, () => job.kill.abort())
  }

  async #run(
    name: string,
    lease: Lease<OwnedDatabase>,
    control: JobControl,
    kill: AbortController,
  ): Promise<void> {
    const { tasks } = this.#options
    const task = tasks.start({
      type: 'database_compaction',
      database: name,
      phase: 'document_copy',
      cancel: () => this.#stopJob({ control, kill }, STOP.discard),
    })
    const leave = (): void => this.#stopJob({ control, kill }, STOP.keep)
    lease.signal.addEventListener('abort', leave, { once: true })
    if (lease.signal.aborted) leave()
    let outcome: TaskOutcome = 'failed'
    let failure: unknown
    try {
      outcome = (await this.#compact(lease, control, kill.signal, task)).outcome
    } catch (error) {
      if (control.stop === STOP.no) failure = error
      else outcome = 'cancelled'
    }
    lease.signal.removeEventListener('abort', leave)
    await lease.database.endCompaction({ discard: outcome === 'cancelled' && control.stop === STOP.discard })
    task.end(outcome, failure)
    if (outcome === 'completed') this.#options.onCompacted?.(name)
  }

  async #compact(
    { database }: Lease<OwnedDatabase>,
    control: JobControl,
    signal: AbortSignal,
    task: Task,
  ): Promise<CompactionReport> {
    const { pool, settings, worker = WORKER } = this.#options
    const { bytesPerSecond, cacheBytes, compression } = settings
    const source = database.beginCompaction()
    const { port1, port2 } = new MessageChannel()
    const close = serveSource(port1, source, (progress) => task.update(progress))
    const { path, uuid, salt } = source
    const rest = { bytesPerSecond, cacheBytes, compression }
    const job: CompactionJob = { path, uuid, salt, port: port2, control: control.shared, ...rest }
    try {
      return await pool.run<CompactionReport>(worker, job, { transfer: [port2], signal })
    } finally {
      close()
    }
  }

  /** While any job runs, its share follows the load. */
  #watchLoad(): void {
    if (this.#cancelLoadTimer !== undefined) return
    let before = performance.eventLoopUtilization()
    const look = (): void => {
      if (this.#jobs.size === 0) {
        this.#cancelLoadTimer = undefined
        return
      }
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, before)
      before = now
      const isBusy = utilization > BUSY || isMachineBusy()
      const share = this.#options.settings.sharePercent * (WHOLE_SHARE / 100)
      for (const { control } of this.#jobs.values()) {
        control.share = isBusy ? share / BUSY_DIVISOR : share
      }
      this.#cancelLoadTimer = this.#options.clock.after(LOAD_EVERY_MS, look)
    }
    look()
  }
}
