/**
 * Replication as the rooms to the right see it: what a job is, how it goes, how it ends. What holds:
 * - A job is data: it can be sent to another thread. Credentials are in it and in nothing else that is here: progress, results,
 *   failures and ids have none.
 * - A replication ends once, by its result, its failure or its stop; whatever it had under way has ended then.
 * - It goes on from the checkpoint that both sides have, and whoever runs the same job again, here or in Apache CouchDB, goes
 *   on from it too.
 */
import type { UserCtx } from '../auth/user.ts'

/** Where a job reads or writes, without what a request said twice. */
export type EndpointPlace = LocalPlace | RemotePlace

/** A database of this server, used with the rights of the job's owner. */
export interface LocalPlace {
  readonly kind: 'local'
  readonly name: string
}

export interface RemotePlace {
  readonly kind: 'remote'
  /** Absolute, with a slash at its end and without credentials. */
  readonly url: string
  /** As they were given, in the order of their names; without basic authentication. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Of the URL, of `auth.basic` or of a header. */
  readonly basic: { readonly user: string; readonly password: string } | undefined
  /** Absolute; with credentials, where it has some. */
  readonly proxy: string | undefined
}

/** Which documents go over; at most one of these. */
export type DocumentChoice =
  | { readonly kind: 'all' }
  /** Sorted, each once. */
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'selector'; readonly selector: Readonly<Record<string, unknown>> }
  /** `design/function`, or one of CouchDB's own that begin with `_`. */
  | { readonly kind: 'filter'; readonly filter: string; readonly query: Readonly<Record<string, unknown>> }

/** CouchDB's options by their meaning; its names are in the comments where they differ. */
export interface ReplicationOptions {
  readonly continuous: boolean
  readonly createTarget: boolean
  /** `create_target_params`: parameters of the request that makes it. */
  readonly createTargetParams: Readonly<Record<string, string>>
  readonly choice: DocumentChoice
  readonly winningRevsOnly: boolean
  /** Begins there where no checkpoint is. */
  readonly sinceSeq: string | number | undefined
  readonly useCheckpoints: boolean
  /** `checkpoint_interval`. */
  readonly checkpointIntervalMs: number
  readonly useBulkGet: boolean
  /** `worker_processes`: batches under way at once. */
  readonly workers: number
  /** `worker_batch_size`: most changes of a batch. */
  readonly batchSize: number
  /** `http_connections`: most connections to each side. */
  readonly connections: number
  /** `connection_timeout`: of one request without any progress. */
  readonly timeoutMs: number
  /** `retries_per_request`. */
  readonly retries: number
}

/** One replication to be done. */
export interface ReplicationJob {
  readonly source: EndpointPlace
  readonly target: EndpointPlace
  readonly options: ReplicationOptions
  /** Whose rights it has in local databases, and whether it may reach every host. */
  readonly owner: UserCtx
  /** The document that it is of; undefined for one that a request began. */
  readonly origin?: { readonly database: string; readonly docId: string } | undefined
}

/** The identity of a job: of the same parts Apache CouchDB makes the same. */
export interface ReplicationId {
  /** 32 hex digits; checkpoints are `_local/BASE`. */
  readonly base: string
  /** `+continuous`, `+create_target`, both in this order, or nothing. */
  readonly suffix: string
  /** The base in older versions of CouchDB's, of which checkpoints may be left. */
  readonly older: readonly string[]
}

/** As `_active_tasks` and `info` of `_scheduler` show it; sequences are the source's, null or 0 for none. */
export interface ReplicationProgress {
  readonly revisions_checked: number
  readonly missing_revisions_found: number
  readonly docs_read: number
  readonly docs_written: number
  /** Null: unknown. */
  readonly changes_pending: number | null
  readonly doc_write_failures: number
  readonly bulk_get_docs: number
  readonly bulk_get_attempts: number
  readonly checkpointed_source_seq: string | number
  /** The last that was read, and the last below which all is done. */
  readonly source_seq: string | number
  readonly through_seq: string | number
}

export const NO_PROGRESS: ReplicationProgress = {
  revisions_checked: 0,
  missing_revisions_found: 0,
  docs_read: 0,
  docs_written: 0,
  changes_pending: null,
  doc_write_failures: 0,
  bulk_get_docs: 0,
  bulk_get_attempts: 0,
  checkpointed_source_seq: 0,
  source_seq: 0,
  through_seq: 0,
}

