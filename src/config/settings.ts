/**
 * The table of every setting that the server honours: CouchDB's sections and keys where CouchDB has them,
 * `[davenport]` otherwise. A key belongs here only while some code obeys it.
 */
import { isIP } from 'node:net'
import { LOG_LEVELS } from '../base/log.ts'

export interface Setting<T> {
  section: string
  key: string
  type: 'integer' | 'boolean' | 'string' | 'choice'
  default: T
  /** The value that `text` means, or throws an Error whose message completes "must be". */
  parse(text: string): T
  /** Never repeated in a message. */
  secret: boolean
  doc: string
}

export const SETTINGS = {
  databaseDir: text('couchdb', 'database_dir', './data', 'Folder that holds everything the server keeps.'),
  maxDocumentSize: integer('couchdb', 'max_document_size', 8_000_000, 1, 2 ** 31, 'Bytes of a document.'),
  maxBulkDocs: integer(
    'couchdb',
    'max_bulk_docs_count',
    100_000,
    1,
    2 ** 31,
    'Documents of one _bulk_docs; for more, 413.',
  ),
  maxBulkGet: integer(
    'couchdb',
    'max_bulk_get_count',
    100_000,
    1,
    2 ** 31,
    'Documents that one _bulk_get may ask for; for more, 413.',
  ),
  maxAttachmentSize: integer(
    'couchdb',
    'max_attachment_size',
    1_073_741_824,
    1,
    Number.MAX_SAFE_INTEGER,
    'Bytes of one attachment; infinity for no bound.',
    Number.POSITIVE_INFINITY,
  ),
  compressibleTypes: setting(
    'attachments',
    'compressible_types',
    'string',
    'text/*, application/javascript, application/json, application/xml',
    contentTypes,
    'Content types that are stored gzipped; * stands for anything.',
  ),
  compressionLevel: integer(
    'attachments',
    'compression_level',
    8,
    0,
    9,
    'Level of gzip, 1 to 9; 0 stores everything as it is.',
  ),
  maxOpenDatabases: integer('couchdb', 'max_dbs_open', 200, 1, 100_000, 'Databases kept open; 2 files each.'),
  defaultSecurity: choice(
    'couchdb',
    'default_security',
    ['admin_only', 'everyone'],
    'Who may use a new database until its _security is set.',
  ),
  port: integer('chttpd', 'port', 5984, 0, 65_535, 'TCP port; 0 takes any free one.'),
  bindAddress: setting('chttpd', 'bind_address', 'string', '127.0.0.1', address, 'Address to listen on.'),
  maxRequestSize: integer(
    'chttpd',
    'max_http_request_size',
    4_294_967_296,
    1,
    Number.MAX_SAFE_INTEGER,
    'Bytes of a request body.',
  ),
  maxConnections: integer(
    'chttpd',
    'max_connections',
    0,
    0,
    10_000_000,
    'Connections at once; 0: half of the files that the process may open. Those beyond are closed.',
  ),
  maxDatabasesInfo: integer(
    'chttpd',
    'max_db_number_for_dbs_info_req',
    100,
    1,
    100_000,
    'Databases that one _dbs_info may name.',
  ),
  corsEnabled: flag(
    'chttpd',
    'enable_cors',
    false,
    'Whether scripts of other origins are served: see [cors].',
  ),
  corsOrigins: list('cors', 'origins', 'Origins whose scripts are served; * is every one.'),
  corsCredentials: flag(
    'cors',
    'credentials',
    false,
    'Whether such scripts may use the cookies and passwords that the browser keeps.',
  ),
  corsMethods: list('cors', 'methods', 'Methods that such scripts may use; default all.'),
  corsHeaders: list('cors', 'headers', 'Headers that such scripts may send, beside the usual ones.'),
  corsMaxAgeSeconds: integer(
    'cors',
    'max_age',
    600,
    0,
    2 ** 31,
    'Seconds for which a browser may remember what it was allowed.',
  ),
  secret: {
    ...text('chttpd_auth', 'secret', undefined, 'Key of the session cookies; default: made at first start.'),
    secret: true,
  },
  sessionTimeoutSeconds: integer(
    'chttpd_auth',
    'timeout',
    600,
    1,
    2 ** 31,
    'Seconds that a session lasts without use.',
  ),
  passwordIterations: integer(
    'chttpd_auth',
    'iterations',
    600_000,
    1,
    10_000_000,
    'PBKDF2 iterations of new password hashes.',
  ),
  persistentCookies: flag(
    'chttpd_auth',
    'allow_persistent_cookies',
    true,
    'Whether a session outlives the browser.',
  ),
  cookieDomain: setting(
    'chttpd_auth',
    'cookie_domain',
    'string',
    undefined as string | undefined,
    domain,
    'Domain attribute of the cookie.',
  ),
  sameSite: choice(
    'chttpd_auth',
    'same_site',
    [undefined, 'none', 'lax', 'strict'],
    'SameSite attribute of the cookie.',
  ),
  logLevel: choice('log', 'level', LOG_LEVELS, 'Lowest level that is logged; requests are "debug".', 'info'),
  maxUuids: integer('uuids', 'max_count', 1000, 1, 1_000_000, 'Ids that one _uuids may ask for.'),
  workerThreads: integer(
    'workers',
    'threads',
    0,
    0,
    64,
    'Threads for background work, at most; 0 is one fewer than there are processors.',
  ),
  workerMemoryBytes: integer(
    'workers',
    'memory_bytes',
    512 * 1024 * 1024,
    16 * 1024 * 1024,
    2 ** 40,
    'JavaScript memory of one such thread; a task that needs more fails.',
  ),
  workerIdleMs: integer(
    'workers',
    'idle_ms',
    10_000,
    1,
    3_600_000,
    'Milliseconds after which a thread without work ends.',
  ),
  compactionBytesPerSecond: integer(
    'compaction',
    'bytes_per_second',
    0,
    0,
    2 ** 40,
    'Bytes that a compaction may write in a second; 0 for no bound.',
  ),
  compactionSharePercent: integer(
    'compaction',
    'share_percent',
    100,
    1,
    100,
    "Percent of its thread's time that a compaction may work; half of that while the server is busy.",
  ),
  compactionFragmentationPercent: integer(
    'compaction',
    'fragmentation_percent',
    70,
    0,
    99,
    'Percent of a file that nobody needs, from which on it is compacted unasked; 0 for never.',
  ),
  compactionLeastFileBytes: integer(
    'compaction',
    'least_file_bytes',
    4 * 1024 * 1024,
    0,
    2 ** 50,
    'Shorter files are not compacted unasked.',
  ),
  compactionMostAtOnce: integer(
    'compaction',
    'most_at_once',
    1,
    1,
    64,
    'Compactions that may run when another one is to begin unasked, at most.',
  ),
  compactionIntervalMs: integer(
    'compaction',
    'interval_ms',
    60_000,
    10,
    86_400_000,
    'Milliseconds after a change until the database is looked at.',
  ),
  compactionWindow: setting(
    'compaction',
    'window',
    'string',
    undefined as string | undefined,
    dayWindow,
    'Hours in which databases are compacted unasked, local time, as 22:00-06:00; default all day.',
  ),
  compactionReserveBytes: integer(
    'compaction',
    'reserve_bytes',
    64 * 1024 * 1024,
    0,
    2 ** 50,
    'Bytes that must be left on the disk beside what a compaction needs.',
  ),
  compactionCacheBytes: integer(
    'compaction',
    'cache_bytes',
    64 * 1024 * 1024,
    1024 * 1024,
    2 ** 40,
    'Memory for the pages of one compaction.',
  ),
  cacheBytes: integer(
    'davenport',
    'cache_bytes',
    256 * 1024 * 1024,
    1024 * 1024,
    2 ** 40,
    'Memory for the pages of all databases together.',
  ),
  maxJsonSize: integer(
    'davenport',
    'max_json_size',
    128 * 1024 * 1024,
    1024,
    512 * 1024 * 1024,
    'Bytes of a JSON body, unpacked; routes but those of documents have smaller bounds: see below.',
  ),
  bodyMemoryBytes: integer(
    'davenport',
    'body_memory_bytes',
    256 * 1024 * 1024,
    1024 * 1024,
    2 ** 40,
    'Bytes of request bodies in memory at once; nobody has more than half of it. Who finds no room waits.',
  ),
  diskReserveBytes: integer(
    'davenport',
    'disk_reserve_bytes',
    128 * 1024 * 1024,
    0,
    2 ** 50,
    'Bytes of the disk that documents may not take: below that, writes but deletions get 507; 0 for none.',
  ),
  selectorBudgetMs: integer(
    'davenport',
    'selector_budget_ms',
    5000,
    1,
    3_600_000,
    'Milliseconds that a selector may take in one request beyond one for each document; then it gets 400.',
  ),
  stopGraceMs: integer(
    'davenport',
    'stop_grace_ms',
    10_000,
    0,
    3_600_000,
    'Milliseconds that running requests get to finish when the server stops.',
  ),
}

