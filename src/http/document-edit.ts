import { DatabaseError } from '../base/errors.ts'
import { type ScannedDocument, scanDocument } from '../base/json/documents.ts'
import type { DocumentEdit } from '../database/api.ts'
import { readDocument } from '../database/document-members.ts'
import { formatRevisionId } from '../database/revision-id.ts'
import { revisionOfPath } from './revision.ts'

/** A document of a request: its content, and what its special members say. */
export interface ParsedDocument {
  id: string | undefined
  deleted: boolean
  body: Uint8Array
  term: Uint8Array
  /** The path, newest first; one revision where only `_rev` was given; undefined where neither was. */
  revisions: { start: number; ids: string[] } | undefined
}

/** What a deletion stores: an empty object and its term. */
export const EMPTY_DOCUMENT: ScannedDocument = scanDocument(Buffer.from('{}'))!

const NO_ATTACHMENTS = '{}'

/**
 * `scanned` is null for JSON that is no object. Throws DocumentError for what is wrong with it,
 * documentTooLarge, and notImplemented for attachments.
 */
export function parseDocument(scanned: ScannedDocument | null, maxBytes: number): ParsedDocument {
  const { id, deleted, body, term, revisions, attachments } = readDocument(scanned)
  if (attachments !== null && attachments.toString('latin1') !== NO_ATTACHMENTS) {
    throw new DatabaseError('notImplemented', 'attachments are not implemented')
  }
  if (body.length > maxBytes) throw new DatabaseError('documentTooLarge', id ?? '')
  return {
    id: id ?? undefined,
    deleted,
    body,
    term,
    revisions: revisions ? { start: revisions.start, ids: revisions.ids.map(formatRevisionId) } : undefined,
  }
}

/** A document's text. Throws JsonSyntaxError too. */
export function parseDocumentText(text: Uint8Array, maxBytes: number): ParsedDocument {
  return parseDocument(scanDocument(text), maxBytes)
}

/** The edit of an interactive write: the newest of its revisions is the one that it replaces. */
export function interactiveEdit(document: ParsedDocument, id: string): DocumentEdit {
  const { deleted, body, term, revisions } = document
  return { id, deleted, body, term, rev: revisions && revisionOfPath(revisions) }
}

/** The edit of a replicated write. Throws badRequest where no revision is given. */
export function replicatedEdit(document: ParsedDocument, id: string): DocumentEdit {
  const { deleted, body, term, revisions } = document
  if (revisions === undefined) {
    throw new DatabaseError(
      'badRequest',
      'When `new_edits: false`, the document needs `_rev` or `_revisions` specified',
    )
  }
  return { id, deleted, body, term, revisions }
}
