import type { Authentication, RenewalOptions } from '../../auth/authenticator.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { Exchange } from './exchange.ts'

/**
 * Finds out who asks. Throws, or rejects with, unauthorized for wrong credentials. The promise is of somebody whose credentials have
 * to be verified first.
 */
export function authenticate(exchange: Exchange): Promise<void> | undefined {
  const { headers, socket } = exchange.request
  const { authenticator, metrics } = exchange.backend
  const known = authenticator.recall(headers, socket.remoteAddress ?? '')
  if (known !== undefined) {
    if (headers.authorization !== undefined) metrics.count('couchdb.auth_cache_hits')
    recognise(exchange, known)
    return undefined
  }
  if (headers.authorization !== undefined) metrics.count('couchdb.auth_cache_misses')
  const tolerant = exchange.place.route === 'welcome'
  const { caller, isSecure } = exchange
  const asking = authenticator.authenticate(headers, { tolerant, caller, isSecure })
  return asking.then((found) => recognise(exchange, found))
}

/**
 * Before a request that goes on shows anything new: its user is still let in, and has the roles that he had. Throws, or rejects with,
 * unauthorized, and what keeps that from being found out.
 */
export function requireSameUser(exchange: Exchange, options: RenewalOptions = {}): Promise<void> | undefined {
  const { authentication, backend, request, caller } = exchange
  const renewed = backend.authenticator.renewed(request.headers, authentication!, caller, options)
  if (renewed instanceof Promise) return renewed.then((found) => stay(exchange, found))
  stay(exchange, renewed)
  return undefined
}

function stay(exchange: Exchange, renewed: Authentication | undefined): void {
  if (renewed === undefined) throw new DatabaseError('unauthorized', 'You are not signed in any more.')
  exchange.authentication = renewed
  if (renewed.handler === undefined) requireSomebody(exchange)
}

function recognise(exchange: Exchange, known: Authentication): void {
  exchange.user = known.user
  exchange.authentication = known
  if (known.handler === undefined) requireSomebody(exchange)
}

/** Where only those who have signed in are served, others may sign in. Throws unauthorized. */
function requireSomebody({ limits, place, method }: Exchange): void {
  const { requireValidUser, requireValidUserExceptForUp } = limits
  if (!requireValidUser && !requireValidUserExceptForUp) return
  if (place.route === '_session' && method === 'POST') return
  if (requireValidUserExceptForUp && place.route === '_up') return
  throw new DatabaseError('unauthorized', 'Authentication required.')
}
