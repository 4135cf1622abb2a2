/**
 * What the core and the thread that replicates say to each other, on a line beside the one that every front has. Keys are the
 * core's names for what runs.
 */
import type {
  ReplicationFailure,
  ReplicationId,
  ReplicationJob,
  ReplicationOutcome,
  ReplicationProgress,
} from '../replication/api.ts'

/** What the core asks. */
export interface ReplicationCalls {
  idOf: { args: { job: ReplicationJob }; result: { id: ReplicationId } | { failure: ReplicationFailure } }
  /** Its end is told. */
  start: { args: { key: number; job: ReplicationJob; id: ReplicationId }; result: undefined }
  stop: { args: { key: number }; result: undefined }
  /** Stops all; answered when they have ended. */
  end: { args: undefined; result: undefined }
}

/** What the thread tells. */
export interface ReplicationNotices {
  /** It takes calls. */
  ready: undefined
  started: { key: number }
  progress: { key: number; progress: ReplicationProgress }
  ended: { key: number; outcome: ReplicationOutcome }
}

/** The thread's end of the line. */
export interface WorkerVocabulary {
  calls: ReplicationCalls
  notices: Record<never, never>
}

/** The core's end. */
export interface RunnerVocabulary {
  calls: Record<never, never>
  notices: ReplicationNotices
}