export type SettingName = keyof typeof SETTINGS

/** The value of every setting. */
export type Settings = { [K in SettingName]: (typeof SETTINGS)[K]['default'] }

function setting<T>(
  section: string,
  key: string,
  type: Setting<T>['type'],
  defaultValue: T,
  parse: (text: string) => T,
  doc: string,
): Setting<T> {
  return { section, key, type, default: defaultValue, parse, secret: false, doc }
}

function integer(
  section: string,
  key: string,
  defaultValue: number,
  min: number,
  max: number,
  doc: string,
  /** What the word `infinity` means, where it is allowed. */
  infinity?: number,
): Setting<number> {
  const parse = (input: string): number => {
    if (infinity !== undefined && input === 'infinity') return infinity
    const value = /^\d+$/.test(input) ? Number(input) : Number.NaN
    if (!(value >= min && value <= max)) throw new Error(`an integer from ${min} to ${max}`)
    return value
  }
  return setting(section, key, 'integer', defaultValue, parse, doc)
}

function flag(section: string, key: string, defaultValue: boolean, doc: string): Setting<boolean> {
  const parse = (input: string): boolean => {
    if (input !== 'true' && input !== 'false') throw new Error('true or false')
    return input === 'true'
  }
  return setting(section, key, 'boolean', defaultValue, parse, doc)
}

