/**
 * The gateway's two addresses. What holds:
 * - Each request is resolved, then its user is found, then its database's state is looked at, and only then its body.
 * - Connections to each are bounded in number, and no client's network takes all of them from others.
 * - What fails before an answer has begun is told as an answer; what fails later cuts the connection off.
 * - When the listener stops, feeds end, and what is left is cut off after the time that it was given.
 */
import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeError } from '../../base/log.ts'
import { sendPieces } from '../../http/answer/stream.ts'
import { tellToContinue } from '../../http/listen/expectation.ts'
import { FairRoom } from '../../http/listen/fair-room.ts'
import { discardRest } from '../../http/listen/lingering.ts'
import { watchQueued } from '../../http/listen/queued-answers.ts'
import { UpgradableMessage } from '../../http/listen/upgrades.ts'
import { GONE } from '../../http/request/gone-signal.ts'
import { defaultConnections } from '../../http/request/options.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { admit, errorAnswer, exchangeOf, failed, pathOf, SERVER_TOKEN } from './admission.ts'
import type { Answer } from './answer.ts'
import { putCors } from './cors.ts'
import type { Exchange } from './exchange.ts'
import { methodsOf, resolve } from './routes.ts'
import { serveWebsockets } from './websocket.ts'

const MAX_HEAD_BYTES = 64 * 1024
const HEAD_TIMEOUT_MS = 60_000
const KEEP_ALIVE_MS = 75_000
const MOST_CONNECTIONS = 10_000
const STALL_MS = 300_000

export interface ListenOptions {
  gateway: Gateway
  /** `HOST:PORT`. */
  address: string
  isAdmin: boolean
}

export interface GatewayListener {
  /** Without a slash at the end. */
  readonly url: string
  /** Takes no new requests, gives running ones `graceMs`. */
  stop(graceMs: number): Promise<void>
}

/** Splits `HOST:PORT`, `:PORT`, `[::1]:PORT`; undefined for what is none. */
export function parseAddress(text: string): { host: string; port: number } | undefined {
  const [, bracketed, bare, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535) return undefined
  return { host: bracketed ?? (bare === '' ? '0.0.0.0' : bare!), port: Number(port) }
}

/** Rejects as `listen` does. */
export async function listen({ gateway, address, isAdmin }: ListenOptions): Promise<GatewayListener> {
  const stopping = new AbortController()
  // Every WebSocket listens.
  setMaxListeners(0, stopping.signal)
  // A set, for a listener of the signal costs each request several times as much.
  const running = new Set<AbortController>()
  stopping.signal.addEventListener('abort', () => {
    for (const gone of running) gone.abort(GONE)
  })
  const server = createServer(
    {
      IncomingMessage: UpgradableMessage,
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) =>
      void serve({ gateway, isAdmin, running, isStopping: () => stopping.signal.aborted }, request, response),
  )
  new FairRoom(mostConnections(gateway, isAdmin)).watch(server)
  server.requestTimeout = 0
  cutStalled(server)
  tellToContinue(server)
  const sockets = serveWebsockets(server, gateway, isAdmin, stopping.signal)
  const where = parseAddress(address)!
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => gateway.log.warning('a connection was lost', { error: describeError(error) }))
  return { url: urlOf(server), stop: (graceMs) => stop(server, stopping, sockets, graceMs) }
}

/**
 * As many as CouchDB's addresses have together where that is said, else of the files that the process may open a quarter, and half of
 * that for administrators, whom nobody else keeps out: what is left is for databases.
 */
function mostConnections({ maxConnections }: Gateway, isAdmin: boolean): number {
  const most = maxConnections || Math.floor(defaultConnections() / (isAdmin ? 4 : 2))
  return Math.max(1, Math.min(MOST_CONNECTIONS, most))
}

/**
 * Cuts connections on which nothing has moved for long though the client is to send a body, or to take an answer. Feeds that
 * have nothing to say are left.
 */
function cutStalled(server: Server): void {
  const answers = new WeakMap<object, ServerResponse>()
  server.on('request', (request, response) => answers.set(request.socket, response))
  server.setTimeout(STALL_MS, (socket) => {
    const answer = answers.get(socket)
    const isStalled = answer === undefined || !answer.req.complete || answer.writableNeedDrain
    if (isStalled || answer.writableFinished) socket.destroy()
    else socket.setTimeout(STALL_MS)
  })
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

function stop(
  server: Server,
  stopping: AbortController,
  sockets: { cut(): void },
  graceMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      server.closeAllConnections()
      sockets.cut()
    }, graceMs)
    server.close(() => {
      clearTimeout(cut)
      sockets.cut()
      resolve()
    })
    stopping.abort()
    server.closeIdleConnections()
  })
}

