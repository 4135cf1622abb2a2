import { isDatabaseAdmin, isMember, parseSecurity } from '../../auth/security.ts'
import { isServerAdmin, METRICS_ROLE, type UserCtx } from '../../auth/user.ts'
import { DatabaseError } from '../../base/errors.ts'
import { channelRefusal } from '../../channels/channelled-database.ts'
import type { Database } from '../../database/api/database.ts'
import { databaseAdminRefusal } from '../../writing/document-writer.ts'
import { requireSameUser } from './authentication.ts'
import type { Exchange } from './exchange.ts'
import { answersByChannels, type Right, type RouteName } from './rights.ts'

/** Whom `_security` lets in there; the other names with an underscore are for administrators of the server. */
const SYSTEM_DATABASES = new Set(['_users', '_replicator'])

/**
 * Leases the database where the right is one of a database. Throws, or rejects with, unauthorized, forbidden, noDatabase. The
 * promise is of a database that has to be opened first.
 */
export function authorize(exchange: Exchange, right: Right): Promise<void> | undefined {
  exchange.right = right
  switch (right) {
    case 'open':
      return undefined
    case 'signed-in':
      requireName(exchange)
      return undefined
    case 'metrics':
      requireMetrics(exchange)
      return undefined
    case 'server-admin':
      if (!isOpened(exchange)) requireServerAdmin(exchange)
      return undefined
  }
  const { database } = exchange.place
  if (database?.startsWith('_')) {
    if (right === 'lister' || !SYSTEM_DATABASES.has(database)) requireServerAdmin(exchange)
  }
  const opening = exchange.openDatabase()
  const use = (): Promise<void> | undefined => {
    requireUse(exchange, right)
    const found = exchange.lookUpChannels()
    if (!readsMany(exchange)) return found
    return found === undefined ? exchange.settleDatabase() : found.then(() => exchange.settleDatabase())
  }
  return opening === undefined ? use() : opening.then(use)
}

/** The rights of those who read; what answers a write is not kept back. */
const READERS: ReadonlySet<Right> = new Set<Right>(['member', 'insider', 'lister', 'server-admin'])

/**
 * For an answer that is read piece by piece, as its client takes it: what was read of it now may have been written since it was asked
 * for. Throws, or rejects with, unauthorized or forbidden for whom `_security` names no more, and as `requireSameUser`. A feed
 * that waits has no database, and asks by itself when it goes on.
 */
export function requireStillReader({ innermost: exchange }: Exchange): Promise<void> | undefined {
  const { right, hasLease, place } = exchange
  if (!READERS.has(right)) return
  if (right === 'server-admin')
    return place.route === '_db_updates' ? undefined : requireSameUser(exchange, { anyAge: true })
  if (!hasLease) return
  try {
    requireUse(exchange, right as DatabaseRight)
  } catch (error) {
    // What was read before the database was closed may be sent.
    if (error instanceof DatabaseError && (error.status === 401 || error.status === 403)) throw error
  }
  return requireSameUser(exchange, { anyAge: true })
}

/**
 * When the time is over that a client took for his body, or this server for a function: what comes of the request then is for who
 * still may ask for it. Throws, or rejects with, unauthorized or forbidden, and noDatabase. A token that was valid at the start counts.
 */
export function requireStillAllowed(exchange: Exchange): Promise<void> | undefined {
  const { right } = exchange
  if (right === 'open') return undefined
  if (!exchange.hasLease) return requireSameUser(exchange, { anyAge: true })
  return stillAllowedIn(exchange, right)
}

async function stillAllowedIn(exchange: Exchange, right: Right): Promise<void> {
  await exchange.learnRules()
  if (right !== 'server-admin') requireUse(exchange, right as DatabaseRight)
  await requireSameUser(exchange, { anyAge: true })
}

/**
 * The same of who writes to `database`, be it under another lease than the request's. `hasDesigns`: design documents are among
 * what he writes.
 */