/** One entry of a checkpoint's history. Members other than these are kept as they are found. */
export interface HistoryEntry {
  readonly session_id: string
  /** As HTTP writes dates. */
  readonly start_time: string
  readonly end_time: string
  readonly start_last_seq: string | number
  readonly end_last_seq: string | number
  readonly recorded_seq: string | number
  readonly missing_checked: number
  readonly missing_found: number
  readonly docs_read: number
  readonly docs_written: number
  readonly doc_write_failures: number
  readonly bulk_get_docs: number
  readonly bulk_get_attempts: number
}

/** What a replication that came to its end answers, in CouchDB's members; `history` is absent without checkpoints. */
export interface ReplicationResult {
  readonly no_changes?: true
  readonly session_id?: string
  readonly source_last_seq?: string | number
  readonly replication_id_version?: number
  readonly history?: readonly HistoryEntry[]
  readonly [member: string]: unknown
}

/** Why one ended. `error` and `reason` are told to clients; they have no credentials. */
export interface ReplicationFailure {
  /** CouchDB's name: `db_not_found`, `unauthorized`, ... */
  readonly error: string
  readonly reason: string
  /** Of an answer to whoever waits for the replication. */
  readonly status: number
  /** The same job may do better later: a peer was not there, or busy. False: it will fail again as long as nothing is changed. */
  readonly isTransient: boolean
}

export type ReplicationOutcome =
  | { readonly kind: 'completed'; readonly result: ReplicationResult; readonly progress: ReplicationProgress }
  | {
      readonly kind: 'failed'
      readonly failure: ReplicationFailure
      readonly progress: ReplicationProgress
    }
  /** It was asked to stop, and has written a checkpoint if it could. */
  | { readonly kind: 'stopped'; readonly progress: ReplicationProgress }

/** A replication that runs, in this thread or in another one. */
export interface RunningReplication {
  readonly id: ReplicationId
  /** Resolves when both sides are open and it begins to read changes; rejects never: it may end before that. */
  readonly started: Promise<void>
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<ReplicationOutcome>
  /** As of some seconds ago at most. */
  progress(): ReplicationProgress
  /** Ends it after a checkpoint; resolves with `ended`. */
  stop(): Promise<ReplicationOutcome>
}

/** What the server offers its replicator: `server.replications` has it, wherever the work is done. */
export interface ReplicationRunner {
  /**
   * The id of a job. Rejects where it depends on a filter's code that the source does not give: with a `ReplicationError` that
   * is transient.
   */
  idOf(job: ReplicationJob): Promise<ReplicationId>
  /** Begins one. It fails at once, not transiently, where one of the same id runs. */
  start(job: ReplicationJob, id: ReplicationId): RunningReplication
}

/** A replication that a request asks for, for whoever says when it runs. */
export interface RequestedReplication {
  readonly job: ReplicationJob
  readonly id: ReplicationId
  readonly requestedAtMs: number
  /** Begins it, or begins it again. */
  start(): RunningReplication
  /** It has ended, and is not begun again. To be called once. */
  end(outcome: ReplicationOutcome): void
}

/** Those that requests ask for, in the order in which they may run. */
export interface RequestedQueue {
  /** It begins when its turn comes. False: there is one of its id, which nobody requested. */
  add(requested: RequestedReplication): boolean
  /** Ends it, if it has not ended yet; resolves when it has been told of it. */
  remove(requested: RequestedReplication): Promise<void>
}

/** How an endpoint is shown: a URL without its password, with a slash at its end. */
export function shownPlace(place: EndpointPlace, origin = ''): string {
  return place.kind === 'local' ? `${origin}/${encodeURIComponent(place.name)}/` : place.url
}

/** `BASE+continuous`, as clients see and name it. */
export function replicationIdText({ base, suffix }: ReplicationId): string {
  return base + suffix
}

/** A failure on its way. */
export class ReplicationError extends Error implements ReplicationFailure {
  readonly error: string
  readonly reason: string
  readonly status: number
  readonly isTransient: boolean

  constructor(failure: ReplicationFailure, options?: ErrorOptions) {
    super(`${failure.error}: ${failure.reason}`, options)
    this.name = 'ReplicationError'
    this.error = failure.error
    this.reason = failure.reason
    this.status = failure.status
    this.isTransient = failure.isTransient
  }
}
