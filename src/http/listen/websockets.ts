/**
 * Requests that ask for a WebSocket. Only `GET /{db}/_changes?feed=websocket` gets one; it is authenticated and
 * authorised like any other request, and any other is refused like any other. What holds:
 * - Browsers send cookies with WebSockets of any page and ask nobody: a page of another origin is refused unless
 *   CORS allows it what it brings.
 * - When the server stops, feeds end with a close frame; who does not answer it in time is cut off.
 */
import { type Server, ServerResponse } from 'node:http'
import type { WebSocket } from 'ws'
import { DatabaseError } from '../../base/errors.ts'
import { knownError } from '../answer/known-error.ts'
import { closeOf, openWebsocketFeed } from '../feeds/websocket-feed.ts'
import { authorize } from '../request/access.ts'
import { allowedOrigin } from '../request/cors.ts'
import type { Exchange, Service } from '../request/exchange.ts'
import { rightOf } from '../request/rights.ts'
import { exchangeOf, identify, rewriteUrl } from './dispatch.ts'
import { errorAnswer } from './error-answer.ts'
import { logRequest } from './request-log.ts'
import { sendWhole } from './send.ts'
import { type Upgrade, upgradesOf, type Websockets } from './upgrades.ts'

const GOING_AWAY = 1001
const DONE = 1000

export function serveWebsockets(server: Server, service: Service): Websockets {
  return upgradesOf(server, (upgrade) => service.background(accept(service, upgrade)))
}

/** Resolves when the connection is done with. Never rejects. */
async function accept(service: Service, { request, socket, take }: Upgrade): Promise<void> {
  rewriteUrl(service, request)
  const response = new ServerResponse(request)
  const exchange = exchangeOf(service, request, response)
  const { clock } = exchange.backend
  const startMs = clock.monotonic()
  try {
    try {
      await admit(exchange)
    } catch (error) {
      response.assignSocket(socket)
      response.shouldKeepAlive = false
      response.once('finish', () => socket.end())
      sendWhole(exchange, errorAnswer(error, exchange))
      return
    }
    if (socket.destroyed) return
    const client = await take()
    if (client === undefined) return
    response.statusCode = 101
    await serve(exchange, client)
  } catch (error) {
    service.options.backend.log.error('a WebSocket broke off', {
      requestId: exchange.requestId,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    socket.destroy()
  } finally {
    exchange.release()
    exchange.sentBytes = socket.bytesWritten
    logRequest(exchange, clock.monotonic() - startMs)
  }
}

/** Throws what a request of the feed without a WebSocket would get, badRequest for other resources, forbidden. */
async function admit(exchange: Exchange): Promise<void> {
  if (exchange.service.stopping.aborted) throw new DatabaseError('shuttingDown')
  await identify(exchange)
  const isFeed = exchange.place.route === 'db/_changes' && exchange.query.get('feed') === 'websocket'
  if (!isFeed || exchange.method !== 'GET') {
    throw new DatabaseError('badRequest', 'Only `_changes?feed=websocket` speaks WebSocket')
  }
  requireKnownOrigin(exchange)
  await authorize(exchange, rightOf('db/_changes', exchange.method, exchange.place.rest))
}

function requireKnownOrigin(exchange: Exchange): void {
  const { origin, host, cookie, authorization } = exchange.request.headers
  if (origin === undefined) return
  if (URL.canParse(origin) && new URL(origin).host === host) return
  const { cors } = exchange.service.options
  const isBare = cookie === undefined && authorization === undefined
  const allowed = cors === undefined ? undefined : allowedOrigin(cors, exchange.request)
  if (allowed !== undefined && (allowed.rules.credentials || isBare)) return
  throw new DatabaseError('forbidden', 'This origin may not open a WebSocket')
}

async function serve(exchange: Exchange, client: WebSocket): Promise<void> {
  try {
    const message = await firstMessage(exchange, client)
    if (message === undefined) return
    const feed = await openWebsocketFeed(exchange, message)
    const { metrics } = exchange.backend
    metrics.count('couchdb.httpd.clients_requesting_changes')
    try {
      const end = await feed.run(client)
      client.close(end === 'went away' ? GOING_AWAY : DONE)
    } finally {
      metrics.count('couchdb.httpd.clients_requesting_changes', -1)
    }
  } catch (error) {
    const known = knownError(error)
    const { code, reason } = closeOf(known)
    if (known.status >= 500) {
      exchange.backend.log.error('a WebSocket feed failed', {
        requestId: exchange.requestId,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    }
    client.close(code, reason)
  }
}

/** Undefined when the client goes, or the server stops, before there is one. Throws badRequest when none comes in time. */
function firstMessage(exchange: Exchange, client: WebSocket): Promise<Buffer | undefined> {
  const { stopping, limits } = exchange.service
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      stopping.removeEventListener('abort', onStop)
      client.off('close', onClose)
      settle()
    }
    const onClose = (): void => finish(() => resolve(undefined))
    const onStop = (): void => {
      client.close(GOING_AWAY)
      onClose()
    }
    const timer = setTimeout(
      () => finish(() => reject(new DatabaseError('badRequest', 'no options came'))),
      limits.feedTimeoutMs,
    )
    client.once('close', onClose)
    client.once('message', (data) => finish(() => resolve(bytesOf(data))))
    stopping.addEventListener('abort', onStop, { once: true })
    // What has happened already is not told again.
    if (stopping.aborted) onStop()
  })
}

function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)
}
