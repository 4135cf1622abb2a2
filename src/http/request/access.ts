import { DatabaseError } from '../../base/errors.ts'
import type { Exchange } from './exchange.ts'

/**
 * Who may call a route at all, decided before its method, parameters and body are looked at. What only some
 * documents or methods need (design documents, settings) is checked by the handlers. A `lister` is a member who sees all
 * documents: those of the system's databases are for administrators of the server alone. Figures of the server (`metrics`) are
 * also for those who have a role for nothing else.
 */
export type Access = 'open' | 'metrics' | 'server-admin' | 'member' | 'lister' | 'database-admin'

const SYSTEM_DATABASES = new Set(['_users', '_replicator'])

/**
 * Leases the database where the route has one. Throws, or rejects with, unauthorized, forbidden, noDatabase. The
 * promise is of a database that has to be opened first.
 */
export function authorize(exchange: Exchange, access: Access): Promise<void> | undefined {
  if (access === 'open') return undefined
  if (access === 'metrics') {
    requireMetrics(exchange)
    return undefined
  }
  if (access === 'server-admin') {
    requireServerAdmin(exchange)
    return undefined
  }
  const { database } = exchange.place
  if (database?.startsWith('_')) {
    if (access === 'lister' || !SYSTEM_DATABASES.has(database)) requireServerAdmin(exchange)
  }
  const opening = exchange.openDatabase()
  if (opening !== undefined) return opening.then(() => requireUse(exchange, access))
  requireUse(exchange, access)
  return undefined
}

/** Throws unauthorized or forbidden. */
function requireUse(exchange: Exchange, access: 'member' | 'lister' | 'database-admin'): void {
  if (access === 'database-admin') {
    if (exchange.isDatabaseAdmin) return
    throw new DatabaseError('unauthorized', 'You are not a server or db admin.')
  }
  if (exchange.isMember) return
  throw new DatabaseError(refusal(exchange))
}

/** Throws unauthorized. */
export function requireServerAdmin(exchange: Exchange): void {
  if (!exchange.isServerAdmin) throw new DatabaseError('unauthorized', 'You are not a server admin.')
}

/** The role of those who may read figures of the server. */
const METRICS_ROLE = '_metrics'

/** Throws unauthorized. */
function requireMetrics(exchange: Exchange): void {
  if (exchange.isServerAdmin || exchange.user.roles.includes(METRICS_ROLE)) return
  throw new DatabaseError('unauthorized', 'You are not a server admin or read-only metrics user')
}

/** For settings and design documents. Throws unauthorized or forbidden. */
export function requireDatabaseAdmin(exchange: Exchange): void {
  if (exchange.isDatabaseAdmin) return
  throw new DatabaseError(refusal(exchange), 'You are not a db or server admin.')
}

/** Somebody who has not signed in may try again as somebody else. */
function refusal(exchange: Exchange): 'unauthorized' | 'forbidden' {
  return exchange.user.name === null ? 'unauthorized' : 'forbidden'
}
