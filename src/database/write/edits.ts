/**
 * Edits made ready before their turn at the writer: keys encoded, revisions read, ids worked out that do not
 * depend on what is stored. Edits of one document are put together and documents sorted by id, as CouchDB
 * does, which also decides the order of their numbers in the update sequence, unless theirs is asked for.
 */

import type { Compression } from '../../base/compression.ts'
import { DatabaseError } from '../../base/errors.ts'
import { sortSteps } from '../../base/sort-steps.ts'
import { runAtOnce, type Steps } from '../../base/time-slice.ts'
import type { DocumentEdit } from '../api/database.ts'
import { packed } from '../bodies/stored-text.ts'
import {
  descriptionBytes,
  MOST_DESCRIPTION_BYTES,
  MOST_REQUEST_DESCRIPTION_BYTES,
  type PlacedAttachment,
} from '../layout/attachment-records.ts'
import { resolveExpiry } from '../layout/expiry.ts'
import { DESIGN_PREFIX, idKey, LOCAL_PREFIX } from '../layout/layout.ts'
import {
  formatRevision,
  MAX_GENERATION,
  MAX_REVISION_ID_BYTES,
  nextRevision,
  parseRevision,
  parseRevisionId,
  type Revision,
} from '../revisions/revision-id.ts'
import { hashedAttachments, hasStubs, resolveStubs } from './attachment-merge.ts'
import type { CheckStamp } from './checked-state.ts'
import { examineDesign } from './design-document.ts'
import { localKey, nextLocalNumber } from './local-documents.ts'
import type { PlacedEdit } from './moved-content.ts'

/** An edit of a document, ready to be merged. */
export interface ReadyEdit {
  /** Its place in the request. */
  place: number
  deleted: boolean
  /** As it is stored: see `stored-text.ts`. */
  body: Uint8Array
  term: Uint8Array
  /** The body has a `validate_doc_update` and is a design document's. */
  validates: boolean
  /** Why a design document is none; undefined for all others. */
  fault: string | undefined
  /** The revision that it extends; undefined for none. */
  parent: Revision | undefined
  /** What it adds, newest first. An interactive one is alone, or followed by its parent; empty with stubs. */
  path: Revision[]
  /** In the order of the document; stubs make the path of an interactive edit wait for the transaction. */
  attachments: readonly PlacedAttachment[]
  /** Milliseconds since the epoch; undefined for never. */
  expiresAtMs: number | undefined
  /** It was checked as a replicated edit of which no ancestor is stored. */
  checkedWithoutAncestor: boolean
}

export interface DocumentEdits {
  id: string
  key: Buffer
  design: boolean
  edits: ReadyEdit[]
}

export interface LocalEdit {
  place: number
  id: string
  key: Buffer
  deleted: boolean
  body: Uint8Array
  rev: string | undefined
  /** The N of 0-N that it gives; undefined when `rev` cannot be read. */
  number: number | undefined
}

/** An edit that is answered with an error of its own; the others of the request are written. */
export interface RefusedEdit {
  place: number
  id: string
  rev: string
  refusal: DatabaseError
}

export interface ReadyEdits {
  newEdits: boolean
  /** What the edits were checked against; undefined where nobody checks them. */
  stamp: CheckStamp | undefined
  refused: RefusedEdit[]
  documents: DocumentEdits[]
  local: LocalEdit[]
  /** Some edit of the request is no deletion, and so needs room on the disk. */
  grows: boolean
  /** About what they will write. */
  bytes: number
}

const NO_ATTACHMENTS: readonly PlacedAttachment[] = []
const STEP_EDITS = 64
const PART_DOCUMENTS = 512
/** Most replicated edits of one document in a part. Each part reads and writes its whole tree. */
const PART_EDITS = 1024

/** Trees, keys and revisions beside the body. */
const OVERHEAD_BYTES = 256

/** What a replicated path says of the ancestors of its head. Throws bad_request for ids that cannot be read. */
export function ancestorsOf(rev: DocumentEdit['rev'], revisions: DocumentEdit['revisions']): Revision[] {
  return replicatedPath({ rev, revisions }).slice(1)
}

function replicatedPath(edit: Pick<DocumentEdit, 'rev' | 'revisions'>): Revision[] {
  if (edit.revisions === undefined) {
    if (edit.rev !== undefined) return [parseRevision(edit.rev)]
    const reason = 'When `new_edits: false`, the document needs `_rev` or `_revisions` specified'
    throw new DatabaseError('badRequest', reason)
  }
  const { start, ids } = edit.revisions
  if (ids.length === 0 || !Number.isInteger(start)) {
    throw new DatabaseError('badRequest', 'Invalid rev format')
  }
  return ids.map((text, at) => {
    const id = parseRevisionId(text)
    if (id === null) throw new DatabaseError('badRequest', 'Invalid rev format')
    return { pos: start - at, id }
  })
}

