import { DatabaseError } from '../base/errors.ts'
import type { Database } from '../database/api/database.ts'
import { checkDocumentId } from '../database/layout/document-id.ts'
import { checkPartitionedId } from '../database/layout/partition.ts'
import { isUtf8 } from './characters.ts'

/** Throws illegal_docid with CouchDB's reason. `maxBytes` bounds the ids of documents that are written. */
export function validateDocumentId(id: unknown, maxBytes = Number.POSITIVE_INFINITY): asserts id is string {
  if (typeof id !== 'string') throw illegal('Document id must be a string')
  requireIdLength(id, maxBytes)
  if (!isUtf8(id)) throw illegal('Document id must be valid UTF-8')
  checkDocumentId(id)
}

/** Throws illegal_docid. */
export function requireIdLength(id: string, maxBytes: number): void {
  if (id.length * 3 <= maxBytes || Buffer.byteLength(id) <= maxBytes) return
  throw illegal('Document id is too long')
}

/** The same for a document that the database is to hold. Throws illegal_docid, illegal_partition. */
export function requireIdFor(database: Database, id: string): void {
  if (database.properties.partitioned) checkPartitionedId(id)
}

function illegal(reason: string): DatabaseError {
  return new DatabaseError('illegalDocumentId', reason)
}

export function isDesignId(id: string): boolean {
  return id.startsWith('_design/')
}

export function isLocalId(id: string): boolean {
  return id.startsWith('_local/')
}
