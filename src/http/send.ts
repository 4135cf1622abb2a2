import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Answer, Headers } from './answer.ts'
import { withCors } from './cors.ts'
import type { Exchange } from './exchange.ts'
import { sendPieces } from './stream.ts'

/** What is left of a request's body when its answer has gone out is read and thrown away up to here. */
const DRAIN_LIMIT_BYTES = 16 * 1024 * 1024
const DRAIN_LIMIT_MS = 10_000

/**
 * Writes an answer. The product token is CouchDB's, since clients look for it (`^CouchDB/`); the comment
 * says who it is. Resolves when the answer was handed over or the client has gone.
 */
export async function send(exchange: Exchange, answer: Answer): Promise<void> {
  const { request, response } = exchange
  if (response.destroyed) {
    if (answer.kind === 'streamed') await answer.pieces.return?.()
    return
  }
  const own = preferred(exchange, { ...usualHeaders(exchange), ...answer.headers })
  const headers = spelled(withCors(exchange.service.options.cors, request, own))
  const withBody = request.method !== 'HEAD'
  if (answer.kind === 'whole') {
    const body = typeof answer.body === 'string' ? Buffer.from(answer.body, 'utf8') : answer.body
    if (answer.status !== 304 && answer.status !== 204) headers['Content-Length'] = body.length
    response.writeHead(answer.status, headers)
    response.end(withBody ? body : undefined)
  } else {
    response.writeHead(answer.status, headers)
    if (withBody) {
      await sendPieces(response, answer.pieces)
    } else {
      await answer.pieces.return?.()
      response.end()
    }
  }
  if (!request.complete) drain(request)
}

/** What is left of the headers of a client that wants to pay for little. */
const MINIMAL = new Set(['cache-control', 'content-range', 'content-type', 'etag', 'server', 'vary'])

/** `Prefer: return=minimal`. */
function preferred(exchange: Exchange, headers: Headers): Headers {
  if (exchange.header('prefer') !== 'return=minimal') return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => MINIMAL.has(name)))
}

/** Names as CouchDB spells them, for those who read heads with their eyes. */
const SPELLINGS: Record<string, string> = {
  etag: 'ETag',
  'x-couch-request-id': 'X-Couch-Request-ID',
  'www-authenticate': 'WWW-Authenticate',
  'x-couchdb-body-time': 'X-CouchDB-Body-Time',
}

function spelled(headers: Headers): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    SPELLINGS[name] ??= name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
    out[SPELLINGS[name]] = value
  }
  return out
}

export function usualHeaders(exchange: Exchange): Headers {
  const headers: Headers = {
    server: serverToken(exchange.service.options.version),
    'x-couch-request-id': exchange.requestId,
    'x-couchdb-body-time': String(exchange.bodyTimeMs),
  }
  if (exchange.setCookie !== undefined) headers['set-cookie'] = exchange.setCookie
  return headers
}

export const COUCHDB_VERSION = '3.5.2'

export function serverToken(version: string): string {
  return `CouchDB/${COUCHDB_VERSION} (Davenport/${version})`
}

/**
 * A refused upload: closing at once would reset the connection before the client has read the answer, so the
 * rest is read for a while, into nothing.
 */
function drain(request: IncomingMessage): void {
  let size = 0
  const timer = setTimeout(() => request.destroy(), DRAIN_LIMIT_MS)
  timer.unref()
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    if (size > DRAIN_LIMIT_BYTES) request.destroy()
  }
  request.on('data', onData)
  request.once('close', () => clearTimeout(timer))
  request.once('end', () => clearTimeout(timer))
  request.on('error', () => {})
  request.resume()
}
