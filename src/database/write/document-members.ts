import { DatabaseError } from '../../base/errors.ts'
import type { ScannedDocument } from '../../json/documents.ts'
import { mayHaveFloats } from '../../json/lossless.ts'
import { parseFlat } from '../../json/value-steps.ts'
import { isIntegerAt, membersOf } from '../../json/walk.ts'
import { checkDocumentId } from '../layout/document-id.ts'
import { type Expiry, parseExpiry } from '../layout/expiry.ts'
import { parseRevision, parseRevisionId } from '../revisions/revision-id.ts'
import type { RevisionPath } from '../revisions/revision-tree.ts'

// What CouchDB makes of a document's members that begin with an underscore. They are looked at in their
// order, and the first that is wrong is reported. Reasons as recorded from CouchDB 3.5.2, and as in its
// couch_doc.erl for the shapes of `_revisions`. `_exp`, which CouchDB does not know, is Sync Gateway's.

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
/** An object and the array in it. */
const REVISIONS_LEVELS = 2

/** Members that are answered on request, and ignored when they come back. */
const IGNORED: ReadonlySet<string> = new Set(['_revs_info', '_conflicts', '_deleted_conflicts', '_local_seq'])

/** A document as a client sent it, checked. */
export interface DocumentInput {
  /** `_id`; null if there is none. */
  readonly id: string | null
  /** `_revisions`, or `_rev` as a path of one; null if there is neither. */
  readonly revisions: RevisionPath | null
  readonly deleted: boolean
  /** The canonical text of the object `_attachments`; null if there is none. */
  readonly attachments: Buffer | null
  /** `_exp`; null if there is none. */
  readonly expiry: Expiry | null
  /** The canonical text of the other members. */
  readonly body: Buffer
  /** The external term of `body`. */
  readonly term: Buffer
}

/** Checks a scanned document, null standing for JSON that is no object. Throws badRequest, documentValidation, illegalDocumentId. */
export function readDocument(scanned: ScannedDocument | null): DocumentInput {
  if (scanned === null) throw new DatabaseError('badRequest', 'Document must be a JSON object')
  let id: string | null = null
  let revisions: RevisionPath | null = null
  let deleted = false
  let attachments: Buffer | null = null
  let expiry: Expiry | null = null
  for (const [name, text] of scanned.special) {
    if (name === '_id') id = documentId(text)
    else if (name === '_rev') revisions ??= revision(text)
    else if (name === '_revisions' && text[0] === OPEN_BRACE) revisions = revisionPath(text)
    else if (name === '_deleted' && isBoolean(text)) deleted = text.length === 'true'.length
    else if (name === '_attachments' && text[0] === OPEN_BRACE) attachments = text
    else if (name === '_exp') expiry = parseExpiry(text)
    else if (!IGNORED.has(name)) {
      throw new DatabaseError('documentValidation', `Bad special document member: ${name}`)
    }
  }
  return { id, revisions, deleted, attachments, expiry, body: scanned.body, term: scanned.term }
}

function documentId(text: Buffer): string {
  if (text[0] !== QUOTE) throw new DatabaseError('illegalDocumentId', 'Document id must be a string')
  const id = stringValue(text)
  checkDocumentId(id)
  return id
}

function revision(text: Buffer): RevisionPath {
  const { pos, id } = parseRevision(text[0] === QUOTE ? stringValue(text) : null)
  return { start: pos, ids: [id] }
}

/** Null for no ids at all, which says as much as no `_revisions`. */
function revisionPath(text: Buffer): RevisionPath | null {
  const { start, ids } = revisionsOf(text)
  if (!Number.isInteger(start) || !isStartInteger(text)) {
    throw new DatabaseError('documentValidation', "_revisions.start isn't an integer.")
  }
  if (!Array.isArray(ids)) throw new DatabaseError('documentValidation', "_revisions.ids isn't a array.")
  return ids.length === 0 ? null : { start: start as number, ids: ids.map(ancestorId) }
}

function revisionsOf(text: Buffer): { start?: unknown; ids?: unknown } {
  try {
    return parseFlat(text.toString(), REVISIONS_LEVELS) as { start?: unknown; ids?: unknown }
  } catch (error) {
    if (error instanceof RangeError) throw new DatabaseError('documentValidation', "RevId isn't a string")
    throw error
  }
}

/** Of a whole number: whether it is not written as a float. */
function isStartInteger(text: Buffer): boolean {
  return (
    !mayHaveFloats(text) ||
    membersOf(text, 0).every(([name, at]) => name !== 'start' || isIntegerAt(text, at))
  )
}

function ancestorId(value: unknown): string {
  if (typeof value !== 'string') throw new DatabaseError('documentValidation', "RevId isn't a string")
  const id = parseRevisionId(value)
  if (id === null) throw new DatabaseError('documentValidation', "RevId isn't a valid hexadecimal")
  return id
}

function isBoolean(text: Buffer): boolean {
  return text.equals(TRUE) || text.equals(FALSE)
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')

/** The value of a string's canonical text. */
function stringValue(text: Buffer): string {
  if (text.includes(BACKSLASH)) return JSON.parse(text.toString()) as string
  return text.toString('utf8', 1, text.length - 1)
}
