import { DatabaseError } from '../../base/errors.ts'
import type { Database, DocumentEdit, EditResult } from '../../database/api/database.ts'
import { isDesignId } from '../../documents/document-id.ts'
import { readRevision } from '../../documents/revision.ts'
import { requireDatabaseAdmin } from './access.ts'
import type { Exchange } from './exchange.ts'
import { fromHeader } from './header-text.ts'
import { integerOf } from './parameters.ts'
import type { Query } from './query.ts'
import { requestWriter } from './request-writer.ts'

/** What every route that writes documents checks and does. */

/** Throws unauthorized or forbidden for a design document and somebody who is no administrator. */
export function requireDesignRights(exchange: Exchange, id: string): void {
  if (isDesignId(id)) requireDatabaseAdmin(exchange)
}

/**
 * Whether a write that was made in one copy has fewer than its `w` asked for: such a write is accepted (202), not
 * created. What is no integer asks for nothing. A body's `member` counts for more than the query string.
 */
export function isShortOfQuorum(query: Query, member?: Buffer): boolean {
  const copies = integerOf(member?.toString() ?? '') ?? integerOf(query.get('w') ?? '')
  return copies !== undefined && copies > 1
}

/** The status of an interactive write that was made: 202 where it is short of its quorum, else `status`. */
export function writtenStatus(exchange: Exchange, status: 200 | 201): 200 | 201 | 202 {
  return isShortOfQuorum(exchange.query) ? 202 : status
}

/** Writes one document. Resolves with its new revision; throws, or rejects with, the error that the write met. */
export function writeOne(exchange: Exchange, edit: DocumentEdit, newEdits: boolean): Promise<string> {
  return writeResults(exchange, edit, newEdits).then(onlyRevision)
}

/** The same, but resolves with the write's one result: see `onlyRevision`. */
export function writeResults(
  exchange: Exchange,
  edit: DocumentEdit,
  newEdits: boolean,
): Promise<readonly EditResult[]> {
  requireDesignRights(exchange, edit.id)
  return requestWriter(exchange).update([edit], { newEdits })
}

/** The new revision of the one edit that was written; throws the error that the write met. */
export function onlyRevision([result]: readonly EditResult[]): string {
  if (result === undefined) throw new Error('the write gave no result')
  return revisionOf(result)
}

/** The new revision; throws the error that the write met. */
export function revisionOf(result: EditResult): string {
  if (result.ok) return result.rev
  throw result.refusal
}

/** Writes or deletes a local document, which has no history and never conflicts. Returns its revision. */
export function writeLocalDocument(database: Database, edit: DocumentEdit): Promise<string> {
  const name = edit.id.slice('_local/'.length)
  if (edit.deleted) return database.deleteLocal(name, edit.rev)
  return database.putLocal(name, edit.body, edit.rev)
}

/** Without one quote at either end; more of them belong to what is quoted. */
function unquoted(header: string): string {
  const start = header.startsWith('"') ? 1 : 0
  return header.slice(start, header.endsWith('"') ? Math.max(start, header.length - 1) : header.length)
}

/**
 * The revision that a request edits: If-Match and an explicit one (query, body) must agree.
 * Throws badRequest.
 */
export function headerRevision(exchange: Exchange, explicit: string | undefined): string | undefined {
  const header = exchange.header('if-match')
  if (header === undefined) return explicit
  const given = readRevision(fromHeader(unquoted(header)))
  if (explicit !== undefined && explicit !== given) {
    throw new DatabaseError('badRequest', 'Document rev and etag have different values')
  }
  return given
}