interface Serving {
  gateway: Gateway
  isAdmin: boolean
  /** What ends each request that is under way, when the listener stops. */
  running: Set<AbortController>
  isStopping(): boolean
}

/** Never rejects. */
async function serve(
  { gateway, isAdmin, running, isStopping }: Serving,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort(GONE))
  watchQueued(response)
  running.add(gone)
  if (isStopping()) gone.abort(GONE)
  const exchange = exchangeOf(gateway, isAdmin, request, response, gone.signal)
  try {
    let answer: Answer
    try {
      answer = await answerOf(exchange)
      if (answer.isJson && !exchange.accepts('application/json')) answer = notAcceptable(answer)
    } catch (error) {
      answer = failed(exchange, error)
    }
    await send(exchange, answer).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) throw error
      for (const name of response.getHeaderNames()) if (name !== 'server') response.removeHeader(name)
      return send(exchange, failed(exchange, error))
    })
  } catch (error) {
    if (!response.destroyed) {
      gateway.log.error('an answer broke off', { url: exchange.request.url, error: describeError(error) })
    }
    response.destroy()
  } finally {
    exchange.visit?.()
    exchange.hold.release()
    running.delete(gone)
  }
}

async function answerOf(exchange: Exchange): Promise<Answer> {
  const { gateway, request, response, isAdmin } = exchange
  const resolved = resolve(pathOf(request), isAdmin)
  if (resolved === undefined) throw new GatewayError(404, 'unknown URL')
  const { route, params, redirect } = resolved
  if (route.isThere?.(gateway, params[0]!) === false) throw new GatewayError(404, 'unknown URL')
  if (redirect === undefined) response.setHeader('Server', SERVER_TOKEN)
  const allowed = methodsOf(route)
  if (!isAdmin) putCors(gateway.config.cors, request, response, allowed)
  if (exchange.method === 'OPTIONS') return { status: 204, headers: { Allow: allowed } }
  const handler = Object.hasOwn(route.methods, exchange.method) ? route.methods[exchange.method] : undefined
  if (handler === undefined) throw new GatewayError(405, '', { headers: { Allow: allowed } })
  if (redirect !== undefined) return redirected(request, redirect)
  const coding = exchange.header('content-encoding')
  if (coding !== undefined && coding !== '' && coding !== 'gzip') {
    throw new GatewayError(415, 'Unsupported Content-Encoding; use gzip')
  }
  exchange.params = params
  await admit(exchange, route)
  return handler(exchange)
}

/** To the same query. A page says so to whoever reads one. */
function redirected({ url, method }: IncomingMessage, path: string): Answer {
  const at = url!.indexOf('?')
  const target = at < 0 ? path : path + url!.slice(at)
  if (method !== 'GET') return { status: 301, headers: { Location: target } }
  const headers = { 'Content-Type': 'text/html; charset=utf-8', Location: target }
  return { status: 301, headers, body: `<a href="${escaped(target)}">Moved Permanently</a>.\n\n` }
}

function escaped(text: string): string {
  return text.replace(/[<>"&]/g, (character) => `&#${character.charCodeAt(0)};`)
}

function notAcceptable({ headers }: Answer): Answer {
  const { Etag } = headers
  return errorAnswer(406, 'only application/json available', Etag === undefined ? {} : { Etag })
}

async function send(exchange: Exchange, { status, headers, body, pieces }: Answer): Promise<void> {
  const { request, response } = exchange
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.statusCode = status
  const rest = discardRest(request)
  if (request.method === 'HEAD' || status === 204) {
    await closePieces(pieces)
    if (body !== undefined) response.setHeader('Content-Length', Buffer.byteLength(body))
    response.end()
    return
  }
  if (pieces !== undefined) {
    const beforeBytes = (): undefined => exchange.requireStillReader() as undefined
    await sendPieces(response, pieces as never, { beforeEnd: rest, beforeBytes })
    return
  }
  response.setHeader('Content-Length', body === undefined ? 0 : Buffer.byteLength(body))
  if (rest !== undefined) {
    response.write(body ?? '')
    await rest
    response.end()
  } else response.end(body)
}

async function closePieces(pieces: Answer['pieces']): Promise<void> {
  await pieces?.return?.()
}
