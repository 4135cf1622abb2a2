/**
 * What who may do: the one table of rights, by route and method, from which every route takes its rule, from which
 * docs/SECURITY.md is made and which a test tries cell by cell. A route has no other rule, and one that is not in the
 * table does not compile. The rules are those of CouchDB's `chttpd_auth_request` and `couch_db`.
 */

/**
 * From nobody in particular to the administrators of the server:
 * - `signed-in`: whoever has a name.
 * - `metrics`: the role `_metrics`, for those who read figures and nothing else.
 * - `member`: whom the database's `_security` lets in, everybody where it names no members.
 * - `insider`: a member, in databases of the server's own an administrator of the database.
 * - `lister`: a member, in databases of the server's own an administrator of the server.
 * - `writer`: a member; but design documents are for the administrators of the database.
 * - `settings`: an administrator of the database, among the members.
 * - `database-admin`: the same in the words of CouchDB's upkeep, which does not look for members first.
 */
export type Right =
  | 'open'
  | 'signed-in'
  | 'metrics'
  | 'member'
  | 'insider'
  | 'lister'
  | 'writer'
  | 'settings'
  | 'database-admin'
  | 'server-admin'

export interface Rule {
  /** Of all methods but those of `methods`: a right comes before the question whether there is such a method. */
  readonly right: Right
  readonly methods?: Readonly<Record<string, Right>>
  /** Of longer paths, by what they begin with behind the route's name, where `*` is any part. The first that fits counts. */
  readonly below?: Readonly<Record<string, Right>>
}

const MEMBER: Rule = { right: 'member' }
const INSIDER: Rule = { right: 'insider' }
const SERVER_ADMIN: Rule = { right: 'server-admin' }
const OPEN: Rule = { right: 'open' }
/** With more parts behind its name CouchDB takes it for none of its own open endpoints. */
const OPEN_WHEN_BARE: Rule = { right: 'open', below: { '*': 'server-admin' } }
const SETTING: Rule = { right: 'member', methods: { PUT: 'settings' } }
const DOCUMENT: Rule = {
  right: 'member',
  methods: { PUT: 'writer', POST: 'writer', PATCH: 'writer', DELETE: 'writer', COPY: 'writer' },
}

/** By the name of the route. */
export const RULES = {
  welcome: OPEN,
  _up: OPEN_WHEN_BARE,
  _uuids: OPEN_WHEN_BARE,
  _session: OPEN_WHEN_BARE,
  'favicon.ico': OPEN,
  _utils: OPEN,
  _dashboard: { right: 'open', below: { events: 'metrics', map: 'metrics' } },
  '_dashboard/api': OPEN,
  '_openapi.json': OPEN_WHEN_BARE,
  _replicate: { right: 'open', methods: { GET: 'signed-in', POST: 'signed-in' } },
  _all_dbs: SERVER_ADMIN,
  _dbs_info: SERVER_ADMIN,
  _db_updates: SERVER_ADMIN,
  _backup: SERVER_ADMIN,
  _active_tasks: SERVER_ADMIN,
  _node: {
    right: 'server-admin',
    below: { '*/_stats': 'metrics', '*/_system': 'metrics', '*/_prometheus': 'metrics' },
  },
  _membership: SERVER_ADMIN,
  _cluster_setup: SERVER_ADMIN,
  _scheduler: SERVER_ADMIN,
  _search_analyze: SERVER_ADMIN,
  _nouveau_analyze: SERVER_ADMIN,
  _reload_query_servers: SERVER_ADMIN,
  _reshard: SERVER_ADMIN,

  database: {
    right: 'member',
    methods: { PUT: 'server-admin', DELETE: 'server-admin', POST: 'writer' },
  },
  'db/_all_docs': { right: 'lister' },
  'db/_all_docs/queries': { right: 'lister' },
  'db/_changes': { right: 'lister' },
  'db/_design_docs': INSIDER,
  'db/_design_docs/queries': INSIDER,
  'db/_local_docs': INSIDER,
  'db/_local_docs/queries': INSIDER,
  'db/_partition': MEMBER,
  'db/_bulk_get': MEMBER,
  'db/_bulk_docs': { right: 'member', methods: { POST: 'writer' } },
  'db/_revs_diff': MEMBER,
  'db/_missing_revs': MEMBER,
  'db/_security': SETTING,
  'db/_revs_limit': SETTING,
  'db/_purged_infos_limit': { right: 'member', methods: { PUT: 'server-admin' } },
  'db/_purged_infos': INSIDER,
  'db/_purge': SERVER_ADMIN,
  'db/_ensure_full_commit': MEMBER,
  'db/_compact': { right: 'database-admin' },
  'db/_view_cleanup': { right: 'database-admin' },
  'db/_auto_purge': MEMBER,
  'db/_temp_view': MEMBER,
  'db/_find': INSIDER,
  'db/_explain': INSIDER,
  'db/_index': { right: 'insider', methods: { POST: 'writer', DELETE: 'writer' } },
  'db/_shards': MEMBER,
  'db/_sync_shards': MEMBER,
  'db/_search_cleanup': MEMBER,
  'db/_nouveau_cleanup': MEMBER,

  'db/document': DOCUMENT,
  'db/attachment': DOCUMENT,
  'db/local': DOCUMENT,
  'db/local-nameless': MEMBER,
  'db/local-attachment': MEMBER,
  'db/design-redirect': MEMBER,

  'design/_show': MEMBER,
  'design/_list': MEMBER,
  'design/_update': DOCUMENT,
  'design/_rewrite': MEMBER,
  'design/_info': MEMBER,
  'design/_view': MEMBER,
  'design/_search': MEMBER,
  'design/_search_info': MEMBER,
  'design/_search_disk_size': MEMBER,
  'design/_nouveau': MEMBER,
  'design/_nouveau_info': MEMBER,
  'design/_geo': MEMBER,
  'design/_geo_info': MEMBER,
} as const satisfies Readonly<Record<string, Rule>>