export async function requireStillWriter(
  exchange: Exchange,
  database: Pick<Database, 'security'>,
  hasDesigns: boolean,
): Promise<void> {
  const { user, isServerAdmin } = exchange
  await exchange.learnRules()
  if (!isServerAdmin) {
    const security = parseSecurity(database.security())
    if (!isMember(user, security)) throw new DatabaseError(refusal(exchange))
    if (hasDesigns && !isDatabaseAdmin(user, security)) throw databaseAdminRefusal(user)
  }
  await requireSameUser(exchange, { anyAge: true })
}

const DATABASE_LISTS: ReadonlySet<string> = new Set<RouteName>(['_all_dbs', '_dbs_info'])

/** Whether a setting gives everybody what else administrators of the server have. */
function isOpened({ limits, place }: Exchange): boolean {
  return DATABASE_LISTS.has(place.route) && !limits.databasesForAdminsAlone
}

/** Routes that read more than the documents that they name. */
const OF_MANY: ReadonlySet<string> = new Set<RouteName>([
  'db/_all_docs',
  'db/_all_docs/queries',
  'db/_changes',
  'db/_design_docs',
  'db/_design_docs/queries',
  'db/_local_docs',
  'db/_local_docs/queries',
  'db/_partition',
  'db/_purged_infos',
  'db/_find',
  'db/_explain',
  'db/_index',
  'design/_show',
  'design/_list',
  'design/_update',
  'design/_rewrite',
  'design/_info',
  'design/_view',
])

function readsMany({ place, method }: Exchange): boolean {
  return OF_MANY.has(place.route) || (place.route === 'database' && method !== 'POST')
}

type DatabaseRight = Exclude<Right, 'open' | 'signed-in' | 'metrics' | 'server-admin'>

/** Throws unauthorized or forbidden. */
function requireUse(exchange: Exchange, right: DatabaseRight): void {
  if (right === 'database-admin') {
    if (exchange.isDatabaseAdmin) return
    throw new DatabaseError('unauthorized', 'You are not a server or db admin.')
  }
  if (!exchange.isMember) throw new DatabaseError(refusal(exchange))
  requireChannelAnswer(exchange)
  const isOfServer = right === 'insider' && exchange.place.database?.startsWith('_') === true
  if (right === 'settings' || isOfServer) requireDatabaseAdmin(exchange)
}

/** Who sees his channels alone is answered where the route has an answer for him. Throws forbidden. */
function requireChannelAnswer(exchange: Exchange): void {
  if (!exchange.isChannelled) return
  if (answersByChannels(exchange.place.route as RouteName, exchange.method)) return
  throw channelRefusal()
}

/** Throws unauthorized. */
function requireName(exchange: Exchange): void {
  if (exchange.user.name !== null || exchange.isServerAdmin) return
  throw new DatabaseError('unauthorized', 'You are not an authenticated user')
}

/** Whether it is somebody who reads figures. */
export function mayReadMetrics(user: UserCtx): boolean {
  return isServerAdmin(user) || user.roles.includes(METRICS_ROLE)
}

/** Throws unauthorized. */
function requireMetrics(exchange: Exchange): void {
  if (mayReadMetrics(exchange.user)) return
  throw new DatabaseError('unauthorized', 'You are not a server admin or read-only metrics user')
}

/** Throws unauthorized. */
export function requireServerAdmin(exchange: Exchange): void {
  if (!exchange.isServerAdmin) throw new DatabaseError('unauthorized', 'You are not a server admin.')
}

/** For settings and design documents. Throws unauthorized or forbidden. */
export function requireDatabaseAdmin(exchange: Exchange): void {
  if (!exchange.isDatabaseAdmin) throw databaseAdminRefusal(exchange.user)
}

/** Somebody who has not signed in may try again as somebody else. */
function refusal(exchange: Exchange): 'unauthorized' | 'forbidden' {
  return exchange.user.name === null ? 'unauthorized' : 'forbidden'
}
