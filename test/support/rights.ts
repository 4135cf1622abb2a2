/** What docs/SECURITY.md says of rights, and what the test of every cell expects: written down apart from the code that decides. */
import { type Right, type RouteName, RULES, type Rule, rightOf } from '../../src/http/request/rights.ts'
import { resources } from '../../src/http/routes/index.ts'

/** Who asks, from the database's point of view. */
export type Kind = 'anybody' | 'user' | 'metrics' | 'member' | 'databaseAdmin' | 'serverAdmin'

export const KINDS: readonly Kind[] = ['anybody', 'user', 'metrics', 'member', 'databaseAdmin', 'serverAdmin']

const ALL: readonly Kind[] = KINDS
const INSIDE: readonly Kind[] = ['member', 'databaseAdmin', 'serverAdmin']

/** Whom a right lets do what it is the right to; the second is what it means in the server's own databases. */
export const HOLDERS: Readonly<Record<Right, { usual: readonly Kind[]; system: readonly Kind[] }>> = {
  open: same(ALL),
  'signed-in': same(ALL.filter((kind) => kind !== 'anybody')),
  metrics: same(['metrics', 'serverAdmin']),
  member: same(INSIDE),
  writer: same(INSIDE),
  insider: { usual: INSIDE, system: ['databaseAdmin', 'serverAdmin'] },
  lister: { usual: INSIDE, system: ['serverAdmin'] },
  settings: same(['databaseAdmin', 'serverAdmin']),
  'database-admin': same(['databaseAdmin', 'serverAdmin']),
  'server-admin': same(['serverAdmin']),
}

function same(kinds: readonly Kind[]): { usual: readonly Kind[]; system: readonly Kind[] } {
  return { usual: kinds, system: kinds }
}

/** A path of each route, in which `DB` stands for a database. */
export const PATHS: Readonly<Record<RouteName, string>> = {
  welcome: '/',
  _up: '/_up',
  _uuids: '/_uuids',
  _session: '/_session',
  'favicon.ico': '/favicon.ico',
  _utils: '/_utils/',
  _dashboard: '/_dashboard/',
  '_dashboard/api': '/_dashboard/api/',
  '_openapi.json': '/_openapi.json',
  _replicate: '/_replicate',
  _all_dbs: '/_all_dbs',
  _dbs_info: '/_dbs_info',
  _db_updates: '/_db_updates',
  _backup: '/_backup/DB',
  _active_tasks: '/_active_tasks',
  _node: '/_node/_local',
  _membership: '/_membership',
  _cluster_setup: '/_cluster_setup',
  _scheduler: '/_scheduler/jobs',
  _search_analyze: '/_search_analyze',
  _nouveau_analyze: '/_nouveau_analyze',
  _reload_query_servers: '/_reload_query_servers',
  _reshard: '/_reshard',
  database: '/DB',
  'db/_all_docs': '/DB/_all_docs',
  'db/_all_docs/queries': '/DB/_all_docs/queries',
  'db/_changes': '/DB/_changes',
  'db/_design_docs': '/DB/_design_docs',
  'db/_design_docs/queries': '/DB/_design_docs/queries',
  'db/_local_docs': '/DB/_local_docs',
  'db/_local_docs/queries': '/DB/_local_docs/queries',
  'db/_partition': '/DB/_partition/p',
  'db/_bulk_get': '/DB/_bulk_get',
  'db/_bulk_docs': '/DB/_bulk_docs',
  'db/_revs_diff': '/DB/_revs_diff',
  'db/_missing_revs': '/DB/_missing_revs',
  'db/_security': '/DB/_security',
  'db/_revs_limit': '/DB/_revs_limit',
  'db/_purged_infos_limit': '/DB/_purged_infos_limit',
  'db/_purged_infos': '/DB/_purged_infos',
  'db/_purge': '/DB/_purge',
  'db/_ensure_full_commit': '/DB/_ensure_full_commit',
  'db/_compact': '/DB/_compact',
  'db/_view_cleanup': '/DB/_view_cleanup',
  'db/_auto_purge': '/DB/_auto_purge',
  'db/_temp_view': '/DB/_temp_view',
  'db/_find': '/DB/_find',
  'db/_explain': '/DB/_explain',
  'db/_index': '/DB/_index',
  'db/_shards': '/DB/_shards',
  'db/_sync_shards': '/DB/_sync_shards',
  'db/_search_cleanup': '/DB/_search_cleanup',
  'db/_nouveau_cleanup': '/DB/_nouveau_cleanup',
  'db/document': '/DB/doc',
  'db/attachment': '/DB/doc/attachment',
  'db/local': '/DB/_local/doc',
  'db/local-nameless': '/DB/_local',
  'db/local-attachment': '/DB/_local/doc/attachment',
  'db/design-redirect': '/DB/_design%2Fdoc',
  'design/_show': '/DB/_design/doc/_show/name',
  'design/_list': '/DB/_design/doc/_list/name',
  'design/_update': '/DB/_design/doc/_update/name',
  'design/_rewrite': '/DB/_design/doc/_rewrite/name',
  'design/_info': '/DB/_design/doc/_info',
  'design/_view': '/DB/_design/doc/_view/name',
  'design/_search': '/DB/_design/doc/_search/name',
  'design/_search_info': '/DB/_design/doc/_search_info/name',
  'design/_search_disk_size': '/DB/_design/doc/_search_disk_size/name',
  'design/_nouveau': '/DB/_design/doc/_nouveau/name',
  'design/_nouveau_info': '/DB/_design/doc/_nouveau_info/name',
  'design/_geo': '/DB/_design/doc/_geo/name',
  'design/_geo_info': '/DB/_design/doc/_geo_info/name',
}

/** One line of the table: methods of a path that need the same right. */
export interface Line {
  readonly route: RouteName
  /** As a request has it, `DB` for a database. */
  readonly path: string
  /** None where what is below a route has a rule for all of them. */
  readonly methods: readonly string[]
  readonly right: Right
}

/** Every rule there is. */
export function lines(): Line[] {
  return resources.flatMap(({ route, methods }) => {
    const path = PATHS[route]
    const byRight = new Map<Right, string[]>()
    for (const method of Object.keys(methods)) {
      const right = rightOf(route, method, [])
      byRight.set(right, [...(byRight.get(right) ?? []), method])
    }
    const own = [...byRight].map(([right, names]): Line => ({ route, path, methods: names, right }))
    return [...own, ...linesBelow(route, Object.keys(methods))]
  })
}

function linesBelow(route: RouteName, methods: readonly string[]): Line[] {
  const { below = {} }: Rule = RULES[route]
  return Object.entries(below).map(([beginning, right]): Line => {
    const named = beginning.replaceAll('*', route === '_node' ? '_local' : 'more')
    // The stream of events has no end: what is below it is not there.
    const rest = named === 'events' ? `${named}/more` : named
    return { route, path: `/${route}/${rest}`, methods, right }
  })
}
