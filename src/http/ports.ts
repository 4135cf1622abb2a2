import type { IncomingHttpHeaders } from 'node:http'
import type { Database } from '../database/api.ts'

/**
 * What the HTTP layer is given. Everything that remembers, decides or measures comes from outside; nothing
 * here opens a file, reads a clock or draws a random number by itself.
 */
export interface User {
  /** Null for nobody. */
  readonly name: string | null
  readonly roles: readonly string[]
  /** How the user was recognised; undefined for nobody. */
  readonly handler?: 'cookie' | 'default' | undefined
}

export interface Authentication {
  user: User
  /** A session that is to be prolonged: the new Set-Cookie value. */
  setCookie?: string | undefined
}

export interface Accounts {
  /** Throws unauthorized for wrong credentials, badRequest for a cookie that is no session. */
  authenticate(headers: IncomingHttpHeaders): Promise<Authentication>
  /** Undefined where name or password are wrong. */
  login(name: string, password: string): Promise<{ user: User; setCookie: string } | undefined>
  /** The Set-Cookie value that ends a session. */
  logoutCookie(): string
}

export interface DatabaseLease {
  readonly database: Database
  /** How the database was made: what `GET /{db}` answers as `cluster.q`. */
  readonly shards?: number | undefined
  /** Who may read and write documents. */
  isMember(user: User): boolean
  /** Who may write design documents and settings. Server administrators always may. */
  isAdmin(user: User): boolean
  /** Called once, when the answer has gone out. */
  release(): void
}

export interface NameRange {
  startKey?: string | undefined
  endKey?: string | undefined
  inclusiveEnd?: boolean | undefined
  descending?: boolean | undefined
  skip?: number | undefined
  limit?: number | undefined
}

export interface Databases {
  /** Throws noDatabase. */
  lease(name: string): Promise<DatabaseLease>
  /** Resolves when it is durable. Throws databaseExists, illegalDatabaseName, databaseNameTooLong. */
  create(name: string, options: { shards?: number | undefined }): Promise<void>
  /** Resolves when it is durable. Throws noDatabase. */
  delete(name: string): Promise<void>
  /** Names in bytewise order. */
  names(range: NameRange): Iterable<string>
  /** Changes whenever a database appears or goes: makes the ETag of `_all_dbs`. */
  readonly generation: number | string
}

export interface HttpLog {
  debug(message: string, fields?: Record<string, string | number | boolean | null | undefined>): void
  error(message: string, fields?: Record<string, string | number | boolean | null | undefined>): void
}

export interface HttpLimits {
  /** Bytes of any request body. */
  maxRequestBytes: number
  /** Bytes of a JSON request body, which is held in memory, unpacked. */
  maxJsonBytes: number
  /** Bytes of a document's canonical body. */
  maxDocumentBytes: number
  /** Ids that one `_uuids` may ask for. */
  maxUuids: number
  /** Names in one `_dbs_info`. */
  maxDatabasesInfo: number
  /** Longest that a feed waits without heartbeat, and the default of `timeout`. */
  feedTimeoutMs: number
  /** A connection on which nothing moves for so long is closed. */
  idleTimeoutMs: number
}

export const DEFAULT_LIMITS: HttpLimits = {
  maxRequestBytes: 4_294_967_296,
  maxJsonBytes: 256 * 1024 * 1024,
  maxDocumentBytes: 8_000_000,
  maxUuids: 1000,
  maxDatabasesInfo: 100,
  feedTimeoutMs: 60_000,
  idleTimeoutMs: 300_000,
}

export interface HttpOptions {
  host: string
  /** 0 takes any free port. */
  port: number
  databases: Databases
  accounts: Accounts
  /** The server's own uuid, in hex. */
  serverUuid: string
  /** Davenport's version. */
  version: string
  log: HttpLog
  /** Milliseconds since the epoch. */
  now: () => number
  randomBytes: (length: number) => Buffer
  limits?: Partial<HttpLimits> | undefined
}
