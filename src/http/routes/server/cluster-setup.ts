import { DatabaseError } from '../../../base/errors.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import { withExactNumbers } from '../../request/exact-members.ts'
import type { Exchange } from '../../request/exchange.ts'
import { readJson } from '../../request/parameters.ts'
import { requireCreatable } from '../database/database.ts'
import type { Resource } from '../resource.ts'

/**
 * `/_cluster_setup`: the setting up of one node. It is set up as soon as the databases exist that the client wants to exist; by
 * default those that the server needs itself. What takes a second node is refused.
 */
const SYSTEM_DATABASES = ['_users', '_replicator']

const MOST_DATABASES = 100

function wantedDatabases(value: unknown): string[] {
  if (value === undefined) return SYSTEM_DATABASES
  const isList = Array.isArray(value) && value.every((name) => typeof name === 'string')
  if (!isList) throw new DatabaseError('badRequest', '`ensure_dbs_exist` must be a list of names')
  if (value.length > MOST_DATABASES) {
    throw new DatabaseError('badRequest', `\`ensure_dbs_exist\` has more than ${MOST_DATABASES} names`)
  }
  return value
}

async function missingDatabases({ backend }: Exchange, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => backend.databases.has(name)))
  return names.filter((_name, at) => !found[at])
}

async function state(exchange: Exchange): Promise<Answer> {
  const text = exchange.query.get('ensure_dbs_exist')
  const names = wantedDatabases(text === undefined ? undefined : readJson(text))
  const isReady =
    exchange.backend.settings.get('singleNode') || (await missingDatabases(exchange, names)).length === 0
  return json(200, { state: isReady ? 'single_node_enabled' : 'single_node_disabled' })
}

type Action = (exchange: Exchange, wish: Record<string, unknown>) => Promise<Answer>

/** Makes the databases that are not there. */
const finish: Action = async (exchange, wish) => {
  const missing = await missingDatabases(exchange, wantedDatabases(wish['ensure_dbs_exist']))
  if (missing.length === 0) throw new DatabaseError('badRequest', 'Cluster is already finished')
  for (const name of missing) requireCreatable(name)
  for (const name of missing) await exchange.backend.databases.create(name)
  return ok(201)
}

/** The administrator, the address and the port of the request are written to the configuration. */
const enableSingleNode: Action = async (exchange, wish) => {
  const { configuration } = exchange.backend
  const name = textOf(wish, 'username')
  const password = textOf(wish, 'password_hash') ?? textOf(wish, 'password')
  if ((name === undefined) !== (password === undefined)) {
    throw new DatabaseError('badRequest', '`username` and `password`: one needs the other')
  }
  const port = portOf(wish)
  const address = textOf(wish, 'bind_address')
  const names = wantedDatabases(wish['ensure_dbs_exist'])
  const keep = { persist: true }
  if (port !== undefined) await configuration.set('chttpd', 'port', port, keep)
  if (name !== undefined) await configuration.set('admins', name, password!, keep)
  // Last: without an administrator a server listens to its own machine alone.
  if (address !== undefined) await configuration.set('chttpd', 'bind_address', address, keep)
  return finish(exchange, { ensure_dbs_exist: names })
}

function textOf(wish: Record<string, unknown>, member: string): string | undefined {
  const value = wish[member]
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw new DatabaseError('badRequest', `\`${member}\` must be a string`)
}

function portOf({ port }: Record<string, unknown>): string | undefined {
  if (port === undefined) return undefined
  if (typeof port !== 'string' && typeof port !== 'number') {
    throw new DatabaseError('badRequest', '`port` must be a number')
  }
  return String(port)
}

const oneNodeOnly: Action = async () => {
  throw new DatabaseError('notImplemented', 'This server is one node: it cannot be joined with others.')
}

const ACTIONS: Readonly<Record<string, Action>> = {
  enable_single_node: enableSingleNode,
  finish_cluster: finish,
  enable_cluster: oneNodeOnly,
  add_node: async () => {
    throw new DatabaseError('badRequest', 'Cluster is not enabled.')
  },
  remove_node: oneNodeOnly,
  receive_cookie: oneNodeOnly,
}

async function setUp(exchange: Exchange): Promise<Answer> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const wish = await withExactNumbers(exchange, await exchange.jsonObject(), ['port'])
  const { action } = wish
  const act = typeof action === 'string' && Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (act === undefined) throw new DatabaseError('badRequest', "Invalid Action'")
  return act(exchange, wish)
}

export const clusterSetupResources: Resource[] = [
  {
    route: '_cluster_setup',
    endpoint: 'owns-rest',
    body: 'names',
    allow: 'GET,POST',
    methods: { GET: state, POST: setUp },
  },
]
