/**
 * Requests from the scripts of other origins, as CouchDB's `[cors]` has it:
 * - A preflight is an OPTIONS with Origin and Access-Control-Request-Method. One whose origin, method and headers
 *   are all allowed is answered with 204 before anybody is authenticated; any other OPTIONS is an ordinary
 *   request, for which no route has an answer.
 * - Every answer to an allowed origin, errors included, names that origin, never `*`: browsers refuse `*` for
 *   requests with credentials, which is how PouchDB sends all of its own.
 */
import type { IncomingMessage } from 'node:http'
import type { Headers, WholeAnswer } from '../answer/answer.ts'
import { hostOf } from './host.ts'

export interface CorsRules {
  /** Exactly as browsers send them; `*` is every one. */
  origins: readonly string[]
  /** Whether scripts may use the cookies and the passwords that the browser keeps. */
  credentials: boolean
  /** Exactly as browsers send them; default those that CouchDB knows. */
  methods?: readonly string[] | undefined
  /** Allowed in requests; default the usual ones. */
  headers?: readonly string[] | undefined
  /** What scripts may read of answers beside what they may read of any; default CouchDB's own. */
  exposedHeaders?: readonly string[] | undefined
  /** Seconds for which a browser may remember a preflight. */
  maxAgeSeconds: number
}

export interface Cors {
  rules: CorsRules
  /** Of requests to some hosts. */
  byHost?: ReadonlyMap<string, CorsRules>
  /** Header in which proxies name that host. */
  forwardedHost?: string | undefined
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT', 'COPY', 'OPTIONS']

const REQUEST_HEADERS = [
  ...'accept accept-language accept-encoding authorization cache-control content-encoding content-length'.split(
    ' ',
  ),
  ...'content-range content-type destination expires if-match if-none-match last-event-id last-modified'.split(
    ' ',
  ),
  ...'origin pragma prefer range x-couch-full-commit x-couch-id x-couch-persist x-couch-request-id'.split(
    ' ',
  ),
  ...'x-couchdb-vhost-path x-couchdb-www-authenticate x-http-method-override x-requested-with'.split(' '),
]

/** Headers that scripts may read of any answer, where it has them; CouchDB names them all the same. */
const SIMPLE = new Set(
  'cache-control content-language content-type expires last-modified origin pragma'.split(' '),
)

/** Named whether the answer has them or not. */
const EXPOSED =
  'accept-ranges etag server x-couch-request-id x-couch-update-newrev x-couchdb-body-time'.split(' ')

/** The rules for a request: those of the host that it is sent to, where that has some. */
function rulesFor({ rules, byHost, forwardedHost }: Cors, request: IncomingMessage): CorsRules {
  if (byHost === undefined || byHost.size === 0) return rules
  const host = hostOf(request, forwardedHost)?.replace(/:\d*$/, '')
  return (host === undefined ? undefined : byHost.get(host)) ?? rules
}

/** The rules under which the request's origin is allowed, and that origin. */
export function allowedOrigin(
  cors: Cors,
  request: IncomingMessage,
): { origin: string; rules: CorsRules } | undefined {
  const { origin } = request.headers
  if (origin === undefined) return undefined
  const rules = rulesFor(cors, request)
  return rules.origins.includes('*') || rules.origins.includes(origin) ? { origin, rules } : undefined
}

function originHeaders(rules: CorsRules, origin: string): Headers {
  const headers: Headers = { 'access-control-allow-origin': origin }
  if (rules.credentials) headers['access-control-allow-credentials'] = 'true'
  return headers
}

/** The answer to a preflight that is allowed. */
export function preflight(cors: Cors | undefined, request: IncomingMessage): WholeAnswer | undefined {
  if (cors === undefined || request.method !== 'OPTIONS') return undefined
  const allowed = allowedOrigin(cors, request)
  const method = request.headers['access-control-request-method']
  if (allowed === undefined || method === undefined) return undefined
  const { origin, rules } = allowed
  const methods = rules.methods ?? METHODS
  const known = rules.headers?.map((name) => name.toLowerCase()) ?? REQUEST_HEADERS
  const wanted = request.headers['access-control-request-headers'] ?? ''
  if (!methods.includes(method) || !namesIn(wanted).every((name) => known.includes(name))) return undefined
  const headers: Headers = {
    ...originHeaders(rules, origin),
    'access-control-max-age': String(rules.maxAgeSeconds),
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': wanted,
  }
  return { kind: 'whole', status: 204, headers, body: '' }
}

function namesIn(header: string): string[] {
  return header
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** The headers of an answer with what a script of another origin needs. */
export function withCors(cors: Cors | undefined, request: IncomingMessage, headers: Headers): Headers {
  const allowed = cors === undefined ? undefined : allowedOrigin(cors, request)
  // A preflight's own say all.
  if (allowed === undefined || headers['access-control-allow-methods'] !== undefined) return headers
  const { origin, rules } = allowed
  const simple = Object.keys(headers).filter((name) => SIMPLE.has(name) && name !== 'content-type')
  const exposed = rules.exposedHeaders?.map((name) => name.toLowerCase()) ?? EXPOSED
  return {
    ...headers,
    ...originHeaders(rules, origin),
    'access-control-expose-headers': ['content-type', ...simple, ...exposed].join(', '),
  }
}
