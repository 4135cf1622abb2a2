import { getHashes } from 'node:crypto'
import { DatabaseError } from '../../../base/errors.ts'
import { NODE } from '../../../base/node-name.ts'
import { COUCHDB_VERSION } from '../../../base/version.ts'
import { isDatabaseName } from '../../../server/database-name.ts'
import { PAGE_TYPE } from '../../../statistics/page-type.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { handlerOf, type Methods, type Resource } from '../resource.ts'
import { configuration } from './configuration.ts'

/** `/_node/{node}` and what is below it, and the list of nodes, which is of one. */

/** What is behind the section in the path. */
type Path = readonly string[]

/** A section of a node, by the path behind it: undefined for what is not there. */
type Section = (path: Path) => Methods | undefined

/** A section without anything below it. */
function alone(methods: Methods): Section {
  return (path) => (path.length === 0 ? methods : undefined)
}

const SECTIONS: Readonly<Record<string, Section>> = {
  _prometheus: alone({ allow: 'GET', methods: { GET: metricsPage } }),
  _restart: alone({ allow: 'POST', methods: { POST: restart } }),
  _smoosh: (path) =>
    path.length === 1 && path[0] === 'status' ? { allow: 'GET', methods: { GET: smooshStatus } } : undefined,
  _stats: (path) => ({
    allow: 'GET',
    methods: { GET: async ({ backend }) => json(200, await backend.node.statistics(path)) },
  }),
  _system: alone({
    allow: 'GET',
    methods: { GET: async ({ backend }) => json(200, await backend.node.system()) },
  }),
  _versions: alone({ allow: 'GET', methods: { GET: versions } }),
}

function node(exchange: Exchange): Answer | Promise<Answer> {
  const [name, section, ...path] = exchange.place.rest
  if (name === undefined) throw new DatabaseError('badRequest', 'Incomplete path to _node request')
  if (name !== '_local' && name !== NODE) throw new DatabaseError('missing', `no such node: ${name}`)
  if (section === undefined)
    return handlerOf(name === '_local' ? OWN_NAME : WELCOME, exchange.method)(exchange)
  if (section === '_config') return configuration(exchange, path)
  const find = Object.hasOwn(SECTIONS, section) ? SECTIONS[section] : undefined
  const methods = find?.(path)
  if (methods === undefined) return otherPath(section)
  return handlerOf(methods, exchange.method)(exchange)
}

/** CouchDB takes what it does not know for a path of the node's own interface, and so for a database. */
function otherPath(section: string): never {
  if (isDatabaseName(section)) throw new DatabaseError('noDatabase')
  throw new DatabaseError(
    'illegalDatabaseName',
    `Name: '${section}'. Only lowercase characters (a-z), digits (0-9), and any of the characters ` +
      '_, $, (, ), +, -, and / are allowed. Must begin with a letter.',
  )
}

const OWN_NAME: Methods = { allow: 'GET,HEAD', methods: { GET: () => json(200, { name: NODE }) } }

/** What the node's own interface answers, without what belongs to the whole. */
const WELCOME: Methods = {
  allow: 'GET,HEAD',
  methods: {
    GET: ({ backend, service }) =>
      json(200, {
        couchdb: 'Welcome',
        uuid: backend.uuid,
        version: COUCHDB_VERSION,
        vendor: { name: 'Davenport', version: service.options.version },
      }),
  },
}

/** CouchDB's members: its `erlang` is the runtime, which is another one here. */
function versions(): Answer {
  const { node: runtime, v8, icu, unicode } = process.versions
  return json(200, {
    javascript_engine: { name: 'v8', version: v8 },
    erlang: { version: `Node.js ${runtime}`, supported_hashes: getHashes() },
    collation_driver: {
      name: 'libicu',
      library_version: icu,
      collation_algorithm_version: unicode,
      collator_version: icu,
    },
  })
}

async function metricsPage({ backend }: Exchange): Promise<Answer> {
  const body = await backend.node.metricsPage()
  return { kind: 'whole', status: 200, headers: { 'content-type': PAGE_TYPE }, body }
}

/** Answered before the server stops. */
async function restart({ backend }: Exchange): Promise<Answer> {
  await backend.node.restart()
  return ok()
}

async function smooshStatus({ backend }: Exchange): Promise<Answer> {
  return json(200, { channels: { ratio_dbs: await backend.node.compactions() } })
}

function membership(exchange: Exchange): Answer {
  if (exchange.place.rest.length > 0) throw new DatabaseError('missing')
  return json(200, { all_nodes: [NODE], cluster_nodes: [NODE] })
}

export const nodeResources: Resource[] = [
  {
    route: '_membership',
    endpoint: 'owns-rest',
    allow: 'GET',
    methods: { GET: membership },
  },
  {
    route: '_node',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: node, PUT: node, POST: node, DELETE: node },
  },
]