export type RouteName = keyof typeof RULES

type DatabaseRoute = Extract<RouteName, 'database' | `db/${string}` | `design/${string}`>

const REFUSED: readonly string[] = []

/**
 * Of a database with channels, the methods that have an answer for who sees his channels alone. Everything else is refused
 * him, and a route that is not in the table does not compile.
 */
export const CHANNEL_ANSWERS: Readonly<Record<DatabaseRoute, readonly string[]>> = {
  database: ['GET', 'POST'],
  'db/_all_docs': ['GET', 'POST'],
  'db/_all_docs/queries': ['POST'],
  'db/_changes': ['GET', 'POST'],
  'db/_design_docs': REFUSED,
  'db/_design_docs/queries': REFUSED,
  'db/_local_docs': REFUSED,
  'db/_local_docs/queries': REFUSED,
  'db/_partition': REFUSED,
  'db/_bulk_get': ['POST'],
  'db/_bulk_docs': ['POST'],
  'db/_revs_diff': ['POST'],
  'db/_missing_revs': ['POST'],
  'db/_security': REFUSED,
  'db/_revs_limit': REFUSED,
  'db/_purged_infos_limit': REFUSED,
  'db/_purged_infos': REFUSED,
  'db/_purge': REFUSED,
  'db/_ensure_full_commit': ['POST'],
  'db/_compact': REFUSED,
  'db/_view_cleanup': REFUSED,
  'db/_auto_purge': REFUSED,
  'db/_temp_view': REFUSED,
  'db/_find': ['POST'],
  'db/_explain': ['POST'],
  'db/_index': REFUSED,
  'db/_shards': REFUSED,
  'db/_sync_shards': REFUSED,
  'db/_search_cleanup': REFUSED,
  'db/_nouveau_cleanup': REFUSED,
  'db/document': ['GET', 'PUT', 'DELETE'],
  'db/attachment': ['GET', 'PUT', 'DELETE'],
  'db/local': ['GET', 'PUT', 'DELETE'],
  'db/local-nameless': REFUSED,
  'db/local-attachment': REFUSED,
  'db/design-redirect': REFUSED,
  'design/_show': REFUSED,
  'design/_list': REFUSED,
  'design/_update': REFUSED,
  'design/_rewrite': REFUSED,
  'design/_info': REFUSED,
  'design/_view': REFUSED,
  'design/_search': REFUSED,
  'design/_search_info': REFUSED,
  'design/_search_disk_size': REFUSED,
  'design/_nouveau': REFUSED,
  'design/_nouveau_info': REFUSED,
  'design/_geo': REFUSED,
  'design/_geo_info': REFUSED,
}

/** Whether the route has an answer for who sees his channels alone. `method` of HEAD is GET. */
export function answersByChannels(route: RouteName, method: string): boolean {
  return Object.hasOwn(CHANNEL_ANSWERS, route) && CHANNEL_ANSWERS[route as DatabaseRoute].includes(method)
}

/** `rest` is what is behind the route's name in the path. */
export function rightOf(route: RouteName, method: string, rest: readonly string[]): Right {
  const { right, methods, below }: Rule = RULES[route]
  if (below !== undefined && rest.length > 0) {
    for (const beginning of Object.keys(below)) if (fits(beginning, rest)) return below[beginning]!
  }
  return methods !== undefined && Object.hasOwn(methods, method) ? methods[method]! : right
}

function fits(beginning: string, rest: readonly string[]): boolean {
  return beginning.split('/').every((part, at) => at < rest.length && (part === '*' || part === rest[at]))
}
