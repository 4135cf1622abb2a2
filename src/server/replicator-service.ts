/**
 * The replicator as those see it who serve requests: what stands in documents of `_replicator` databases and what requests have
 * asked for, as jobs. Arguments and results are what structured cloning takes, and have no credentials.
 */

/** As a client sees a job, or a document. */
export type ReplicationInfo = Readonly<Record<string, unknown>>

export interface JobsPart {
  /** Of all jobs. */
  readonly total: number
  readonly jobs: readonly ReplicationInfo[]
}

export const REPLICATION_STATES = [
  'initializing',
  'error',
  'running',
  'pending',
  'crashing',
  'completed',
  'failed',
] as const

/** Which documents of a database are told of. */
export interface DocumentsWish {
  readonly database: string
  readonly startKey: string | undefined
  readonly endKey: string | undefined
  readonly inclusiveEnd: boolean
  readonly descending: boolean
  /** Undefined: all. */
  readonly states: readonly string[] | undefined
  /** The id behind which to go on. */
  readonly after: string | undefined
  /** At most so many are looked for. */
  readonly limit: number
}

export interface DocumentsPart {
  /** Documents of the database but for design documents. */
  readonly total: number
  readonly documents: readonly ReplicationInfo[]
  /** Where to go on; undefined at the end. */
  readonly next: string | undefined
}

export interface ReplicatorService {
  /** In the order of their ids. */
  jobs(skip: number, limit: number): JobsPart
  job(id: string): ReplicationInfo | undefined
  /** Rejects with noDatabase. */
  documents(wish: DocumentsWish): Promise<DocumentsPart>
  document(database: string, id: string): Promise<ReplicationInfo | undefined>
  /** Documents are done what they say from now on. Replications may have this server for a peer: it must take requests by then. */
  begin(): void
  /** Resolves when nothing replicates any more. */
  close(): Promise<void>
}
