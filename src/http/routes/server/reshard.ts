import { DatabaseError } from '../../../base/errors.ts'
import { NODE } from '../../../base/node-name.ts'
import { isDatabaseName } from '../../../server/database-name.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { handlerOf, type Methods, missing, type Resource } from '../resource.ts'

/**
 * `/_reshard`: its state, its jobs, of which there are none, and what is wrong with the wish for one. A database is one file:
 * a wish with which nothing is wrong is refused for that.
 */
const STOPPED = 'Cluster-wide resharding stopped by the user'

/** The one range of a database that is one file. */
const WHOLE_RANGE = '00000000-ffffffff'

async function summary({ backend }: Exchange): Promise<Answer> {
  const { state, reason } = await backend.resharding.state()
  const counts = { completed: 0, failed: 0, running: 0, stopped: 0, total: 0 }
  return json(200, { state, state_reason: reason, ...counts })
}

const SUMMARY: Methods = { allow: 'GET,HEAD', methods: { GET: summary } }

/** Throws badRequest. */
async function wishedState(exchange: Exchange): Promise<{ state: 'running' | 'stopped'; reason: unknown }> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const { state, reason } = await exchange.jsonObject()
  if (state === undefined) throw new DatabaseError('badRequest', 'Expected a `state` field')
  if (state !== 'running' && state !== 'stopped') {
    throw new DatabaseError('badRequest', 'State field not `running` or `stopped`')
  }
  return { state, reason }
}

async function setState(exchange: Exchange): Promise<Answer> {
  const { state, reason } = await wishedState(exchange)
  const { resharding } = exchange.backend
  if (state === 'running') await resharding.start()
  else await resharding.stop(typeof reason === 'string' ? reason : STOPPED)
  return ok()
}

const STATE: Methods = {
  allow: 'GET,HEAD,PUT',
  methods: { GET: async ({ backend }) => json(200, await backend.resharding.state()), PUT: setState },
}

const JOBS: Methods = {
  allow: 'GET,HEAD,POST',
  methods: { GET: () => json(200, { total_rows: 0, offset: 0, jobs: [] }), POST: createJob },
}

const JOB: Methods = { allow: 'GET,HEAD,DELETE', methods: { GET: missing, DELETE: missing } }

const JOB_STATE: Methods = {
  allow: 'GET,HEAD,PUT',
  methods: {
    GET: missing,
    PUT: async (exchange) => {
      await wishedState(exchange)
      return missing()
    },
  },
}

/** What is wrong is told in CouchDB's order. */
async function createJob(exchange: Exchange): Promise<never> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const { type, db, shard, node, range } = await exchange.jsonObject()
  checkNode(node)
  const shardName = checkShard(shard)
  await checkDatabase(exchange, db)
  checkRange(range)
  if (type !== 'split') throw new DatabaseError('badRequest', '`job type must be `split`')
  if (db === undefined && shard === undefined) {
    throw new DatabaseError('badRequest', 'Must specify at least `db` or `shard`')
  }
  if (db !== undefined && shard !== undefined) {
    throw new DatabaseError('badRequest', '`db` and `shard` are mutually exclusive')
  }
  const isThere = shardName === undefined || (await exchange.backend.databases.has(shardName))
  if (!isThere || (range !== undefined && range !== WHOLE_RANGE)) missing()
  throw new DatabaseError(
    'notImplemented',
    'A database is one file here: there are no shards that could be split.',
  )
}

function checkNode(node: unknown): void {
  if (node === undefined || node === NODE) return
  const reason = typeof node === 'string' ? '`node` is not a valid node name' : 'Invalid `node`'
  throw new DatabaseError('badRequest', reason)
}

/** The name of the database that the shard would be of. */
function checkShard(shard: unknown): string | undefined {
  if (shard === undefined) return undefined
  if (typeof shard !== 'string') throw new DatabaseError('badRequest', 'Invalid `shard`')
  const found = /^shards\/.{8}-.{8}\/(.+)$/s.exec(shard)
  if (found === null) throw new DatabaseError('badRequest', '`shard` is invalid')
  return found[1]!.replace(/\.\d+$/, '')
}

async function checkDatabase({ backend }: Exchange, db: unknown): Promise<void> {
  if (db === undefined) return
  const isThere = typeof db === 'string' && isDatabaseName(db) && (await backend.databases.has(db))
  if (!isThere) throw new DatabaseError('badRequest', 'Invalid `db`')
}

function checkRange(range: unknown): void {
  if (range === undefined) return
  const found = typeof range === 'string' ? /^([0-9a-fA-F]{8})-([0-9a-fA-F]{8})$/.exec(range) : null
  const isRange = found !== null && Number.parseInt(found[1]!, 16) < Number.parseInt(found[2]!, 16)
  if (!isRange) throw new DatabaseError('badRequest', 'Invalid `range`')
}

function reshard(exchange: Exchange): Answer | Promise<Answer> {
  return handlerOf(methodsAt(exchange.place.rest), exchange.method)(exchange)
}

function methodsAt([part, job, below, ...more]: readonly string[]): Methods {
  if (part === undefined) return SUMMARY
  if (part === 'state' && job === undefined) return STATE
  if (part !== 'jobs' || more.length > 0) return missing()
  if (job === undefined) return JOBS
  if (below === undefined) return JOB
  return below === 'state' ? JOB_STATE : missing()
}

export const reshardResources: Resource[] = [
  {
    route: '_reshard',
    endpoint: 'owns-rest',
    body: 'names',
    allow: SUMMARY.allow,
    methods: Object.fromEntries(
      ['GET', 'POST', 'PUT', 'DELETE', 'COPY', 'PATCH'].map((method) => [method, reshard]),
    ),
  },
]
