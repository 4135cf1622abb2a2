/**
 * Requests from the scripts of other origins, as CouchDB's `[cors]` has it:
 * - A preflight is an OPTIONS with Origin and Access-Control-Request-Method. One whose origin, method and headers
 *   are all allowed is answered with 204 before anybody is authenticated; any other OPTIONS is an ordinary
 *   request, for which no route has an answer.
 * - Every answer to an allowed origin, errors included, names that origin, never `*`: browsers refuse `*` for
 *   requests with credentials, which is how PouchDB sends all of its own.
 * - Answers differ by origin, so while CORS is on all of them say `Vary: Origin`.
 */
import type { IncomingMessage } from 'node:http'
import type { Headers, WholeAnswer } from '../answer/answer.ts'

export interface CorsRules {
  /** Exactly as browsers send them; `*` is every one. */
  origins: readonly string[]
  /** Whether scripts may use the cookies and the passwords that the browser keeps. */
  credentials: boolean
  /** Upper case; default all that the server knows. */
  methods?: readonly string[] | undefined
  /** Allowed in requests, beside the usual ones. */
  headers?: readonly string[] | undefined
  /** Seconds for which a browser may remember a preflight. */
  maxAgeSeconds: number
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'CONNECT', 'COPY', 'OPTIONS']

const REQUEST_HEADERS = new Set(
  (
    'accept accept-language accept-encoding authorization cache-control content-encoding content-length ' +
    'content-range content-type destination expires if-match if-none-match last-event-id last-modified origin ' +
    'pragma prefer range x-couch-full-commit x-couch-id x-couch-persist x-couch-request-id ' +
    'x-couchdb-vhost-path x-couchdb-www-authenticate x-http-method-override x-requested-with'
  ).split(' '),
)

/** What scripts may read of every answer that has it; the rest they may read anyway, or must not. */
const EXPOSED = new Set(
  (
    'accept-ranges allow content-disposition content-encoding content-length content-md5 content-range etag ' +
    'location server www-authenticate x-couch-request-id x-couch-update-newrev x-couchdb-body-time'
  ).split(' '),
)

/** The request's origin if the rules allow it. */
export function allowedOrigin(rules: CorsRules, request: IncomingMessage): string | undefined {
  const { origin } = request.headers
  if (origin === undefined) return undefined
  return rules.origins.includes('*') || rules.origins.includes(origin) ? origin : undefined
}

function originHeaders(rules: CorsRules, origin: string): Headers {
  const headers: Headers = { 'access-control-allow-origin': origin }
  if (rules.credentials) headers['access-control-allow-credentials'] = 'true'
  return headers
}

/** The answer to a preflight that is allowed. */
export function preflight(rules: CorsRules | undefined, request: IncomingMessage): WholeAnswer | undefined {
  if (rules === undefined || request.method !== 'OPTIONS') return undefined
  const origin = allowedOrigin(rules, request)
  const method = request.headers['access-control-request-method']
  const methods = rules.methods ?? METHODS
  if (origin === undefined || method === undefined || !methods.includes(method)) return undefined
  const headers: Headers = {
    ...originHeaders(rules, origin),
    'access-control-max-age': String(rules.maxAgeSeconds),
    'access-control-allow-methods': methods.join(', '),
  }
  const wanted = listOf(request.headers['access-control-request-headers'])
  const more = new Set(rules.headers?.map((name) => name.toLowerCase()))
  if (!wanted.every((name) => REQUEST_HEADERS.has(name) || more.has(name))) return undefined
  if (wanted.length > 0) headers['access-control-allow-headers'] = wanted.join(', ')
  return { kind: 'whole', status: 204, headers, body: '' }
}

function listOf(header: string | undefined): string[] {
  return (header ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** The headers of an answer with what a script of another origin needs. */
export function withCors(rules: CorsRules | undefined, request: IncomingMessage, headers: Headers): Headers {
  if (rules === undefined) return headers
  const vary = { vary: headers['vary'] === undefined ? 'Origin' : `${headers['vary']}, Origin` }
  const origin = allowedOrigin(rules, request)
  if (origin === undefined) return { ...headers, ...vary }
  const exposed = Object.keys(headers).filter((name) => EXPOSED.has(name))
  return {
    ...headers,
    ...vary,
    ...originHeaders(rules, origin),
    'access-control-expose-headers': [...exposed, 'content-length'].join(', '),
  }
}
