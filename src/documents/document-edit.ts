import { DatabaseError } from '../base/errors.ts'
import { runAtOnce, type Steps } from '../base/time-slice.ts'
import type { DocumentEdit } from '../database/api/database.ts'
import type { Expiry } from '../database/layout/expiry.ts'
import { formatRevisionId } from '../database/revisions/revision-id.ts'
import { type DocumentInput, readDocument } from '../database/write/document-members.ts'
import {
  type CheckDocument,
  type ScannedDocument,
  SHORT_TEXT_BYTES,
  scanDocument,
  scanDocumentSteps,
} from '../json/documents.ts'
import { type AttachmentInput, attachmentSteps } from './attachment-input.ts'
import { requireIdLength } from './document-id.ts'
import type { Intake } from './intake.ts'
import { revisionOfPath } from './revision.ts'

const QUOTE = 0x22

/** A document on its way in: its content, and what its special members say. */
export interface ParsedDocument {
  id: string | undefined
  deleted: boolean
  body: Uint8Array
  term: Uint8Array
  /** The path, newest first; one revision where only `_rev` was given; undefined where neither was. */
  revisions: { start: number; ids: string[] } | undefined
  attachments: AttachmentInput[]
  expiry: Expiry | undefined
}

/** What a deletion stores: an empty object and its term. */
export const EMPTY_DOCUMENT: ScannedDocument = scanDocument(Buffer.from('{}'))!

/** What a document may take. */
export type DocumentLimits = Pick<Intake['limits'], 'maxDocumentBytes' | 'maxIdBytes'>

/**
 * In steps. `scanned` is null for JSON that is no object. Throws badRequest, documentValidation or illegalDocumentId for
 * what is wrong with it, and documentTooLarge.
 */
export function* parseDocument(
  scanned: ScannedDocument | null,
  limits: DocumentLimits,
): Steps<ParsedDocument> {
  const input = checkedDocument(scanned, limits)
  const { attachments, id } = input
  return parsedDocument(input, attachments === null ? [] : yield* attachmentSteps(attachments, id ?? ''))
}

/** The same of one that has no `_attachments`. */
export function parsePlainDocument(scanned: ScannedDocument | null, limits: DocumentLimits): ParsedDocument {
  return parsedDocument(checkedDocument(scanned, limits), [])
}

function checkedDocument(scanned: ScannedDocument | null, limits: DocumentLimits): DocumentInput {
  const input = readDocument(scanned)
  const { id, body } = input
  if (id !== null) requireIdLength(id, limits.maxIdBytes)
  if (body.length > limits.maxDocumentBytes) throw new DatabaseError('documentTooLarge', id ?? '')
  return input
}

function parsedDocument(
  { id, deleted, body, term, revisions, expiry }: DocumentInput,
  attachments: AttachmentInput[],
): ParsedDocument {
  return {
    id: id ?? undefined,
    deleted,
    body,
    term,
    attachments,
    expiry: expiry ?? undefined,
    revisions: revisions ? { start: revisions.start, ids: revisions.ids.map(formatRevisionId) } : undefined,
  }
}

/** The document as a local one: as in CouchDB its attachments are dropped. Throws badRequest for an expiry. */
export function asLocalDocument(document: ParsedDocument): ParsedDocument {
  if (document.expiry !== undefined) {
    throw new DatabaseError('badRequest', '_local documents do not accept an expiry.')
  }
  return { ...document, attachments: [] }
}

/** Whether a text is read in one go. */
export function isShortText(text: Uint8Array): boolean {
  return text.length <= SHORT_TEXT_BYTES
}

/** The document of a short text. Throws as `parseDocument` does, and JsonSyntaxError. */
export function readShortDocument({ limits }: Pick<Intake, 'limits'>, text: Uint8Array): ParsedDocument {
  return runAtOnce(parseDocument(scanDocument(text), limits))
}

/** The document of a text, in turns where it is long. Rejects as `readShortDocument` throws. */
export async function readDocumentText(intake: Intake, text: Uint8Array): Promise<ParsedDocument> {
  if (isShortText(text)) return readShortDocument(intake, text)
  return intake.inTurns(documentSteps(text, intake.limits))
}

function* documentSteps(text: Uint8Array, limits: DocumentLimits): Steps<ParsedDocument> {
  const check = documentCheck(limits.maxDocumentBytes)
  return yield* parseDocument(yield* scanDocumentSteps(text, check), limits)
}

/** A document's `_id` of which the text is given; '' for none and for what is no string. */
export function givenId(text: Buffer | undefined): string {
  return text?.[0] === QUOTE ? (JSON.parse(text.toString()) as string) : ''
}

/** Ends a scan as soon as the document is too large. Throws documentTooLarge. */
export function documentCheck(maxBytes: number): CheckDocument {
  return (bytes, id) => {
    if (bytes <= maxBytes) return
    throw new DatabaseError('documentTooLarge', givenId(id))
  }
}

/** The edit of an interactive write, still without attachments: the newest of its revisions is the one that it replaces. */
export function interactiveEdit(document: ParsedDocument, id: string): DocumentEdit {
  const { deleted, body, term, revisions, expiry } = document
  return { id, deleted, body, term, expiry, rev: revisions && revisionOfPath(revisions) }
}

/** The edit of a replicated write, still without attachments. Throws badRequest where no revision is given. */
export function replicatedEdit(document: ParsedDocument, id: string): DocumentEdit {
  const { deleted, body, term, revisions, expiry } = document
  if (revisions === undefined) {
    throw new DatabaseError(
      'badRequest',
      'When `new_edits: false`, the document needs `_rev` or `_revisions` specified',
    )
  }
  return { id, deleted, body, term, expiry, revisions }
}