/** Empty while the attachments that go into the revision id are not known. */
function interactivePath(
  deleted: boolean,
  term: Uint8Array,
  parent: Revision | undefined,
  attachments: readonly PlacedAttachment[],
): Revision[] {
  if (hasStubs(attachments)) return []
  const hashed = hashedAttachments(resolveStubs('', attachments, []))
  return [nextRevision(deleted, parent ?? null, term, hashed), ...(parent ? [parent] : [])]
}

/** What all edits of a request have in common. */
export interface EditContext {
  newEdits: boolean
  stamp?: CheckStamp | undefined
  /** Of the database. */
  partitioned: boolean
  /** What intervals of expiry count from. */
  nowMs: number
  /** Default: none. */
  compression?: Compression | undefined
  /** As `UpdateOptions` has it. */
  inGivenOrder?: boolean | undefined
}

const ORDINARY = { validates: false, fault: undefined } as const

function readyEdit(edit: PlacedEdit, place: number, design: boolean, context: EditContext): ReadyEdit {
  const { newEdits, partitioned, nowMs, compression = 'none' } = context
  const { deleted, body, term, expiry } = edit
  const parent = newEdits && edit.rev !== undefined ? parseRevision(edit.rev) : undefined
  const attachments = edit.attachments ?? NO_ATTACHMENTS
  const path = newEdits ? interactivePath(deleted, term, parent, attachments) : replicatedPath(edit)
  const { validates, fault } = design ? examineDesign(body, partitioned) : ORDINARY
  const expiresAtMs = expiry === undefined ? undefined : resolveExpiry(expiry, nowMs)
  const checkedWithoutAncestor = edit.checkedWithoutAncestor === true
  return {
    place,
    deleted,
    body: packed(body, compression),
    term,
    validates,
    fault,
    parent,
    path,
    attachments,
    expiresAtMs,
    checkedWithoutAncestor,
  }
}

function readyLocal(edit: PlacedEdit, place: number): LocalEdit {
  const { id, deleted, body, rev } = edit
  const key = localKey(id.slice(LOCAL_PREFIX.length))
  let number: number | undefined
  try {
    number = deleted ? 0 : nextLocalNumber(rev)
  } catch {
    number = undefined
  }
  return { place, id, key, deleted, body, rev, number }
}

/** Of what the transaction itself will write. */
function attachmentBytes(attachments: PlacedEdit['attachments']): number {
  let bytes = 0
  for (const attachment of attachments ?? NO_ATTACHMENTS) {
    if (attachment.kind !== 'content') continue
    const { stored } = attachment.content
    bytes += OVERHEAD_BYTES + ('bytes' in stored ? stored.bytes.length : 0)
  }
  return bytes
}

/** Throws documentTooLarge for more attachments than a document may have. */
function descriptionsOf({ id, attachments }: PlacedEdit): number {
  let bytes = 0
  for (const each of attachments ?? NO_ATTACHMENTS) {
    if (each.kind === 'stub') bytes += descriptionBytes(each.name)
    else if (each.kind === 'stored') bytes += descriptionBytes(each.info.name, each.info.type)
    else bytes += descriptionBytes(each.name, each.type)
  }
  if (bytes > MOST_DESCRIPTION_BYTES) throw new DatabaseError('documentTooLarge', id)
  return bytes
}

/**
 * Throws bad_request for a revision that cannot be read, and illegal_docid; documentTooLarge and requestTooLarge for too
 * many attachments: such a request writes nothing.
 */
export function readyEdits(edits: readonly PlacedEdit[], context: EditContext): ReadyEdits {
  return runAtOnce(readySteps(edits, context))
}

/** The same of one edit. Half of what short writes are made of is what many edits need: a table, an order, steps. */
export function readyOne(edit: PlacedEdit, context: EditContext): ReadyEdits {
  if (edit.id.startsWith(LOCAL_PREFIX)) return readyEdits([edit], context)
  descriptionsOf(edit)
  const document = documentOf(edit.id)
  const refused: RefusedEdit[] = []
  addReady(document, edit, 0, context, refused)
  const { newEdits, stamp } = context
  return {
    newEdits,
    stamp,
    refused,
    documents: [document],
    local: [],
    grows: !edit.deleted,
    bytes: sizeOf(edit),
  }
}

function documentOf(id: string): DocumentEdits {
  return { id, key: idKey(id), design: id.startsWith(DESIGN_PREFIX), edits: [] }
}

