/**
 * What fronts and the core say to each other. A call has one answer; a notice has none. Arguments and results are what
 * structured cloning takes; bytes that go with a call, or come with its answer, travel beside them: see channel.ts.
 */

import type { LockOutKey } from '../auth/lock-out.ts'
import type { PasswordHash } from '../auth/password-hash.ts'
import type { Credential, UserCtx } from '../auth/user.ts'
import type { ThreadFigures, ThreadLook } from '../base/thread-figures.ts'
import type { SettingName } from '../config/settings.ts'
import type { SharedDatabase } from '../database/api/remote-writer.ts'
import type {
  ConfigurationBackend,
  NodeBackend,
  ReplicatorBackend,
  ReshardingBackend,
} from '../http/request/options.ts'
import type { IndexOf, IndexService, Prepared } from '../indexes/service.ts'
import type { TlsMaterial } from '../server/certificates.ts'
import type { UserLook } from '../server/channel-service.ts'
import type { Look } from '../server/dashboard.ts'
import type { NameRange } from '../server/name-index.ts'
import type { ReplicationAnswer } from '../server/replications.ts'
import type { TaskInfo } from '../workers/tasks.ts'

/** A database that a front has opened. Its handle is good until `release`. */
export interface OpenedDatabase {
  readonly handle: number
  readonly shared: SharedDatabase
  /** The `q` that it was made with. */
  readonly shards: number | undefined
}

/** By method: its arguments and its result. `bytes` says in which direction bytes go. */
export interface CoreCalls {
  /** The handle of a database, or of the index of its channels, which the core keeps open for the front. */
  open: { args: { name: string; kind: 'documents' | 'channels' }; result: OpenedDatabase }
  /** What somebody sees of a database with channels. */
  lookIntoChannels: { args: { name: string; user: UserCtx }; result: UserLook }
  /** The same for the database of events. */
  openEvents: { args: undefined; result: OpenedDatabase }
  /** By the handle: encoded edits in, encoded results out. Arguments of what is asked most are no objects, which take time to clone. */
  update: { args: number; result: undefined }
  /** The same of edits of which all are written, or none. */
  updateAllOrNothing: { args: number; result: undefined }
  /** The same of packed edits, in memory that is lent. */
  updatePacked: { args: number; result: undefined }
  /** A change of another kind. */
  change: { args: { handle: number; method: string; args: readonly unknown[] }; result: unknown }
  /** Begins to append a long value; its number. */
  beginUpload: { args: { handle: number }; result: number }
  /** Bytes in; answered when they are taken, so that one piece is under way. */
  continueUpload: { args: { upload: number }; result: undefined }
  endUpload: { args: { upload: number }; result: { reference: Uint8Array; salt: bigint } }
  abortUpload: { args: { upload: number }; result: undefined }
  create: {
    args: { name: string; options: { shards?: number | undefined; partitioned?: boolean | undefined } }
    result: undefined
  }
  delete: { args: { name: string }; result: undefined }
  list: { args: { range: NameRange | undefined }; result: string[] }
  has: { args: { name: string }; result: boolean }
  /** Answered when changes from then on are told. */
  watch: { args: { name: string }; result: undefined }
  flushEvents: { args: undefined; result: undefined }
  tasks: { args: { history: boolean }; result: readonly TaskInfo[] }
  cancelTask: { args: { pid: string }; result: boolean }
  compact: { args: { name: string }; result: undefined }
  /** Answered as `POST /_replicate` is, which may be late. */
  replicate: { args: { body: Readonly<Record<string, unknown>>; user: UserCtx }; result: ReplicationAnswer }
  /** A method of the server's configuration. */
  configure: { args: ConfigurationCall; result: unknown }
  /** A method of the server as a node, and of its resharding. */
  askNode: { args: { method: keyof NodeBackend; args: readonly unknown[] }; result: unknown }
  /** What has changed on the dashboard. */
  look: { args: { since: number }; result: Look }
  askReplicator: { args: { method: keyof ReplicatorBackend; args: readonly unknown[] }; result: unknown }
  reshard: { args: { method: keyof ReshardingBackend; args: readonly unknown[] }; result: unknown }
  /** As `IndexService`. */
  prepareIndex: { args: { index: IndexOf; untilSeq: number | undefined }; result: Prepared }
  askIndexes: { args: { method: IndexMethod; args: readonly unknown[] }; result: unknown }
  /** A hash with the salt, or with a new one, in the queue that all fronts share. */
  hashPassword: {
    args: { password: string; salt: string | undefined; iterations: number; address: string }
    result: PasswordHash
  }
  /** Throws forbidden for a name that is locked. */
  requireUnlocked: { args: LockOutKey; result: undefined }
  /** Notes a wrong password. */
  passwordFailed: { args: LockOutKey; result: undefined }
  /** Whether the password is the hash's: known from another front, or hashed in the queue that all share. */
  verifyPassword: { args: { password: string; hash: PasswordHash; address: string }; result: boolean }
}

/** Methods of `IndexService` that are rare enough to be carried as they are. */
export type IndexMethod = Exclude<keyof IndexService, 'prepare'>

/** A call of the configuration: its method and arguments. */
export interface ConfigurationCall {
  readonly method: keyof ConfigurationBackend
  readonly args: readonly unknown[]
}

/** What the core asks of a front. */
export interface FrontCalls {
  /** Answered when everything that was told before has been taken. */
  hasHeard: { args: undefined; result: undefined }
  /** What the thread says of itself; what its cache has counted is in its metrics then. */
  measure: { args: undefined; result: ThreadFigures }
  /** The same for who looks on. */
  look: { args: undefined; result: ThreadLook }
}

/** What a front tells the core. */
export interface FrontNotices {
  /** Lines of its log. */
  log: { lines: string }
  /** It takes requests. */
  listening: undefined
  /** It needs the database no more. */
  release: { handle: number }
  unwatch: { name: string }
}

/** What the core tells a front. */
export interface CoreNotices {
  /** The database is to be given back: it is deleted, or the server stops. */
  retire: { handle: number; kind: 'noDatabase' | 'shuttingDown' }
  /** Something was written to a database that the front watches. */
  changed: { name: string }
  deleted: { name: string }
  /** The database has another file: the one before is kept by nobody. */
  compacted: { name: string }
  /** Something was written to the database of events. */
  eventsChanged: undefined
  /** Databases that nobody uses are to be given back: others wait for their place. */
  makeRoom: undefined
  setting: { name: SettingName; value: unknown }
  /** These are the administrators from now on. */
  administrators: { credentials: readonly Credential[] }
  /** What HTTPS is spoken with from now on. */
  certificate: { material: TlsMaterial }
  /** No new requests; those that run get the time. Answered by the end of the thread. */
  stop: { graceMs: number }
}
