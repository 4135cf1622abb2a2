/** The parts that the tests use of clients that come without types. */

declare module '@cloudant/couchbackup' {
  import type { EventEmitter } from 'node:events'

  interface Options {
    /** Keeps deleted documents, conflicts and histories; `shallow` does not. */
    mode?: 'full' | 'shallow'
    /** A file that full backups write their progress to. */
    log?: string
    bufferSize?: number
    parallelism?: number
    attachments?: boolean
  }

  type Done = (error: Error | null, done?: { total: number }) => void

  const couchbackup: {
    backup(source: string, target: NodeJS.WritableStream, options: Options, done: Done): EventEmitter
    restore(source: NodeJS.ReadableStream, target: string, options: Options, done: Done): EventEmitter
  }
  export default couchbackup
}

declare module 'follow' {
  import type { EventEmitter } from 'node:events'

  interface Options {
    db: string
    since?: number | string
    heartbeat?: number
    filter?: string
    include_docs?: boolean
    inactivity_ms?: number
  }

  interface Change {
    seq: string
    id: string
    changes: { rev: string }[]
    deleted?: boolean
    doc?: Record<string, unknown>
    /** Of `_db_updates`. */
    type?: string
    db_name?: string
  }

  export interface Feed extends EventEmitter {
    stop(): void
    retry_timer?: NodeJS.Timeout
  }

  export default function follow(
    options: Options,
    callback: (error: Error | null, change: Change) => void,
  ): Feed
}

declare module 'parse-prometheus-text-format' {
  /** The families of a page, each with its name, help, type and metrics. */
  export default function parse(page: string): unknown[]
}
