/** What the stream of events tells, as src/server/dashboard.ts makes it: each event has the sections that have changed. */

export interface KindFigures {
  readonly kind: string
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

export interface StorageFigures {
  readonly readsPerSecond: number
  readonly writesPerSecond: number
  readonly commitsPerSecond: number
  readonly documentsPerCommit: number
  /** Milliseconds. */
  readonly syncP50: number
  readonly syncP99: number
  /** From 0 to 1. */
  readonly cacheHits: number | null
}

export interface ProcessFigures {
  readonly threads: number
  /** From 0 to 1. */
  readonly busy: number
  readonly lateMs: number
  /** Bytes. */
  readonly memory: number
  readonly open: number
}

export interface DatabaseRow {
  readonly documents: number
  readonly deleted: number
  /** Bytes. */
  readonly file: number
  readonly live: number
}

export interface TaskInfo {
  readonly pid: string
  readonly type: string
  readonly task: string
  readonly database: string | null
  readonly design_document?: string
  readonly status: string
  readonly phase: string
  readonly progress: number
  readonly changes_done: number
  readonly total_changes: number
  readonly started_on: number
  readonly eta_seconds: number | null
  readonly error?: string
  /** Of replications. */
  readonly source?: string
  readonly target?: string
  readonly docs_written?: number
  readonly changes_pending?: number | null
  readonly continuous?: boolean
}

export interface SlowRequest {
  readonly method: string
  readonly route: string
  readonly database: string | null
  readonly status: number
  readonly durationMs: number
  readonly endedMs: number
}

export interface Sections {
  readonly server?: { readonly version: string; readonly startedMs: number }
  readonly requests?: readonly KindFigures[]
  readonly storage?: StorageFigures
  readonly process?: ProcessFigures
  readonly databases?: { readonly count: number; readonly shown: readonly string[] }
  readonly tasks?: { readonly count: number; readonly shown: readonly TaskInfo[] }
  readonly ended?: readonly TaskInfo[]
  readonly slow?: readonly SlowRequest[]
  /** `db:` and the name of a database. */
  readonly [database: `db:${string}`]: DatabaseRow
}
