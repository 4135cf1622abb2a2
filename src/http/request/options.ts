import type { Authenticator } from '../../auth/authenticator.ts'
import type { PasswordHasher } from '../../auth/password-hash.ts'
import type { UserCtx } from '../../auth/user.ts'
import type { Clock } from '../../base/clock.ts'
import type { ConnectionShare } from '../../base/connection-shares.ts'
import type { Log } from '../../base/log.ts'
import type { Metrics } from '../../base/metrics.ts'
import { openFileLimit } from '../../base/open-file-limit.ts'
import type { RandomBytes } from '../../base/random.ts'
import type { UniqueTime } from '../../base/uuids.ts'
import type { HeldSight } from '../../channels/channel-sight.ts'
import type { ListenAddress } from '../../config/listen-addresses.ts'
import type { SettingsRegistry } from '../../config/registry.ts'
import type { SettingName } from '../../config/settings.ts'
import type { Database } from '../../database/api/database.ts'
import type { DesignDocuments } from '../../design/design-documents.ts'
import type { Indexes } from '../../indexes/api.ts'
import type { Certificates } from '../../server/certificates.ts'
import type { Compactions } from '../../server/compactions.ts'
import type { ChangeOptions, SectionTexts } from '../../server/configuration.ts'
import type { Dashboard } from '../../server/dashboard.ts'
import type { DatabaseEvents } from '../../server/database-events.ts'
import type { NameRange } from '../../server/name-index.ts'
import type { NodeService } from '../../server/node-service.ts'
import type { Lease } from '../../server/open-databases.ts'
import type { DatabaseRegistry } from '../../server/registry.ts'
import type { Replications } from '../../server/replications.ts'
import type { JobsPart, ReplicationInfo, ReplicatorService } from '../../server/replicator-service.ts'
import type { ReshardingState } from '../../server/resharding.ts'
import type { TaskInfo } from '../../workers/tasks.ts'
import type { Cors } from './cors.ts'
import { CORS_SETTINGS, corsOf } from './cors-settings.ts'
import { type FrameOptions, frameOptionsOf } from './frame-options.ts'

/** What is in this thread, or in another one. */
type Here<T> = T | Promise<T>

/** As `DatabaseRegistry` has them. */
export interface DatabasesBackend extends Pick<DatabaseRegistry, 'watch' | 'create' | 'delete'> {
  /** Undefined: `lease` opens it, or refuses. With `isToWrite` the rules of writing are known, and reads may be behind what was acknowledged. */
  leaseOpen(name: string, isToWrite?: boolean): Lease | undefined
  lease(name: string, isToWrite?: boolean): Promise<Lease>
  list(range?: NameRange): Here<string[]>
  has(name: string): Here<boolean>
  /** Of a database that is leased. */
  shardsOf(name: string): number | undefined
}

/** Of databases with channels: what somebody sees by. It must be released. */
export interface ChannelsBackend {
  /** Of a leased database, as it is now or later. Rejects with serviceUnavailable. */
  sight(database: Database, user: UserCtx, signal: AbortSignal): Promise<HeldSight>
}

/** As `TaskRegistry` has them. */
export interface TasksBackend {
  list(): Here<readonly TaskInfo[]>
  history(): Here<readonly TaskInfo[]>
  cancel(pid: string): Here<boolean>
}

/** As `Configuration` has them. */
export interface ConfigurationBackend {
  all(): Here<Record<string, SectionTexts>>
  section(section: string): Here<SectionTexts>
  value(section: string, key: string): Here<string | undefined>
  set(section: string, key: string, text: string, options: ChangeOptions): Promise<string>
  delete(section: string, key: string, options: ChangeOptions): Promise<string | undefined>
  reload(): Promise<void>
}

/** As `NodeService` has them. */
export interface NodeBackend
  extends Pick<NodeService, 'statistics' | 'system' | 'metricsPage' | 'fileMap' | 'restart'> {
  compactions(): Here<ReturnType<NodeService['compactions']>>
}

/** As `ReplicatorService` has them. */
export interface ReplicatorBackend extends Pick<ReplicatorService, 'documents' | 'document'> {
  jobs(skip: number, limit: number): Here<JobsPart>
  job(id: string): Here<ReplicationInfo | undefined>
}

/** As `Resharding` has them. */
export interface ReshardingBackend {
  state(): Here<ReshardingState>
  start(): Here<void>
  stop(reason: string): Here<void>
}

/**
 * What the HTTP layer is given. Everything that remembers, decides or measures comes from outside: nothing
 * here opens a file, reads a clock or draws a random number by itself. A `Server` has the shape of `backend`.
 */
