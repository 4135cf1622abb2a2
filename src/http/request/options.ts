import type { Authenticator } from '../../auth/authenticator.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { RandomBytes } from '../../base/random.ts'
import type { Compactions } from '../../server/compactions.ts'
import type { DatabaseEvents } from '../../server/database-events.ts'
import type { DatabaseRegistry } from '../../server/registry.ts'
import type { TaskRegistry } from '../../workers/tasks.ts'
import type { CorsRules } from './cors.ts'

/**
 * What the HTTP layer is given. Everything that remembers, decides or measures comes from outside: nothing
 * here opens a file, reads a clock or draws a random number by itself. A `Server` has the shape of `backend`.
 */
export interface Backend {
  readonly databases: Pick<
    DatabaseRegistry,
    'lease' | 'leaseOpen' | 'watch' | 'create' | 'delete' | 'list' | 'has' | 'generation' | 'shardsOf'
  >
  readonly events: Pick<DatabaseEvents, 'database' | 'flush'>
  readonly tasks: Pick<TaskRegistry, 'list' | 'history' | 'cancel'>
  readonly compactions: Pick<Compactions, 'start'>
  readonly authenticator: Pick<Authenticator, 'recall' | 'authenticate' | 'login' | 'logout'>
  /** The server's own, 32 hex digits. */
  readonly uuid: string
  readonly log: Log
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly random: RandomBytes
}

export interface HttpLimits {
  /** Bytes of any request body. */
  maxRequestBytes: number
  /** Bytes of a JSON request body, which is held in memory, unpacked. Routes have bounds of their own: body-limits.ts. */
  maxJsonBytes: number
  /** Bytes of request bodies that are held in memory at once. */
  maxBodyMemoryBytes: number
  /** Documents of one `_bulk_docs`, and of one `_bulk_get`. */
  maxBulkDocs: number
  maxBulkGet: number
  /** Bytes of a document's canonical body. */
  maxDocumentBytes: number
  /** Bytes of one attachment as it is received. */
  maxAttachmentBytes: number
  /** Which attachments are gzipped, and how much: see compression.ts. */
  compressibleTypes: string
  compressionLevel: number
  /** Ids that one `_uuids` may ask for. */
  maxUuids: number
  /** Names in one `_dbs_info`. */
  maxDatabasesInfo: number
  /** Time of a selector, beyond one millisecond for each document. */
  selectorBudgetMs: number
  /** Connections at once; 0: half of the files that the process may open, the rest being for databases. */
  maxConnections: number
  /** Longest that a feed waits without heartbeat, and the default of `timeout`. */
  feedTimeoutMs: number
  /** A connection on which nothing moves for so long is closed. */
  idleTimeoutMs: number
}

export const DEFAULT_LIMITS: HttpLimits = {
  maxRequestBytes: 4_294_967_296,
  maxJsonBytes: 128 * 1024 * 1024,
  maxBodyMemoryBytes: 256 * 1024 * 1024,
  maxBulkDocs: 100_000,
  maxBulkGet: 100_000,
  maxDocumentBytes: 8_000_000,
  maxAttachmentBytes: 1_073_741_824,
  compressibleTypes: 'text/*, application/javascript, application/json, application/xml',
  compressionLevel: 8,
  maxUuids: 1000,
  maxDatabasesInfo: 100,
  selectorBudgetMs: 5000,
  maxConnections: 0,
  feedTimeoutMs: 60_000,
  idleTimeoutMs: 300_000,
}

export interface HttpOptions {
  backend: Backend
  host: string
  /** 0 takes any free port. */
  port: number
  /** Davenport's version. */
  version: string
  /** Undefined: scripts of other origins are not served. */
  cors?: CorsRules | undefined
  limits?: Partial<HttpLimits> | undefined
}
