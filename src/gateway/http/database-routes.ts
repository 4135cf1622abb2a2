/** A database as a whole, for everybody. */
import { GatewayError } from '../errors.ts'
import { type Answer, empty, json } from './answer.ts'
import type { Exchange } from './exchange.ts'

const VENDOR_VERSION = 1.5

export async function welcome({ isAdmin }: Exchange): Promise<Answer> {
  return json({
    ...(isAdmin ? { ADMIN: true } : {}),
    couchdb: 'Welcome',
    vendor: { name: 'Couchbase Sync Gateway', version: VENDOR_VERSION },
    version: 'Couchbase Sync Gateway/1.5.1(davenport)',
  })
}

export async function getDatabase({ database, method }: Exchange): Promise<Answer> {
  if (method === 'HEAD') return empty()
  return json({
    committed_update_seq: database.indexedSeq,
    compact_running: false,
    db_name: database.name,
    disk_format_version: 0,
    instance_start_time: database.startTimeUs,
    purge_seq: 0,
    state: database.isOnline ? 'Online' : database.resync.isRunning ? 'Resyncing' : 'Offline',
    update_seq: database.indexedSeq,
  })
}

export async function putPublicDatabase(exchange: Exchange): Promise<Answer> {
  if (exchange.gateway.has(exchange.param(0))) throw new GatewayError(412, 'Database already exists')
  throw new GatewayError(403, 'Creating a DB over the public API is unsupported')
}

export async function ensureFullCommit({ database }: Exchange): Promise<Answer> {
  await database.database.ensureFullCommit()
  return json({ instance_start_time: database.startTimeUs, ok: true }, { status: 201 })
}
