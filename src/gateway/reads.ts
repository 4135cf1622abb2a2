/**
 * Who may read which revision. Every route that shows anything of a document comes through here. What holds: a revision shows
 * its body and attachments to those alone who have one of the channels that the sync function said of this very revision.
 */

import { mayRead, type Reader } from '../channels/reader.ts'
import { badRequest, forbidden, missing } from './errors.ts'
import type { GatewayDatabase } from './gateway-database.ts'
import { normalRevision } from './store/document-leaves.ts'
import type { RecordedRevision } from './store/revision-record.ts'

/** A revision as somebody sees it. */
export interface SeenRevision {
  readonly revision: RecordedRevision
  /** He sees of it no more than that it is there. */
  readonly isRedacted: boolean
  /** It is the document's winner. */
  readonly isCurrent: boolean
}

const MOST_ID_BYTES = 250

/** Whether a client may call a document so: the gateway's own are nobody's. */
export function isDocumentId(id: string): boolean {
  return id !== '' && !id.startsWith('_') && Buffer.byteLength(id) <= MOST_ID_BYTES
}

/** Throws 400. */
export function requireDocumentId(id: string): void {
  if (!isDocumentId(id)) throw badRequest('Invalid doc ID')
}

/** The present revision. Throws 400, 404, and 403 for who may not read it. */
export function readCurrent(database: GatewayDatabase, reader: Reader | null, id: string): SeenRevision {
  requireDocumentId(id)
  const row = database.database.lookup(id)
  if (row === undefined) throw missing()
  const revision = database.recorded(row.document())
  if (!mayRead(reader, revision.record.output.channels)) throw forbidden()
  if (revision.view.deleted) throw missing('deleted')
  return { revision, isRedacted: false, isCurrent: true }
}

/** Undefined where it is not stored. */
export function findRevision(
  database: GatewayDatabase,
  reader: Reader | null,
  id: string,
  rev: string,
): SeenRevision | undefined {
  const normal = normalRevision(rev)
  const row = normal !== undefined && isDocumentId(id) ? database.database.lookup(id) : undefined
  if (row === undefined) return undefined
  const [found] = database.database.openRevs(id, [normal!])
  if (found === undefined || !('ok' in found)) return undefined
  const revision = database.recorded(found.ok)
  const isRedacted = !mayRead(reader, revision.record.output.channels)
  return { revision, isRedacted, isCurrent: row.rev === normal }
}

/** A revision, or the present one. Throws 400, 404, and 403 where the present one may not be read. */
export function readRevision(
  database: GatewayDatabase,
  reader: Reader | null,
  id: string,
  rev: string | undefined,
): SeenRevision {
  if (rev === undefined || rev === '') return readCurrent(database, reader, id)
  requireDocumentId(id)
  const found = findRevision(database, reader, id, rev)
  if (found === undefined) throw missing()
  return found
}