export interface Backend {
  readonly databases: DatabasesBackend
  readonly channels: ChannelsBackend
  readonly events: Pick<DatabaseEvents, 'flush'> & { readonly database: Database }
  readonly tasks: TasksBackend
  readonly compactions: Pick<Compactions, 'start'>
  readonly replications: Pick<Replications, 'request'>
  readonly configuration: ConfigurationBackend
  /** Read by whoever needs them at the moment of the request. */
  readonly settings: SettingsRegistry
  readonly node: NodeBackend
  readonly dashboard: Pick<Dashboard, 'look'>
  readonly resharding: ReshardingBackend
  readonly replicator: ReplicatorBackend
  /** What this thread counts. */
  readonly metrics: Metrics
  readonly uniqueTime: UniqueTime
  readonly authenticator: Pick<
    Authenticator,
    'recall' | 'authenticate' | 'renewed' | 'login' | 'logout' | 'handlers'
  >
  /** Runs functions of design documents. */
  readonly designs: DesignDocuments
  readonly indexes: Indexes
  readonly hasher: Pick<PasswordHasher, 'hash'>
  /** The server's own, 32 hex digits. */
  readonly uuid: string
  readonly log: Log
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly random: RandomBytes
}

export interface HttpLimits {
  /** Headers of proxies, in lower case: which host was asked, whether by TLS, by which scheme. */
  forwardedHost: string
  forwardedTls: string
  forwardedScheme: string
  /** Whether a plus sign in a path is a space. */
  plusIsSpace: boolean
  /** How often a request may be rewritten, and whether rules of rewrites are kept within their database. */
  rewriteLimit: number
  secureRewrites: boolean
  /** Bytes of any request body. */
  maxRequestBytes: number
  /** Bytes of a JSON request body, which is held in memory, unpacked. Routes have bounds of their own: body-limits.ts. */
  maxJsonBytes: number
  /** Bytes of request bodies that are held in memory at once. */
  maxBodyMemoryBytes: number
  /** Documents of one `_bulk_docs`, and of one `_bulk_get`. */
  maxBulkDocs: number
  maxBulkGet: number
  /** Of one `_purge`. */
  maxPurgedRevisions: number
  /** Bytes of a document's canonical body. */
  maxDocumentBytes: number
  /** Bytes of the id of a document that is written. */
  maxIdBytes: number
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
  /** Documents of a `_find` without a limit, and how many of them it may examine for each result without a warning. */
  findLimit: number
  scanWarningThreshold: number
  /** Connections at once; 0: half of the files that the process may open, the rest being for databases. */
  maxConnections: number
  /** Connections that may wait to be taken. */
  backlog: number
  /** Bytes of a request's head, and of its target alone. */
  maxHeadBytes: number
  maxUriLength: number
  /** Time that a head may take. */
  headTimeoutMs: number
  /** Time between requests of a connection. */
  keepAliveMs: number
  /** Handshakes of TLS under way at once, and the time of one. */
  maxHandshakes: number
  handshakeTimeoutMs: number
  /** Requests that take longer are logged as slow; 0: none. */
  slowRequestMs: number
  /** Who has not signed in is not served, or may but see whether the server is up. */
  requireValidUser: boolean
  requireValidUserExceptForUp: boolean
  /** Whether JSON is sent as a script where a client names a callback. */
  jsonpAllowed: boolean
  /** Whether `_security` of `_users` can be changed. */
  usersSecurityEditable: boolean
  /** Members of documents of `_users` that others may see. */
  publicFields: readonly string[]
  /** `Content-Security-Policy` of attachments, of what functions answer, and of the pages of `_utils`. */
  attachmentPolicyEnabled: boolean
  attachmentPolicy: string
  functionPolicyEnabled: boolean
  functionPolicy: string
  utilsPolicyEnabled: boolean
  utilsPolicy: string
  oldUtilsPolicyEnabled: boolean
  oldUtilsPolicy: string
  /** Headers that a client still gets when it asks for `return=minimal`, in lower case. */
  minimalHeaders: readonly string[]
  /** Whether the header `Server` has versions in it. */
  versionsShown: boolean
  /** Whether names and figures of all databases are for administrators alone. */
  databasesForAdminsAlone: boolean
  /** Where who takes HTML alone is sent to sign in. */
  loginPage: string
  /** Longest that a feed waits without heartbeat, and the default of `timeout`. */
  feedTimeoutMs: number
  /** A connection on which nothing moves for so long is closed. */
  idleTimeoutMs: number
}