function choice<const T extends string | undefined>(
  section: string,
  key: string,
  values: readonly T[],
  doc: string,
  defaultValue: T = values[0]!,
): Setting<T> {
  const parse = (input: string): T => {
    if (!values.includes(input as T)) throw new Error(`one of ${values.filter(Boolean).join(', ')}`)
    return input as T
  }
  return setting(section, key, 'choice', defaultValue, parse, doc)
}

function text<T extends string | undefined>(
  section: string,
  key: string,
  defaultValue: T,
  doc: string,
): Setting<string | T> {
  const parse = (input: string): string => {
    if (input === '') throw new Error('text')
    return input
  }
  return setting<string | T>(section, key, 'string', defaultValue, parse, doc)
}

/** Values between commas. */
function list(section: string, key: string, doc: string): Setting<readonly string[] | undefined> {
  const parse = (input: string): readonly string[] => {
    const values = input.split(',').map((value) => value.trim())
    if (values.some((value) => !/^[A-Za-z0-9*:/.[\]_-]+$/.test(value)))
      throw new Error('names between commas')
    return values
  }
  return setting<readonly string[] | undefined>(section, key, 'string', undefined, parse, doc)
}

/** CouchDB's `any` is every IPv4 address; `localhost` is not left to the resolver. */
function address(input: string): string {
  if (input === 'any') return '0.0.0.0'
  if (input === 'localhost') return '127.0.0.1'
  if (isIP(input) === 0) throw new Error('an IP address, "any" or "localhost"')
  return input
}

/** A list with commas between its parts, `*` standing for anything in them. */
function contentTypes(input: string): string {
  const one = /^\s*(\*|[\w.+*-]+\/[\w.+*-]+)\s*$/
  if (!input.split(',').every((type) => one.test(type))) throw new Error('content types with commas between')
  return input
}

function dayWindow(input: string): string {
  const time = '([01]\\d|2[0-3]):[0-5]\\d'
  if (!new RegExp(`^${time}-${time}$`).test(input)) throw new Error('HH:MM-HH:MM')
  return input
}

function domain(input: string): string {
  if (!/^[A-Za-z0-9.-]+$/.test(input)) throw new Error('a domain name')
  return input
}
