/**
 * From the parts of a path to the name of a route. CouchDB decides by position and by names that begin with
 * an underscore, after splitting and before decoding; a router that matches decoded patterns would take
 * `a%2Fb` for two parts, refuse `%FF`, and limit the length of ids. So the request's target is resolved here,
 * and the framework's router is given the fixed name that results (`rewriteUrl`).
 */
export interface Place {
  /** The name under which a route is registered. */
  route: string
  /** Decoded; undefined on the server's own endpoints. */
  database?: string | undefined
  /** A document's id, its `_design/` or `_local/` included. */
  id?: string | undefined
  /** What follows the document's id or the endpoint's name, decoded. */
  rest: readonly string[]
}

/** Routes of the server by their first part. The others that begin with `_` are names of databases. */
const SERVER_ENDPOINTS = new Set([
  '_active_tasks',
  '_all_dbs',
  '_backup',
  '_cluster_setup',
  '_db_updates',
  '_dbs_info',
  '_membership',
  '_node',
  '_replicate',
  '_reshard',
  '_scheduler',
  '_search_analyze',
  '_session',
  '_up',
  '_utils',
  '_uuids',
  'favicon.ico',
])

/** Endpoints of the server that stand alone: with more parts behind them they are names of databases. */
const LONE_ENDPOINTS = new Set(['_db_updates'])

/** Endpoints of a database that stand alone: with more parts behind them they are documents' names. */
const DATABASE_ENDPOINTS = new Set([
  '_all_docs',
  '_bulk_docs',
  '_bulk_get',
  '_design_docs',
  '_ensure_full_commit',
  '_local_docs',
  '_missing_revs',
  '_purge',
  '_purged_infos',
  '_purged_infos_limit',
  '_revs_diff',
  '_revs_limit',
  '_security',
])

/** Endpoints of a database that own everything behind them. */
const DATABASE_TREES = new Set([
  '_auto_purge',
  '_changes',
  '_compact',
  '_explain',
  '_find',
  '_index',
  '_nouveau_cleanup',
  '_partition',
  '_search_cleanup',
  '_shards',
  '_sync_shards',
  '_temp_view',
  '_view_cleanup',
])

const LISTINGS = new Set(['_all_docs', '_design_docs', '_local_docs'])

const NOTHING: readonly string[] = []

/** `method` matters only where CouchDB looks at it: redirects of escaped design documents. */
export function resolve(method: string, segments: readonly string[]): Place {
  const database = segments[0]
  if (database === undefined) return { route: 'welcome', rest: NOTHING }
  if (database === '_backup' && segments.length > 1) {
    return { route: database, database: segments[1], rest: segments.slice(2) }
  }
  const isEndpoint =
    SERVER_ENDPOINTS.has(database) && (segments.length === 1 || !LONE_ENDPOINTS.has(database))
  if (isEndpoint) return { route: database, rest: segments.slice(1) }
  const second = segments[1]
  if (second === undefined) return { route: 'database', database, rest: NOTHING }
  return resolveInside(method, database, second, segments.length === 2 ? NOTHING : segments.slice(2))
}

function resolveInside(method: string, database: string, second: string, rest: readonly string[]): Place {
  if (second.startsWith('_')) {
    if (DATABASE_TREES.has(second)) return { route: `db/${second}`, database, rest }
    if (rest.length === 0 && DATABASE_ENDPOINTS.has(second)) return { route: `db/${second}`, database, rest }
    if (rest.length === 1 && rest[0] === 'queries' && LISTINGS.has(second)) {
      return { route: `db/${second}/queries`, database, rest }
    }
    if (second === '_design' && rest.length > 0) return resolveDesign(database, rest)
    if (second === '_local' || second === '_local/') return resolveLocal(database, second, rest)
    if (second.startsWith('_design/') && method === 'GET')
      return { route: 'db/design-redirect', database, rest }
    if (second.startsWith('_local/') && rest.length === 0) {
      return { route: 'db/local', database, id: second, rest }
    }
  }
  return { route: rest.length === 0 ? 'db/document' : 'db/attachment', database, id: second, rest }
}

function resolveDesign(database: string, parts: readonly string[]): Place {
  const id = `_design/${parts[0]}`
  const rest = parts.slice(1)
  if (rest.length === 0) return { route: 'db/document', database, id, rest }
  const route = rest[0]!.startsWith('_') ? 'db/design-function' : 'db/attachment'
  return { route, database, id, rest }
}

function resolveLocal(database: string, second: string, rest: readonly string[]): Place {
  if (second === '_local/' || rest.length === 0) return { route: 'db/local-nameless', database, rest }
  if (rest.length === 1) return { route: 'db/local', database, id: `_local/${rest[0]}`, rest: NOTHING }
  return { route: 'db/local-attachment', database, rest }
}
