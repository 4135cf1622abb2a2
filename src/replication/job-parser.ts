/**
 * What a request or a document says of a replication, read as CouchDB's `couch_replicator_parse` reads it: its names, its
 * order of complaints and its words.
 */
import type { UserCtx } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'
import { sortByBytes } from '../json/collation.ts'
import { isDeeper } from '../json/print.ts'
import type { DocumentChoice, EndpointPlace, ReplicationJob, ReplicationOptions } from './api.ts'

export type Members = Readonly<Record<string, unknown>>

/** What is taken where a job says nothing: `[replicator]`. */
export type ReplicationDefaults = Pick<
  ReplicationOptions,
  | 'useCheckpoints'
  | 'checkpointIntervalMs'
  | 'useBulkGet'
  | 'workers'
  | 'batchSize'
  | 'connections'
  | 'timeoutMs'
  | 'retries'
>

/** Members that are integers, or texts of them: who parses a job's text tells them from floats, as `exactNumber` does. */
export const INTEGER_MEMBERS = [
  'checkpoint_interval',
  'worker_processes',
  'worker_batch_size',
  'http_connections',
  'connection_timeout',
  'retries_per_request',
] as const

type IntegerMember = (typeof INTEGER_MEMBERS)[number]

/** What `POST /_replicate` asks for. */
export type ReplicationRequest =
  | { readonly kind: 'start'; readonly job: ReplicationJob }
  | { readonly kind: 'cancel'; readonly job: ReplicationJob }
  /** `id` is as `replicationIdText` writes it. */
  | { readonly kind: 'cancelId'; readonly id: string }

/** Of a selector, and of what a filter is given: jobs go from thread to thread, and their ids are hashes of these. */
const MOST_LEVELS = 500
const MOST_URL_CHARACTERS = 16 * 1024
const MOST_HEADERS = 100
const MOST_HEADER_CHARACTERS = 64 * 1024
const MOST_WORKERS = 32
const MOST_BATCH = 10_000
const MOST_CONNECTIONS = 200
const MOST_RETRIES = 100
const MOST_MS = 86_400_000
/** What is a word of HTTP, and no header that frames the message or says where it goes. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const FRAMING = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Throws badRequest and invalidReplication. */
export function parseRequest(
  body: Members,
  owner: UserCtx,
  defaults: ReplicationDefaults,
): ReplicationRequest {
  const isCancel = flagOf(body, 'cancel') ?? false
  const id = body['_local_id'] ?? body['replication_id'] ?? body['id']
  if (isCancel && id !== undefined) {
    if (typeof id !== 'string') throw bad('parameter `id` must be a string')
    // A plus sign in the query of a URL is a space to some.
    return { kind: 'cancelId', id: id.replaceAll(' ', '+') }
  }
  return { kind: isCancel ? 'cancel' : 'start', job: parseJob(body, owner, defaults) }
}

/** Throws badRequest for what is nested too deeply to be a job. */
export function requireShallow(body: Members): void {
  if (isDeeper(body, MOST_LEVELS)) throw bad('a replication is nested too deeply')
}

/** Throws badRequest and invalidReplication. */
export function parseJob(body: Members, owner: UserCtx, defaults: ReplicationDefaults): ReplicationJob {
  requireShallow(body)
  const proxies = proxiesOf(body)
  const options = optionsOf(body, defaults)
  return {
    source: placeOf(body['source'], proxies.source),
    target: placeOf(body['target'], proxies.target),
    options,
    owner,
  }
}

function proxiesOf(body: Members): { source: string | undefined; target: string | undefined } {
  const proxy = proxyOf(body, 'proxy')
  const source = proxyOf(body, 'source_proxy')
  const target = proxyOf(body, 'target_proxy')
  if (proxy === undefined) return { source, target }
  if (source !== undefined) throw bad('`proxy` is mutually exclusive with `source_proxy`')
  if (target !== undefined) throw bad('`proxy` is mutually exclusive with `target_proxy`')
  return { source: proxy, target: proxy }
}

function proxyOf(body: Members, name: string): string | undefined {
  const value = body[name]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw invalid('Invalid proxy url')
  const url = readUrl(value)
  if (url === undefined || !['http:', 'https:', 'socks5:'].includes(url.protocol)) {
    throw invalid('proxy has an invalid url')
  }
  return value
}

function optionsOf(body: Members, defaults: ReplicationDefaults): ReplicationOptions {
  const since = body['since_seq']
  return {
    createTarget: flagOf(body, 'create_target') ?? false,
    createTargetParams: parametersOf(body),
    winningRevsOnly: flagOf(body, 'winning_revs_only') ?? false,
    continuous: flagOf(body, 'continuous') ?? false,
    choice: choiceOf(body),
    sinceSeq: since === undefined || since === null ? undefined : sequenceOf(since),
    useCheckpoints: flagOf(body, 'use_checkpoints') ?? defaults.useCheckpoints,
    useBulkGet: flagOf(body, 'use_bulk_get') ?? defaults.useBulkGet,
    checkpointIntervalMs: integerOf(body, 'checkpoint_interval', 1, MOST_MS) ?? defaults.checkpointIntervalMs,
    workers: integerOf(body, 'worker_processes', 1, MOST_WORKERS) ?? defaults.workers,
    batchSize: integerOf(body, 'worker_batch_size', 1, MOST_BATCH) ?? defaults.batchSize,
    connections: integerOf(body, 'http_connections', 1, MOST_CONNECTIONS) ?? defaults.connections,
    timeoutMs: integerOf(body, 'connection_timeout', 1, MOST_MS) ?? defaults.timeoutMs,
    retries: integerOf(body, 'retries_per_request', 0, MOST_RETRIES) ?? defaults.retries,
  }
}

