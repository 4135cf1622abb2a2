/**
 * What runs in the background, for `_active_tasks`, and what has run, for its history. The members are CouchDB's,
 * and `eta_seconds`, `bytes_done` and `bytes_to_do`. `progress` and `changes_done` never go back while a task
 * lives; times are whole seconds since the Unix epoch.
 */
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'

/** The name of the one node. */
const NODE = 'nonode@nohost'
/** Tasks that ended and are remembered. */
const HISTORY_LENGTH = 100
const PERCENT = 100

export interface TaskProgress {
  phase: string
  changesDone: number
  totalChanges: number
  bytesDone: number
  bytesTotal: number
}

export type TaskOutcome = 'completed' | 'cancelled' | 'failed'

/** As a client sees a task. */
export interface TaskInfo {
  node: string
  pid: string
  type: string
  task: string
  /** Null for one of no database. */
  database: string | null
  status: string
  phase: string
  progress: number
  changes_done: number
  total_changes: number
  started_on: number
  updated_on: number
  /** Null while nothing can be said. */
  eta_seconds: number | null
  bytes_done: number
  bytes_to_do: number
  /** Of indexes. */
  design_document?: string
  /** Of a task that failed. */
  error?: string
  /** Of its type alone. */
  [member: string]: unknown
}

export interface TaskOptions {
  type: string
  database: string | null
  phase: string
  /** The id of the design document that it is for. */
  designDocument?: string | undefined
  /** Members of its type, which may stand in the place of others. Structured cloning takes them. */
  members?: (() => Readonly<Record<string, unknown>>) | undefined
  /** Asks it to end; it ends some time later. */
  cancel(): void
}

/** One task, as what runs it sees it. */
export class Task {
  readonly pid: string
  readonly #options: TaskOptions
  readonly #clock: Clock
  readonly #startedMs: number
  readonly #startedTick: number
  readonly #end: (task: Task) => void
  #updatedMs: number
  #progress: TaskProgress
  #percent = 0
  #status = 'running'
  #error: string | undefined

  constructor(pid: string, options: TaskOptions, clock: Clock, end: (task: Task) => void) {
    this.pid = pid
    this.#options = options
    this.#clock = clock
    this.#end = end
    this.#startedMs = clock.now()
    this.#startedTick = clock.monotonic()
    this.#updatedMs = this.#startedMs
    this.#progress = { phase: options.phase, changesDone: 0, totalChanges: 0, bytesDone: 0, bytesTotal: 0 }
  }

  update(progress: TaskProgress): void {
    const before = this.#progress
    const changesDone = Math.max(before.changesDone, progress.changesDone)
    const totalChanges = Math.max(changesDone, progress.totalChanges)
    const bytesDone = Math.max(before.bytesDone, progress.bytesDone)
    this.#progress = { ...progress, changesDone, totalChanges, bytesDone }
    const percent = totalChanges === 0 ? 0 : Math.floor((changesDone / totalChanges) * PERCENT)
    this.#percent = Math.max(this.#percent, Math.min(percent, PERCENT))
    this.#updatedMs = this.#clock.now()
  }

  cancel(): void {
    if (this.#status !== 'running') return
    this.#status = 'cancelling'
    this.#options.cancel()
  }

  end(outcome: TaskOutcome, error?: unknown): void {
    this.#status = outcome
    this.#updatedMs = this.#clock.now()
    if (outcome === 'completed') this.#percent = PERCENT
    if (error !== undefined) this.#error = describeError(error)
    this.#end(this)
  }

  info(): TaskInfo {
    const { phase, changesDone, totalChanges, bytesDone, bytesTotal } = this.#progress
    const { type, database, designDocument, members } = this.#options
    const info: TaskInfo = {
      node: NODE,
      pid: this.pid,
      type,
      task: database === null ? type : `${type} of ${database}`,
      database,
      ...(designDocument !== undefined && { design_document: designDocument }),
      status: this.#status,
      phase,
      progress: this.#percent,
      changes_done: changesDone,
      total_changes: totalChanges,
      started_on: seconds(this.#startedMs),
      updated_on: seconds(this.#updatedMs),
      eta_seconds: this.#etaSeconds(),
      bytes_done: bytesDone,
      bytes_to_do: Math.max(0, bytesTotal - bytesDone),
      ...members?.(),
    }
    return this.#error === undefined ? info : { ...info, error: this.#error }
  }

  get elapsedMs(): number {
    return this.#clock.monotonic() - this.#startedTick
  }

  /** As if the rest went as fast as what was done, on the average. */
  #etaSeconds(): number | null {
    const { changesDone, totalChanges } = this.#progress
    if (changesDone === 0) return null
    return Math.ceil((this.elapsedMs * (totalChanges - changesDone)) / changesDone / 1000)
  }
}

export class TaskRegistry {
  readonly #clock: Clock
  readonly #log: Log
  readonly #running = new Map<string, Task>()
  readonly #history: TaskInfo[] = []
  #started = 0

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  start(options: TaskOptions): Task {
    this.#started += 1
    const pid = `<0.${this.#started}.0>`
    const task = new Task(pid, options, this.#clock, (ended) => this.#ended(ended))
    this.#running.set(pid, task)
    this.#log.info('task started', { pid, type: options.type, database: options.database })
    return task
  }

  #ended(task: Task): void {
    this.#running.delete(task.pid)
    const info = task.info()
    this.#history.unshift(info)
    this.#history.length = Math.min(this.#history.length, HISTORY_LENGTH)
    const { pid, type, database, status, error } = info
    const fields = { pid, type, database, status, error, seconds: seconds(task.elapsedMs) }
    if (status === 'failed') this.#log.error('task failed', fields)
    else this.#log.info('task ended', fields)
  }

  /** Those that run, the oldest first. */
  list(): TaskInfo[] {
    return [...this.#running.values()].map((task) => task.info())
  }

  /** Those that have ended, the last first. */
  history(): readonly TaskInfo[] {
    return this.#history
  }

  /** False when no such task runs. */
  cancel(pid: string): boolean {
    const task = this.#running.get(pid)
    task?.cancel()
    return task !== undefined
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}
