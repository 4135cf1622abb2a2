import type { ServerResponse } from 'node:http'
import type { BytePace } from '../../base/byte-pace.ts'
import { giveBack, type Whole } from '../../documents/gathered.ts'
import type { Headers, StreamedAnswer, WholeAnswer } from '../answer/answer.ts'
import { sendPieces } from '../answer/stream.ts'
import { requireStillReader } from '../request/access.ts'
import { withCors } from '../request/cors.ts'
import type { Exchange } from '../request/exchange.ts'
import { frameOption } from '../request/frame-options.ts'
import { endWithBytes } from './headed-bytes.ts'
import { discardRest } from './lingering.ts'
import { endWithTurn } from './turn-end.ts'

/**
 * The longest body that goes out in one piece with its head. Node joins a head with text alone; bytes as text in
 * latin1 are the same bytes. Two pieces cost a gathering write, which is a multiple of the copy of a short body. What is joined
 * also waits for the end of the turn, which takes a seventh off a `_find` of twenty documents.
 */
const MAX_JOINED_BYTES = 32 * 1024

/**
 * Writes a whole answer. The product token is CouchDB's, since clients look for it (`^CouchDB/`); the comment
 * says who it is.
 */
export function sendWhole(exchange: Exchange, answer: WholeAnswer): void {
  const { request, response } = exchange
  if (response.destroyed) return
  const { status } = answer
  const head = headOf(exchange, answer.headers)
  const body = answer.isBytes === true ? answer.body : bytesOf(answer.body)
  // RFC 9110, 8.6, would have the length that a 200 has or none; CouchDB says 0, and clients read it.
  if (status !== 204) head.push('Content-Length', String(body.length))
  response.writeHead(status, head)
  if (request.method !== 'HEAD') exchange.sentBytes += body.length
  const bodiless = request.method === 'HEAD' || body.length === 0
  const rest = discardRest(request, { pace: paceOf(exchange) })
  if (rest !== undefined) {
    if (bodiless) response.flushHeaders()
    else response.write(body, 'latin1')
    void rest.then(() => response.end())
  } else if (bodiless) response.end()
  else if (body.length <= MAX_JOINED_BYTES) endJoined(response, body)
  else response.end(body, 'latin1')
}

function bytesOf(body: Buffer | string): Buffer {
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body
}

/** A short body, in one piece with the head that was written. Of a text each character is a byte. */
function endJoined(response: ServerResponse, body: Buffer | string): void {
  endWithTurn(response, typeof body === 'string' ? body : body.toString('latin1'))
}

/**
 * Writes an answer piece by piece, or whole where that is all there at once. Resolves when it was handed over or the client
 * has gone; undefined where that is so already. The pieces are always read to their end or returned.
 */
export function sendStreamed(exchange: Exchange, answer: StreamedAnswer): Promise<void> | undefined {
  const { request, response } = exchange
  if (request.method === 'HEAD' || response.destroyed) return sendHead(exchange, answer)
  const rest = discardRest(request, { pace: paceOf(exchange) })
  const hasLength = answer.headers['content-length'] !== undefined
  return sendPieces(response, answer.pieces, {
    begin: () => void response.writeHead(answer.status, headOf(exchange, answer.headers)),
    whole: hasLength ? undefined : (body) => sendShort(exchange, answer, body),
    beforeEnd: rest,
    onBytes: (bytes) => {
      exchange.sentBytes += bytes
    },
    beforeBytes: () => requireStillReader(exchange),
  })
}

/** The memory of `body` is not the caller's any more. */
function sendShort(exchange: Exchange, { status, headers }: StreamedAnswer, body: Whole): void {
  const { response } = exchange
  const length = body.end - body.start
  const head = headOf(exchange, headers)
  head.push('Content-Length', String(length))
  response.writeHead(status, head)
  exchange.sentBytes += length
  if (length > MAX_JOINED_BYTES) endWithBytes(response, body)
  else if (!exchange.isSecure) endWithTurn(response, body)
  else {
    // TLS takes nothing at once: memory of ours would be lost to each answer, and a text is copied.
    endWithTurn(response, body.bytes.toString('latin1', body.start, body.end))
    giveBack(body.bytes)
  }
}

/** What nobody wants the rest of. */
async function sendHead(exchange: Exchange, answer: StreamedAnswer): Promise<void> {
  const { request, response } = exchange
  await answer.pieces.return?.()
  if (response.destroyed) return
  const rest = discardRest(request, { pace: paceOf(exchange) })
  response.writeHead(answer.status, headOf(exchange, answer.headers))
  response.flushHeaders()
  await rest
  response.end()
}

/** Undefined for those who are known: they are read as fast as they send. */
function paceOf({ user, service }: Exchange): BytePace | undefined {
  return user.name === null ? service.strangersPace : undefined
}

/** The headers that the client wants: all, or with `Prefer: return=minimal` those that are configured. */
function preferred(exchange: Exchange, headers: Headers): Headers {
  if (exchange.header('prefer')?.toLowerCase() !== 'return=minimal') return headers
  const { minimalHeaders } = exchange.limits
  return Object.fromEntries(Object.entries(headers).filter(([name]) => minimalHeaders.includes(name)))
}

/** Names by their lower case, spelled as CouchDB sends them; others get a capital after each hyphen, and are added. */
const SPELLINGS = new Map([
  ['etag', 'ETag'],
  ['x-couch-request-id', 'X-Couch-Request-ID'],
  ['www-authenticate', 'WWW-Authenticate'],
  ['x-couch-update-newrev', 'X-Couch-Update-NewRev'],
  ['x-couchdb-body-time', 'X-CouchDB-Body-Time'],
])

const MOST_SPELLINGS = 500

/** The name of a header as CouchDB spells it. */
function spelled(name: string): string {
  const known = SPELLINGS.get(name)
  if (known !== undefined) return known
  const spelling = name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
  // Functions of design documents say any names.
  if (SPELLINGS.size < MOST_SPELLINGS) SPELLINGS.set(name, spelling)
  return spelling
}

/** The whole head, names and values in turn. */
function headOf(exchange: Exchange, headers: Headers): string[] {
  const { service, request, authentication } = exchange
  const setCookie = authentication?.setCookie
  const head = [
    'Server',
    exchange.limits.versionsShown ? service.serverToken : 'CouchDB',
    'X-Couch-Request-ID',
    exchange.requestId,
    'X-CouchDB-Body-Time',
    String(exchange.bodyTimeMs),
  ]
  if (setCookie !== undefined && headers['set-cookie'] === undefined) head.push('Set-Cookie', setCookie)
  for (const name in headers) head.push(spelled(name), headers[name]!)
  const { cors, frames } = service.options
  const frame = frameOption(frames, request)
  if (frame !== undefined) head.push('X-Frame-Options', frame)
  if (cors === undefined && request.headers['prefer'] === undefined) return head
  const all: Headers = {}
  for (let i = 0; i < head.length; i += 2) all[head[i]!.toLowerCase()] = head[i + 1]!
  const sent = withCors(cors, request, preferred(exchange, all))
  return Object.entries(sent).flatMap(([name, value]) => [spelled(name), value])
}