/** The settings that limits come from. */
const LIMIT_SETTINGS = {
  forwardedHost: 'forwardedHostHeader',
  forwardedTls: 'forwardedTlsHeader',
  forwardedScheme: 'forwardedSchemeHeader',
  plusIsSpace: 'plusIsSpace',
  maxRequestBytes: 'maxRequestSize',
  maxJsonBytes: 'maxJsonSize',
  maxBodyMemoryBytes: 'bodyMemoryBytes',
  maxBulkDocs: 'maxBulkDocs',
  maxBulkGet: 'maxBulkGet',
  maxPurgedRevisions: 'maxPurgedRevisions',
  maxDocumentBytes: 'maxDocumentSize',
  maxIdBytes: 'maxDocumentIdLength',
  maxAttachmentBytes: 'maxAttachmentSize',
  compressibleTypes: 'compressibleTypes',
  compressionLevel: 'compressionLevel',
  maxUuids: 'maxUuids',
  maxDatabasesInfo: 'maxDatabasesInfo',
  selectorBudgetMs: 'selectorBudgetMs',
  findLimit: 'findLimit',
  scanWarningThreshold: 'scanWarningThreshold',
  maxConnections: 'maxConnections',
  backlog: 'backlog',
  maxHeadBytes: 'maxHeadBytes',
  maxUriLength: 'maxUriLength',
  headTimeoutMs: 'headTimeoutMs',
  idleTimeoutMs: 'idleTimeoutMs',
  keepAliveMs: 'keepAliveMs',
  maxHandshakes: 'sslMaxHandshakes',
  handshakeTimeoutMs: 'sslHandshakeTimeoutMs',
  slowRequestMs: 'slowRequestMs',
  requireValidUser: 'requireValidUser',
  requireValidUserExceptForUp: 'requireValidUserExceptForUp',
  jsonpAllowed: 'jsonpAllowed',
  usersSecurityEditable: 'usersSecurityEditable',
  publicFields: 'publicFields',
  attachmentPolicyEnabled: 'attachmentPolicyEnabled',
  attachmentPolicy: 'attachmentPolicy',
  functionPolicyEnabled: 'functionPolicyEnabled',
  functionPolicy: 'functionPolicy',
  utilsPolicyEnabled: 'utilsPolicyEnabled',
  utilsPolicy: 'utilsPolicy',
  oldUtilsPolicyEnabled: 'oldUtilsPolicyEnabled',
  oldUtilsPolicy: 'oldUtilsPolicy',
  minimalHeaders: 'minimalHeaders',
  versionsShown: 'versionsShown',
  databasesForAdminsAlone: 'databasesForAdminsAlone',
  feedTimeoutMs: 'feedTimeoutMs',
  loginPage: 'loginPage',
  rewriteLimit: 'rewriteLimit',
  secureRewrites: 'secureRewrites',
} as const satisfies Partial<Record<keyof HttpLimits, SettingName>>

/** The limits of a server with these settings. They follow the settings that take effect live. */
export function limitsOf(settings: SettingsRegistry): HttpLimits {
  return settings.view(LIMIT_SETTINGS)
}

/**
 * Connections of a process for which no limit is set. Half of what it may open: with every descriptor in a client's hand no
 * database could be opened, and no thread begun.
 */
export function defaultConnections(): number {
  const openFiles = openFileLimit()
  return openFiles === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(openFiles / 2))
}

/** The options of a server with these settings, whose live ones it follows. */
export function httpOptions(
  settings: SettingsRegistry,
  given: Pick<HttpOptions, 'backend' | 'address' | 'others' | 'tls' | 'share' | 'version'>,
): HttpOptions {
  const options: HttpOptions = {
    ...given,
    cors: corsOf(settings),
    frames: frameOptionsOf(settings),
    limits: limitsOf(settings),
  }
  const readCors = (): void => {
    options.cors = corsOf(settings)
  }
  for (const name of CORS_SETTINGS) settings.subscribe(name, readCors)
  return options
}

/** A listening socket, which is closed with the server, once that listens on it. */
export interface Descriptor {
  readonly fd: number
  /** Memory whose first word is 1 from the moment before the server has it: whoever gave it closes it else. */
  readonly taken: Int32Array
}

/** To be called right before the descriptor is listened on. */
export function takeDescriptor({ taken }: Descriptor): void {
  Atomics.store(taken, 0, 1)
}

export interface HttpOptions {
  backend: Backend
  /** Port 0 takes any free one. */
  address: { host: string; port: number; ipv6Only?: boolean } | Descriptor
  /** Further ones. Port 0 is that of the one before of the same kind, or any free one. */
  others?: readonly ((ListenAddress | Descriptor) & { isSecure: boolean })[] | undefined
  /** What those of `others` that are secure speak TLS with. */
  tls?: Pick<Certificates, 'material' | 'onChange'> | undefined
  /** Undefined: no other thread listens on the same sockets. */
  share?: ConnectionShare | undefined
  /** Davenport's version. */
  version: string
  /** Undefined: scripts of other origins are not served. */
  cors?: Cors | undefined
  /** Undefined: answers do not say who may show them in frames. */
  frames?: FrameOptions | undefined
  /** Those that are not read at the start may change while the server runs. */
  limits: HttpLimits
}
