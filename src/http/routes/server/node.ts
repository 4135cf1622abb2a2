import { DatabaseError } from '../../../base/errors.ts'
import { isDatabaseName } from '../../../server/database-name.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { isTrue, readJson } from '../../request/parameters.ts'
import { parseViewParameters } from '../../request/view-parameters.ts'
import type { Resource } from '../resource.ts'
import { configuration } from './configuration.ts'

const CLUSTER_ACTIONS = new Set<unknown>([
  'add_node',
  'enable_cluster',
  'enable_single_node',
  'finish_cluster',
  'receive_cookie',
  'remove_node',
  'sync_admin',
])

/** A cluster of one node. */
const NODE = 'nonode@nohost'

function membership(): Answer {
  return json(200, { all_nodes: [NODE], cluster_nodes: [NODE] })
}

/** With `history=true` those that have ended, the last first. */
async function activeTasks(exchange: Exchange): Promise<Answer> {
  const { tasks } = exchange.backend
  return json(200, await (isTrue(exchange.query.get('history')) ? tasks.history() : tasks.list()))
}

/** `/_active_tasks/{pid}`: asks the task to end. */
async function cancelTask(exchange: Exchange): Promise<Answer> {
  const [pid] = exchange.place.rest
  if (pid === undefined) {
    throw new DatabaseError('methodNotAllowed', 'Only GET,HEAD allowed', { headers: { allow: 'GET,HEAD' } })
  }
  if (!(await exchange.backend.tasks.cancel(pid))) throw new DatabaseError('missing')
  return ok(202)
}

/** A single node is enabled as soon as the databases exist that the client wants to exist. */
async function clusterSetup(exchange: Exchange): Promise<Answer> {
  const text = exchange.query.get('ensure_dbs_exist')
  const wanted = text === undefined ? [] : readJson(text)
  const names = Array.isArray(wanted) ? wanted : []
  const { databases } = exchange.backend
  const found = await Promise.all(names.map((name) => databases.has(String(name))))
  const complete = found.every(Boolean)
  return json(200, { state: complete ? 'single_node_enabled' : 'single_node_disabled' })
}

async function setUpCluster(exchange: Exchange): Promise<never> {
  const { action } = await exchange.jsonObject()
  if (!CLUSTER_ACTIONS.has(action)) throw new DatabaseError('badRequest', "Invalid Action'")
  throw new DatabaseError('notImplemented', 'clusters are not implemented')
}

function node(exchange: Exchange): Answer | Promise<Answer> {
  const [name, section, ...path] = exchange.place.rest
  if (name !== '_local' && name !== NODE) {
    if (name === undefined) throw new DatabaseError('badRequest', 'Incomplete path to _node request')
    throw new DatabaseError('missing', `no such node: ${name}`)
  }
  if (section === undefined) return json(200, { name: NODE })
  if (section === '_versions') {
    return json(200, { davenport: exchange.service.options.version, node: process.version })
  }
  if (section === '_config') return configuration(exchange, path)
  if (NODE_SECTIONS.has(section)) throw new DatabaseError('notImplemented', `${section} is not implemented`)
  // CouchDB takes the rest for a path of the node's own interface, and so for a database.
  if (isDatabaseName(section)) throw new DatabaseError('noDatabase')
  throw new DatabaseError(
    'illegalDatabaseName',
    `Name: '${section}'. Only lowercase characters (a-z), digits (0-9), and any of the characters ` +
      '_, $, (, ), +, -, and / are allowed. Must begin with a letter.',
  )
}

const NODE_SECTIONS = new Set(['_prometheus', '_restart', '_smoosh', '_stats', '_system'])

/** Nothing replicates, so nothing is scheduled: the lists are empty, and every document of them is missing. */
function scheduler(exchange: Exchange): Answer {
  const [list, ...path] = exchange.place.rest
  if (list !== 'jobs' && list !== 'docs') return json(404, { error: 'not found' })
  if (path.length > 0) {
    const known = list === 'jobs' || path[0]!.endsWith('_replicator')
    throw known ? new DatabaseError('missing') : new DatabaseError('badRequest', 'Invalid path')
  }
  parseViewParameters(exchange.query)
  return json(200, { total_rows: 0, offset: 0, [list]: [] })
}

function searchAnalyze(): never {
  throw new DatabaseError('serviceUnavailable', 'Search is not available')
}

export const nodeResources: Resource[] = [
  {
    route: '_membership',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: membership },
  },
  {
    route: '_active_tasks',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: activeTasks, DELETE: cancelTask },
  },
  {
    route: '_cluster_setup',
    endpoint: 'owns-rest',
    allow: 'GET,POST',
    methods: { GET: clusterSetup, POST: setUpCluster },
  },
  {
    route: '_scheduler',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: scheduler },
  },
  {
    route: '_search_analyze',
    endpoint: 'owns-rest',
    allow: 'POST',
    methods: { POST: searchAnalyze },
  },
  {
    route: '_node',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: node, PUT: node, POST: node, DELETE: node },
  },
]
