/** How a request is let in, whether it becomes an answer or a WebSocket, and what it is told where it is not. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describeError } from '../../base/log.ts'
import { errorName, GatewayError, knownFailure } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Answer } from './answer.ts'
import { Exchange } from './exchange.ts'
import type { Route } from './routes.ts'
import { signIn } from './sign-in.ts'

export const SERVER_TOKEN = 'Couchbase Sync Gateway/1.5.1'
export function exchangeOf(
  gateway: Gateway,
  isAdmin: boolean,
  request: IncomingMessage,
  response: ServerResponse,
  gone: AbortSignal,
): Exchange {
  const at = request.url!.indexOf('?')
  const query = new URLSearchParams(at < 0 ? '' : request.url!.slice(at + 1))
  const hold = gateway.bodies.hold(request.socket.remoteAddress ?? '', request)
  return new Exchange({ gateway, request, response, isAdmin, query, hold, gone })
}

export function pathOf(request: IncomingMessage): string {
  return request.url!.split('?', 1)[0]!
}

/** Finds the database and the user. Rejects with 400, 401, 404, 503. */
export async function admit(exchange: Exchange, route: Route): Promise<void> {
  const { gateway, isAdmin, method } = exchange
  const isFree =
    route.access === 'free' || (method === 'PUT' && exchange.params.length === 1 && isDatabasePut(route))
  if (isFree) return
  exchange.database = gateway.database(exchange.param(0))
  if (!isAdmin && route.access !== 'unsigned') await signIn(exchange, { isOpen: route.access === 'open' })
  const isStatus = route.isAlways && (method === 'GET' || method === 'HEAD' || isAdmin)
  if (!exchange.database.isOnline && !isStatus)
    throw new GatewayError(503, 'DB is currently under maintenance')
  if (!isAdmin && !isStatus) exchange.visit = exchange.database.visits.enter(() => exchange.request.destroy())
}

/** `PUT /{db}/`, of a database that need not be there. */
function isDatabasePut(route: Route): boolean {
  return route.isAlways && 'POST' in route.methods && 'PUT' in route.methods
}

export function errorAnswer(status: number, reason: string, headers: Record<string, string>): Answer {
  const body = `${JSON.stringify({ error: errorName(status), reason })}\n`
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body }
}

/** What a request that failed is answered with. What the client has no part in is logged. */
export function failed({ gateway, request }: Exchange, error: unknown): Answer {
  const known = knownFailure(error)
  if (known === undefined || known.status >= 500) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const cause = error instanceof Error && error.cause !== undefined ? describeError(error.cause) : undefined
    gateway.log.info('a request to the gateway failed', {
      method: request.method,
      path: pathOf(request),
      error: text,
      cause,
    })
  }
  if (known === undefined) return errorAnswer(500, 'Internal error', {})
  return errorAnswer(known.status, known.reason, { ...known.headers })
}
