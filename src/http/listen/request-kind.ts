import type { RequestKind } from '../../base/request-kinds.ts'
import type { RouteName } from '../request/rights.ts'

/** By route; of those that read and write, what writes is a kind of its own. */
const KINDS: Readonly<Partial<Record<RouteName, RequestKind>>> = {
  'db/document': 'read',
  'db/local': 'read',
  'db/attachment': 'attachment',
  'db/local-attachment': 'attachment',
  'db/_bulk_docs': 'bulk',
  'db/_bulk_get': 'bulk',
  'db/_revs_diff': 'bulk',
  'db/_missing_revs': 'bulk',
  'db/_purge': 'bulk',
  'db/_all_docs': 'list',
  'db/_all_docs/queries': 'list',
  'db/_design_docs': 'list',
  'db/_design_docs/queries': 'list',
  'db/_local_docs': 'list',
  'db/_local_docs/queries': 'list',
  'db/_changes': 'changes',
  _db_updates: 'changes',
  'design/_view': 'view',
  'design/_list': 'view',
  'db/_find': 'find',
  'db/_explain': 'find',
}
const BY_ROUTE = new Map<string, RequestKind>(Object.entries(KINDS))

/** `method` as it is handled: HEAD is GET. */
export function kindOf(route: string, method: string): RequestKind {
  // Documents come without a name too.
  if (route === 'database') return method === 'POST' ? 'write' : 'other'
  const kind = BY_ROUTE.get(route) ?? 'other'
  return kind === 'read' && method !== 'GET' ? 'write' : kind
}