function parametersOf(body: Members): Record<string, string> {
  const given = body['create_target_params']
  if (given === undefined) return {}
  if (!isObject(given)) throw bad('parameter `create_target_params` must be a JSON object')
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
}

function sequenceOf(value: unknown): string | number {
  if (typeof value === 'string' || typeof value === 'number') return value
  // Clusters of long ago had lists.
  return JSON.stringify(value)
}

function choiceOf(body: Members): DocumentChoice {
  const ids = body['doc_ids'] ?? undefined
  const { filter, selector } = body
  const query = body['query_params']
  if (query !== undefined && !isObject(query)) throw bad('parameter `query_params` must be an object')
  if (ids !== undefined && !Array.isArray(ids)) throw bad('parameter `doc_ids` must be an array')
  if (selector !== undefined && !isObject(selector)) throw bad('parameter `selector` must be a JSON object')
  if ([ids, filter, selector].filter((each) => each !== undefined).length > 1) {
    throw bad('`doc_ids`,`filter`,`selector` are mutually exclusive')
  }
  if (ids !== undefined) return { kind: 'ids', ids: idsOf(ids) }
  if (selector !== undefined) return { kind: 'selector', selector }
  if (filter === undefined) return { kind: 'all' }
  if (typeof filter !== 'string') throw bad('parameter `filter` must be a string')
  if (!filter.startsWith('_') && !/^[^/]+\/./.test(filter)) {
    throw bad('Invalid filter. Must match `ddocname/filtername`.')
  }
  return { kind: 'filter', filter, query: query ?? {} }
}

/** Ids may be percent-encoded, as those of old replicators were. */
function idsOf(ids: readonly unknown[]): readonly string[] {
  const read = ids.map((id) => {
    if (typeof id !== 'string') throw bad('parameter `doc_ids` must be an array of strings')
    return id.includes('%') ? decoded(id) : id
  })
  return sortByBytes([...new Set(read)])
}

function placeOf(given: unknown, proxy: string | undefined): EndpointPlace {
  if (given === undefined) throw invalid('Missing replicator database')
  const members: Members = typeof given === 'string' ? { url: given } : isObject(given) ? given : {}
  const { url } = members
  if (typeof url !== 'string' || url === '' || url.length > MOST_URL_CHARACTERS) throw invalid()
  if (!url.includes(':')) return { kind: 'local', name: url }
  const read = readUrl(url)
  if (read === undefined || !['http:', 'https:'].includes(read.protocol)) throw invalid()
  const { headers, basic } = headersOf(members['headers'])
  const ofUrl =
    read.username === '' ? undefined : { user: decoded(read.username), password: decoded(read.password) }
  return {
    kind: 'remote',
    url: withSlash(url.replace(/^(\w+:\/\/)[^/?#]*@/, '$1').replace(/#.*$/s, '')),
    headers,
    basic: basicOf(members['auth']) ?? ofUrl ?? basic,
    proxy,
  }
}

function readUrl(text: string): URL | undefined {
  // What only looks like a URL of another host is refused, not put right.
  if (/[\s\\]|\p{Cc}/u.test(text) || !/^[a-z0-9]+:\/\/[^/]/i.test(text)) return undefined
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

function withSlash(url: string): string {
  return url.includes('?') || url.endsWith('/') ? url : `${url}/`
}

type Basic = { user: string; password: string }

function basicOf(auth: unknown): Basic | undefined {
  if (auth === undefined || auth === null) return undefined
  const basic: unknown = isObject(auth) ? auth['basic'] : null
  if (basic === undefined) return undefined
  if (!isObject(basic)) throw bad('parameter `auth` must be a JSON object')
  const { username, password } = basic
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw bad('`auth.basic` must have `username` and `password`')
  }
  return { user: username, password }
}

function headersOf(given: unknown): { headers: [string, string][]; basic: Basic | undefined } {
  if (given === undefined || given === null) return { headers: [], basic: undefined }
  if (!isObject(given) || Object.keys(given).length > MOST_HEADERS)
    throw bad('`headers` must be a JSON object')
  let basic: Basic | undefined
  let characters = 0
  const headers: [string, string][] = []
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== 'string' || !HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) {
      throw bad('`headers` must have names and values of HTTP headers')
    }
    if (FRAMING.has(name.toLowerCase())) throw bad(`the header \`${name}\` is not for a replication to set`)
    characters += name.length + value.length
    // One that cannot be read is nobody's: CouchDB neither sends it nor makes it part of the id.
    if (name.toLowerCase() === 'authorization' && /^basic /i.test(value)) basic = readBasic(value)
    else headers.push([name, value])
  }
  if (characters > MOST_HEADER_CHARACTERS) throw bad('`headers` are too long')
  return { headers: headers.sort(([a], [b]) => (a < b ? -1 : 1)), basic }
}

/** Undefined for anything but basic authentication with a name and a password. */
function readBasic(value: string): Basic | undefined {
  const found = /^basic +([A-Za-z0-9+/=]+)\s*$/i.exec(value)
  if (found === null) return undefined
  const text = Buffer.from(found[1]!, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function flagOf(body: Members, name: string): boolean | undefined {
  const value = body[name]
  if (value === undefined || typeof value === 'boolean') return value
  throw bad(`parameter \`${name}\` must be a boolean`)
}

function integerOf(body: Members, name: IntegerMember, min: number, max: number): number | undefined {
  const value = body[name]
  if (value === undefined) return undefined
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < min) {
    throw bad(`parameter \`${name}\` must be an integer of at least ${min}`)
  }
  return Math.min(number, max)
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bad(reason: string): DatabaseError {
  return new DatabaseError('badRequest', reason)
}

function invalid(reason?: string): DatabaseError {
  return new DatabaseError('invalidReplication', reason)
}
