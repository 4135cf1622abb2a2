import { DatabaseError } from '../base/errors.ts'
import { type ScannedDocument, scanDocument } from '../base/json/documents.ts'
import type { DocumentEdit } from '../database/api.ts'
import { validateDocumentId } from './document-id.ts'
import { pathOfRevision, readRevision, readRevisionId, revisionOfPath } from './revision.ts'

/** A document of a request: its content, and what its special members say. */
export interface ParsedDocument {
  id: string | undefined
  deleted: boolean
  body: Uint8Array
  term: Uint8Array
  /** The path, newest first; one revision where only `_rev` was given; undefined where neither was. */
  revisions: { start: number; ids: string[] } | undefined
}

/** Taken out and forgotten: they are answers' members, sent back by clients. */
const IGNORED = new Set(['_conflicts', '_deleted_conflicts', '_local_seq', '_revs_info'])

/**
 * Reads the special members in the order of the text, since the first fault is the one that is reported.
 * `scanned` is null for JSON that is no object. Throws badRequest, documentValidation, illegalDocumentId,
 * documentTooLarge, and notImplemented for attachments.
 */
export function parseDocument(scanned: ScannedDocument | null, maxBytes: number): ParsedDocument {
  if (scanned === null) throw new DatabaseError('badRequest', 'Document must be a JSON object')
  const document: ParsedDocument = {
    id: undefined,
    deleted: false,
    body: scanned.body,
    term: scanned.term,
    revisions: undefined,
  }
  for (const [name, text] of scanned.special) readSpecial(document, name, text)
  if (scanned.body.length > maxBytes) throw new DatabaseError('documentTooLarge', document.id ?? '')
  return document
}

/** A document's text. Throws invalidJson too. */
export function parseDocumentText(text: Uint8Array, maxBytes: number): ParsedDocument {
  return parseDocument(scanDocument(text), maxBytes)
}

/** The edit of an interactive write: the newest of its revisions is the one that it replaces. */
export function interactiveEdit(document: ParsedDocument, id: string): DocumentEdit {
  const { deleted, body, term, revisions } = document
  const rev = revisions && revisionOfPath(revisions)
  return { id, deleted, body, term, rev }
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

function readSpecial(document: ParsedDocument, name: string, text: Buffer): void {
  if (IGNORED.has(name)) return
  const value = (): unknown => JSON.parse(text.toString('utf8'))
  if (name === '_id') {
    const id = value()
    validateDocumentId(id)
    document.id = id
  } else if (name === '_rev') {
    // Behind `_revisions` it is not looked at any more.
    document.revisions ??= pathOfRevision(readRevision(value()))
  } else if (name === '_revisions') {
    document.revisions = parsePath(value()) ?? document.revisions
  } else if (name === '_deleted') {
    const deleted = value()
    if (typeof deleted !== 'boolean') throw badMember(name)
    document.deleted = deleted
  } else if (name === '_attachments') {
    refuseAttachments(value())
  } else {
    throw badMember(name)
  }
}

function parsePath(value: unknown): { start: number; ids: string[] } | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badMember('_revisions')
  const { start, ids } = value as { start?: unknown; ids?: unknown }
  if (!Number.isInteger(start)) {
    throw new DatabaseError('documentValidation', "_revisions.start isn't an integer.")
  }
  if (!Array.isArray(ids)) throw new DatabaseError('documentValidation', "_revisions.ids isn't a array.")
  const path = ids.map((id) => {
    if (typeof id !== 'string') throw new DatabaseError('documentValidation', "RevId isn't a string")
    const read = readRevisionId(id)
    if (read === undefined) throw new DatabaseError('documentValidation', "RevId isn't a valid hexadecimal")
    return read
  })
  return path.length === 0 ? undefined : { start: start as number, ids: path }
}

function refuseAttachments(value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badMember('_attachments')
  if (Object.keys(value).length === 0) return
  throw new DatabaseError('notImplemented', 'attachments are not implemented')
}

function badMember(name: string): DatabaseError {
  return new DatabaseError('documentValidation', `Bad special document member: ${name}`)
}