/** About what it will write. */
function sizeOf({ body, attachments }: PlacedEdit): number {
  return body.length + OVERHEAD_BYTES + attachmentBytes(attachments)
}

/** Makes the edit one of its document's, or one that is refused. */
function addReady(
  document: DocumentEdits,
  edit: PlacedEdit,
  place: number,
  context: EditContext,
  refused: RefusedEdit[],
): void {
  const ready = readyEdit(edit, place, document.design, context)
  const reason = reasonAgainst(ready.path, context.newEdits)
  if (reason === undefined) {
    document.edits.push(ready)
    return
  }
  const refusal = new DatabaseError('badRequest', reason)
  refused.push({ place, id: edit.id, rev: formatRevision(ready.path[0]!), refusal })
}

/** Why no history may hold these revisions. What replaces one that is there already is not refused for its sake. */
function reasonAgainst(path: readonly Revision[], newEdits: boolean): string | undefined {
  const head = path[0]
  if (head !== undefined && head.pos > MAX_GENERATION) {
    return `The generation of a revision is at most ${MAX_GENERATION}.`
  }
  if (newEdits || !path.some(isTooLong)) return undefined
  return `The id of a revision has at most ${MAX_REVISION_ID_BYTES} bytes.`
}

function isTooLong({ id }: Revision): boolean {
  return id.length > MAX_REVISION_ID_BYTES
}

/** The same as `readyEdits`, in steps. */
export function* readySteps(edits: readonly PlacedEdit[], context: EditContext): Steps<ReadyEdits> {
  const documents = new Map<string, DocumentEdits>()
  const local: LocalEdit[] = []
  const refused: RefusedEdit[] = []
  let bytes = 0
  let descriptions = 0
  let grows = false
  for (const [place, edit] of edits.entries()) {
    if (!edit.deleted) grows = true
    descriptions += descriptionsOf(edit)
    if (descriptions > MOST_REQUEST_DESCRIPTION_BYTES) throw new DatabaseError('requestTooLarge')
    bytes += sizeOf(edit)
    if (edit.id.startsWith(LOCAL_PREFIX)) {
      local.push(readyLocal(edit, place))
      continue
    }
    let document = documents.get(edit.id)
    if (document === undefined) {
      document = documentOf(edit.id)
      documents.set(edit.id, document)
    }
    addReady(document, edit, place, context, refused)
    if (place % STEP_EDITS === STEP_EDITS - 1) yield
  }
  const { newEdits, stamp, inGivenOrder } = context
  const given = [...documents.values()]
  const ordered = inGivenOrder ? given : yield* sortSteps(given, (a, b) => Buffer.compare(a.key, b.key))
  return { newEdits, stamp, refused, documents: ordered, local, grows, bytes }
}

function partBytes(documents: readonly DocumentEdits[]): number {
  let bytes = 0
  for (const { edits } of documents) {
    for (const { body } of edits) bytes += body.length + OVERHEAD_BYTES
  }
  return bytes
}

/** The documents of each part; one of very many edits is in several. Interactive edits of one document stay together. */
function documentParts({ documents, newEdits }: ReadyEdits): DocumentEdits[][] {
  const parts: DocumentEdits[][] = []
  let part: DocumentEdits[] = []
  let edits = 0
  for (const document of documents) {
    const most = newEdits ? Math.max(1, document.edits.length) : PART_EDITS
    for (let from = 0; from === 0 || from < document.edits.length; from += most) {
      const piece = { ...document, edits: document.edits.slice(from, from + most) }
      if (part.length === PART_DOCUMENTS || (part.length > 0 && edits + piece.edits.length > PART_EDITS)) {
        parts.push(part)
        part = []
        edits = 0
      }
      part.push(piece)
      edits += piece.edits.length
    }
  }
  parts.push(part)
  return parts
}

/**
 * The edits of a long request in parts, each of which may be a transaction of its own, in the order of their numbers in
 * the update sequence: a transaction is built and applied in one go. Those with attachments stay together, for they may
 * have to be done again.
 */
export function partsOf(ready: ReadyEdits): ReadyEdits[] {
  const { documents, local, refused } = ready
  const isShort =
    documents.length <= PART_DOCUMENTS &&
    documents.reduce((count, { edits }) => count + edits.length, 0) <= PART_EDITS
  if (isShort) return [ready]
  if (documents.some(({ edits }) => edits.some(({ attachments }) => attachments.length > 0))) return [ready]
  return documentParts(ready).map((part, at) => ({
    ...ready,
    documents: part,
    local: at === 0 ? local : [],
    refused: at === 0 ? refused : [],
    bytes: partBytes(part),
  }))
}
