/**
 * The request as functions of design documents see it: the object that CouchDB's `chttpd_external` makes, with its members
 * and their shapes. What a client proves itself by is not shown, as there: functions are somebody else's.
 */
import { securityText } from '../../auth/security.ts'
import type { Exchange } from './exchange.ts'
import { readJson } from './parameters.ts'
import { parseForm } from './path.ts'
import type { Query } from './query.ts'

const FORM_TYPE = 'application/x-www-form-urlencoded'
/** Headers that passwords, sessions and tokens come in. */
const PROOF = /^(?:authorization|cookie|proxy-authorization|x-auth-couchdb-.*)$/i
/** CouchDB's word for a body that did not come. */
const NO_BODY = 'undefined'

export interface FunctionRequest {
  [member: string]: unknown
}

/**
 * `id` is that of the document that the function is called for; `body` the request's, where it has one. Names of headers
 * have a capital at their beginning and after each hyphen, as Erlang reads them: functions ask for `req.headers.Accept`.
 */
export function functionRequest(
  exchange: Exchange,
  { id, body }: { id?: string | undefined; body?: Buffer | undefined } = {},
): FunctionRequest {
  const { database, user, query, request } = exchange
  const target = exchange.handledTarget
  const [rawPath] = target.split('?', 1) as [string]
  const type = exchange.header('content-type') ?? ''
  return {
    info: { db_name: database.name, ...infoOf(exchange) },
    uuid: exchange.uuids.next(),
    id: id ?? null,
    method: exchange.shownMethod,
    // CouchDB takes the query for a part of the last one here.
    requested_path: partsOf(exchange.first.rawTarget),
    path: partsOf(rawPath),
    raw_path: target,
    query: queryOf(query),
    headers: { ...headersOf(exchange.rawHeaders), ...exchange.wayHeaders },
    body: body === undefined ? NO_BODY : body.toString(),
    peer: request.socket.remoteAddress ?? '',
    form:
      body !== undefined && type.startsWith(FORM_TYPE)
        ? Object.fromEntries(parseForm(body.toString('latin1')).reverse())
        : {},
    cookie: cookiesOf(exchange.header('cookie')),
    userCtx: { db: database.name, name: user.name, roles: user.roles },
    secObj: JSON.parse(Buffer.from(securityText(database.security())).toString()) as unknown,
  }
}

function infoOf({ database }: Exchange): Record<string, unknown> {
  const info = database.info()
  const { updateSeq, purgeSeq, sizes, docCount, docDelCount, instanceStartTime, diskFormatVersion } = info
  return {
    doc_count: docCount,
    doc_del_count: docDelCount,
    update_seq: updateSeq,
    purge_seq: purgeSeq,
    compact_running: info.compactRunning,
    sizes,
    instance_start_time: instanceStartTime,
    disk_format_version: diskFormatVersion,
    committed_update_seq: updateSeq,
  }
}

/** Parameters that CouchDB shows as what their JSON says. */
const JSON_PARAMETERS = new Set(['startkey', 'endkey', 'key', 'descending'])

/** Throws badRequest. */
function queryOf({ pairs }: Query): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(([name, value]) => [name, JSON_PARAMETERS.has(name) ? readJson(value) : value]),
  )
}

function partsOf(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Of a name that comes more than once, the values with commas between. */
function headersOf(raw: readonly string[]): Record<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase().replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase())
    if (PROOF.test(name)) continue
    const before = headers.get(name)
    headers.set(name, before === undefined ? raw[at + 1]! : `${before}, ${raw[at + 1]!}`)
  }
  return Object.fromEntries(headers)
}

function cookiesOf(header: string | undefined): Record<string, string> {
  const pairs = (header ?? '').split(';').flatMap((pair): [string, string][] => {
    const equals = pair.indexOf('=')
    const isSession = pair.trim().startsWith('AuthSession=')
    return equals < 1 || isSession ? [] : [[pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]]
  })
  return Object.fromEntries(pairs)
}
