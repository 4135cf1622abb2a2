/**
 * One line for each request, when it is over, at the level of CouchDB; one that took longer than `[log] slow_request_ms` has
 * a line of a higher level instead. Where the level is not logged nothing is made for it. What a line has of the request is
 * its head's, secrets masked, and never of its body.
 */
import type { Exchange } from '../request/exchange.ts'
import { maskedTarget } from './masked-target.ts'

const REQUEST_LEVEL = 'notice'
const SLOW_LEVEL = 'warning'

/** The request is over. */
export function logRequest(exchange: Exchange, durationMs: number): void {
  const { log } = exchange.backend
  const { slowRequestMs } = exchange.limits
  const isSlow = slowRequestMs > 0 && durationMs >= slowRequestMs && !isFeed(exchange)
  const level = isSlow ? SLOW_LEVEL : REQUEST_LEVEL
  if (!log.enabled(level)) return
  log[level](isSlow ? 'slow request' : 'request', fieldsOf(exchange, durationMs))
}

function fieldsOf(exchange: Exchange, durationMs: number) {
  const { request, response } = exchange
  return {
    requestId: exchange.requestId,
    // Those of Unix sockets have none.
    peer: request.socket.remoteAddress ?? null,
    user: exchange.user.name,
    method: request.method,
    target: maskedTarget(exchange.rawTarget),
    status: response.statusCode,
    // The answer did not go out as a whole: the client has gone, or it was broken off.
    aborted: response.destroyed && !response.writableFinished ? true : undefined,
    bytesIn: exchange.receivedBytes,
    bytesOut: exchange.sentBytes,
    durationMs: Math.round(durationMs * 1000) / 1000,
  }
}

/** What lasts as long as its client wants it to. */
export function isFeed({ place, query }: Exchange): boolean {
  if (place.route === '_dashboard') return place.rest[0] === 'events'
  if (place.route !== 'db/_changes' && place.route !== '_db_updates') return false
  return !['normal', undefined].includes(query.get('feed'))
}
