/**
 * A replication as the scheduler has it: what is told of it, what has happened to it, and when its turn is. What it does is
 * the runner's; a job that waits holds neither the document that it comes from nor a connection.
 */
import { NODE } from '../base/node-name.ts'
import { isoTime } from './iso-time.ts'

/** What is counted while a replication runs, with CouchDB's names, in their order. */
export type JobStatistics = Readonly<Record<string, unknown>>

export interface JobDescription {
  /** The replication's id, with `+continuous` and the like. */
  readonly id: string
  /** Where the document is that it comes from; null for a request's. */
  readonly database: string | null
  readonly documentId: string | null
  /** Whose rights it has; null for nobody's in particular. */
  readonly user: string | null
  /** Without credentials. */
  readonly source: string
  readonly target: string
  readonly sourceProxy: string | null
  readonly targetProxy: string | null
  readonly isContinuous: boolean
  readonly startTimeMs: number
}

export type EventType = 'added' | 'started' | 'stopped' | 'crashed'

export interface JobEvent {
  readonly type: EventType
  readonly atMs: number
  /** Of a crash. */
  readonly reason?: string
}

/** How a run ended. */
export type RunEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'stopped' }
  /** It is to be tried again. */
  | { readonly kind: 'crashed'; readonly reason: string }
  /** It is not. */
  | { readonly kind: 'failed'; readonly reason: string }

/** A replication that runs. */
export interface Run {
  /** Asks it to end, and may be called again. */
  stop(): void
  /** Resolves when nothing of it runs any more. Never rejects. */
  readonly ended: Promise<RunEnd>
  /** What it has counted so far; null while it has not. */
  statistics(): JobStatistics | null
}

/** Where a job is: `ready` to run as soon as there is room, `resting` after a crash. */
export type Phase = 'ready' | 'resting' | 'running' | 'stopping' | 'removed'

export class Job {
  readonly description: JobDescription
  /** Who shares what jobs may use: a replicator database, or a user. */
  readonly owner: string
  phase: Phase = 'ready'
  run: Run | undefined
  /** The last first. */
  history: readonly JobEvent[] = []
  /** Crashes in a row. */
  errorCount = 0
  /** The lower, the earlier its turn; in units that the shares know. */
  priority = 0
  /** Up to when its time was charged. */
  chargedUntilMs = 0
  /** When a resting one may run again. */
  restsUntilMs = 0
  lastStartedMs = 0
  /** In the order of coming. */
  readonly order: number
  #statistics: JobStatistics | null = null

  constructor(description: JobDescription, order: number) {
    this.description = description
    this.order = order
    this.owner = description.database ?? `user:${description.user ?? ''}`
  }

  get id(): string {
    return this.description.id
  }

  get isContinuous(): boolean {
    return this.description.isContinuous
  }

  /** No document's. */
  get isRequested(): boolean {
    return this.description.database === null
  }

  /** Holds a place among those that run. */
  get isRunning(): boolean {
    return this.phase === 'running' || this.phase === 'stopping'
  }

  note(event: JobEvent, maxHistory: number): void {
    this.history = [event, ...this.history.slice(0, Math.max(0, maxHistory - 1))]
  }

  statistics(): JobStatistics | null {
    this.#statistics = this.run?.statistics() ?? this.#statistics
    return this.#statistics
  }

  /** As `_scheduler/jobs` tells of it. */
  info(): Record<string, unknown> {
    const { id, database, documentId, user, source, target, startTimeMs } = this.description
    return {
      database,
      id,
      pid: this.isRunning ? pidOf(id) : null,
      source,
      target,
      user,
      doc_id: documentId,
      info: this.statistics(),
      history: this.history.map(({ type, atMs, reason }) => ({
        timestamp: isoTime(atMs),
        type,
        ...(reason === undefined ? {} : { reason }),
      })),
      node: NODE,
      start_time: isoTime(startTimeMs),
    }
  }

  get state(): 'running' | 'pending' | 'crashing' {
    if (this.isRunning) return 'running'
    return this.history[0]?.type === 'crashed' ? 'crashing' : 'pending'
  }

  /** As `_scheduler/docs` tells of it, from the node on. */
  summary(): Record<string, unknown> {
    const { source, target, sourceProxy, targetProxy, startTimeMs } = this.description
    const { state } = this
    const last = this.history[0]
    return {
      node: NODE,
      source,
      target,
      state,
      info: state === 'crashing' ? { error: last?.reason } : this.statistics(),
      error_count: this.errorCount,
      last_updated: isoTime(last?.atMs ?? startTimeMs),
      start_time: isoTime(startTimeMs),
      source_proxy: sourceProxy,
      target_proxy: targetProxy,
    }
  }
}

/** The name of a process, of which there is none: the same for as long as there is the replication. */
function pidOf(id: string): string {
  return `<0.${Number.parseInt(id.slice(0, 5), 16)}.0>`
}
