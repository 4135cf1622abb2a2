import type { DocumentView, LocalDocument } from '../database/api/database.ts'
import { formatExpiry } from '../database/layout/expiry.ts'
import {
  documentPieces,
  documentText,
  isPlainText,
  memberText,
  stringsText,
  stringText,
} from '../json/writer.ts'
import { attachmentPieces } from './attachment-output.ts'
import type { AttachmentWish } from './attachment-wish.ts'
import type { Piece } from './piece.ts'

/** What a reader wants beside the body. */
export interface DocumentMembers {
  revs?: boolean
  revsInfo?: boolean
  conflicts?: boolean
  deletedConflicts?: boolean
  localSeq?: boolean
  /** `_exp`, of a document that has it. */
  expiry?: boolean
  attachments?: AttachmentWish
}

export interface DocumentAnswer {
  pieces: Piece[]
  /** True where members depend on more than the revision, so that it cannot be the ETag. */
  hasMeta: boolean
}

const CLOSE = '}'
const NO_WISH: AttachmentWish = {}

/**
 * The document as CouchDB prints it: `_id`, `_rev`, the body as stored, then the members asked for. `end`
 * follows it.
 */
export function viewAnswer(view: DocumentView, wanted: DocumentMembers = {}, end = ''): DocumentAnswer {
  const { members, hasMeta } = membersOf(view, wanted)
  const attachments = attachmentPieces(view, wanted.attachments ?? NO_WISH)
  const text = documentText(view.id, view.rev, bodyToCopy(view), members, end)
  if (attachments.length === 0) return { pieces: [text], hasMeta }
  const close = CLOSE + end
  return { pieces: [text.subarray(0, text.length - close.length), ...attachments, close], hasMeta }
}

/**
 * `viewAnswer` of a document of which nothing is shown but id, revision and body, made in one go from where the body lies. A string
 * has bytes as characters; one that would be longer than `mostBytes` is a buffer. Undefined for documents that need more than that.
 */
export function plainAnswer(view: DocumentView, end: string, mostBytes: number): string | Buffer | undefined {
  const { id, rev } = view
  if (view.locateBody === undefined || view.deleted || !isPlainText(id) || !isPlainText(rev)) return undefined
  if (view.attachments().length > 0) return undefined
  const { bytes, start, end: bodyEnd } = view.locateBody()
  const bodyBytes = bodyEnd - start
  if (id.length + bodyBytes > mostBytes) return documentText(id, rev, bytes.subarray(start, bodyEnd), '', end)
  const comma = bodyBytes > EMPTY_BODY_BYTES ? ',' : ''
  return `{"_id":"${id}","_rev":"${rev}"${comma}${bufferOf(bytes).toString('latin1', start + 1, bodyEnd)}${end}`
}

const EMPTY_BODY_BYTES = 2
let lastBytes: Uint8Array = new Uint8Array(0)
let lastBuffer: Buffer = Buffer.alloc(0)

/** The same memory: bodies lie in few. */
function bufferOf(bytes: Uint8Array): Buffer {
  if (bytes !== lastBytes) {
    lastBytes = bytes
    lastBuffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }
  return lastBuffer
}

/** Good until anything else is read. */
function bodyToCopy(view: DocumentView): Uint8Array {
  if (view.locateBody === undefined) return view.body()
  const { bytes, start, end } = view.locateBody()
  return bytes.subarray(start, end)
}

/** The view's text without a newline, in pieces. */
export function viewPieces(
  view: DocumentView,
  wanted: DocumentMembers = {},
): [head: string, ...rest: Piece[]] {
  const { members } = membersOf(view, wanted)
  const attachments = attachmentPieces(view, wanted.attachments ?? NO_WISH)
  const [head, inner, tail] = documentPieces(view.id, view.rev, view.body(), members)
  return attachments.length === 0 ? [head, inner, tail] : [head, inner, members, ...attachments, CLOSE]
}

/** What stands behind the body, attachments excepted: members, each with a comma before it. */
export function membersText(view: DocumentView, wanted: DocumentMembers): string {
  return membersOf(view, wanted).members
}

function membersOf(view: DocumentView, wanted: DocumentMembers): { members: string; hasMeta: boolean } {
  let meta = ''
  if (wanted.revsInfo) {
    const items = view.revsInfo().map(({ rev, status }) => `{"rev":${stringText(rev)},"status":"${status}"}`)
    meta += memberText('_revs_info', `[${items.join(',')}]`)
  }
  if (wanted.conflicts) meta += listMember('_conflicts', view.conflicts())
  if (wanted.deletedConflicts) meta += listMember('_deleted_conflicts', view.deletedConflicts())
  if (wanted.localSeq) meta += memberText('_local_seq', String(view.localSeq))
  if (wanted.expiry && !view.deleted && view.expiresAtMs !== undefined) {
    meta += memberText('_exp', `"${formatExpiry(view.expiresAtMs)}"`)
  }
  const deleted = view.deleted ? ',"_deleted":true' : ''
  const path = wanted.revs ? memberText('_revisions', pathText(view.revisions())) : ''
  return { members: deleted + path + meta, hasMeta: meta !== '' }
}

/** The view's text without a newline, attachments as stubs. */
export function viewText(view: DocumentView, wanted: Omit<DocumentMembers, 'attachments'> = {}): Buffer {
  return joinedText(viewAnswer(view, wanted).pieces)
}

/** The text in one, where no piece is a source: whenever no data of attachments is asked for inline. */
export function joinedText(pieces: readonly Piece[]): Buffer {
  const [only] = pieces
  if (pieces.length === 1 && Buffer.isBuffer(only)) return only
  const buffers = pieces.map((piece) => {
    if (typeof piece === 'string') return Buffer.from(piece)
    if (piece instanceof Uint8Array) return piece
    throw new Error('a document with data that is read later has no text')
  })
  return Buffer.concat(buffers)
}

export function localText(document: LocalDocument, wanted: DocumentMembers = {}): Buffer {
  const ids = [document.rev.slice(document.rev.indexOf('-') + 1)]
  const path = wanted.revs ? memberText('_revisions', pathText({ start: 0, ids })) : ''
  return documentText(`_local/${document.id}`, document.rev, document.body, path)
}

function listMember(name: string, revs: string[]): string {
  return revs.length === 0 ? '' : memberText(name, stringsText(revs))
}

function pathText(path: { start: number; ids: string[] }): string {
  return `{"start":${path.start},"ids":${stringsText(path.ids)}}`
}
