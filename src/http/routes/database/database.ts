import { DatabaseError } from '../../../base/errors.ts'
import type { Database } from '../../../database/api/database.ts'
import { REPLICATOR_DATABASE } from '../../../replicator/documents/replicator-document.ts'
import { isDatabaseName } from '../../../server/database-name.ts'
import { USERS_DATABASE } from '../../../users/user-document.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { readMatch, readPositive, readTrueOrFalse } from '../../request/parameters.ts'
import { encodeComponent } from '../../request/path.ts'
import type { Query } from '../../request/query.ts'
import { postDocument } from '../document/document-write.ts'
import type { Resource } from '../resource.ts'

/** `/{db}` itself. */

/** CouchDB's members, in its order. `shards` is what was asked for at creation; there is one, of one copy. */
export function databaseInfo(database: Database, shards: number): Record<string, unknown> {
  const info = database.info()
  const { file, active, external } = info.sizes
  return {
    instance_start_time: info.instanceStartTime,
    db_name: database.name,
    purge_seq: info.purgeSeq,
    update_seq: info.updateSeq,
    sizes: { file, external, active },
    props: database.properties.partitioned ? { partitioned: true } : {},
    doc_del_count: info.docDelCount,
    doc_count: info.docCount,
    disk_format_version: info.diskFormatVersion,
    compact_running: info.compactRunning,
    cluster: { q: shards, n: 1, w: 1, r: 1 },
  }
}

function read(exchange: Exchange): Answer {
  if (exchange.isChannelled) return json(200, channelledInfo(exchange.database))
  const { databases, metrics, clock } = exchange.backend
  const startMs = clock.monotonic()
  const info = databaseInfo(exchange.database, databases.shardsOf(exchange.place.database!) ?? 1)
  metrics.observe('couchdb.dbinfo', clock.monotonic() - startMs, clock.now())
  return json(200, info)
}

/** For who sees his channels alone: what replicators ask for, and nothing that is counted. */
function channelledInfo(database: Database): Record<string, unknown> {
  const { instanceStartTime, name } = database
  const { updateSeq, rows } = database.allDocs({ limit: 0 })
  rows.return?.()
  return { instance_start_time: instanceStartTime, db_name: name, update_seq: updateSeq }
}

/** What CouchDB calls its storage engine; it has no other. */
const ENGINE = 'couch'
const PLACEMENT = /^[^:,]+:0*[1-9][0-9]*(,[^:,]+:0*[1-9][0-9]*)*$/

/** `q` and `n` say how a cluster would spread the database: remembered, and without effect here. */
async function create(exchange: Exchange): Promise<Answer> {
  const { query, place, backend } = exchange
  copiesOf(query, 'n')
  const shards = copiesOf(query, 'q')
  const placement = query.get('placement')
  if (placement !== undefined) {
    readMatch(placement, PLACEMENT, 'The `placement` value should be in a format `zone:n`.')
  }
  const engine = query.get('engine')
  if (engine !== undefined && engine !== ENGINE)
    throw new DatabaseError('badRequest', 'invalid_engine_extension')
  const given = query.get('partitioned')
  const partitioned = given !== undefined && readTrueOrFalse(given, 'Invalid `partitioned` parameter')
  const name = place.database!
  requireCreatable(name)
  if (partitioned && name.startsWith('_')) {
    throw new DatabaseError('badRequest', 'Cannot partition a system database')
  }
  await backend.databases.create(name, { shards, partitioned })
  return ok(201, { location: exchange.absoluteUri(`/${encodeComponent(name)}`) })
}

/** Throws notImplemented for a database of the system that would be a plain one: nothing would come into it. */
export function requireCreatable(name: string): void {
  const isPlain = !name.startsWith('_') || name === USERS_DATABASE || name === REPLICATOR_DATABASE
  if (!isPlain && isDatabaseName(name)) {
    throw new DatabaseError('notImplemented', `the database ${name} is not implemented`)
  }
}

/** Throws badRequest for what is no positive integer. */
function copiesOf(query: Query, name: 'n' | 'q'): number | undefined {
  const text = query.get(name)
  if (text === undefined) return undefined
  return readPositive(text, `The \`${name}\` value should be a positive integer.`)
}

async function remove(exchange: Exchange): Promise<Answer> {
  if (exchange.query.get('rev') !== undefined) {
    throw new DatabaseError(
      'badRequest',
      'You tried to DELETE a database with a ?=rev parameter. ' +
        'Did you mean to DELETE a document instead?',
    )
  }
  await exchange.backend.databases.delete(exchange.place.database!)
  return ok()
}

export const databaseResources: Resource[] = [
  {
    route: 'database',
    body: 'documents',
    allow: 'DELETE,GET,HEAD,POST',
    methods: { GET: read, POST: postDocument, PUT: create, DELETE: remove },
  },
]
