import type { AttachmentView, DocumentView } from '../database/api/database.ts'
import { DEFAULT_CONTENT_TYPE } from '../database/layout/attachment-records.ts'
import { sentAttachments } from './attachment-output.ts'
import { isHeaderText } from './characters.ts'
import { type DocumentMembers, joinedText, viewAnswer } from './document-text.ts'
import type { Piece } from './piece.ts'

/**
 * Multipart answers as CouchDB writes them (couch_httpd_multipart.erl, chttpd_db.erl). A document with
 * attachments to send is a `multipart/related` of its JSON and each attachment as it is stored; in
 * `multipart/mixed` answers it is nested.
 */

/** One part of a `multipart/mixed` answer: its headers, each with its line break in front, and its body. */
export interface Part {
  headers: string
  pieces: readonly Piece[]
}

/** JSON text as a part; an error where the revision is missing. */
export function jsonPart(text: string | Buffer, error = false): Part {
  return { headers: `\r\nContent-Type: application/json${error ? '; error="true"' : ''}`, pieces: [text] }
}

/** A document in `multipart/related` form, or its JSON where no attachment is to be sent. */
export interface RelatedDocument {
  /** Undefined: `pieces` are the JSON alone. */
  boundary: string | undefined
  pieces: Piece[]
  bytes: number
  /** As in `viewAnswer`. */
  hasMeta: boolean
}

export function relatedDocument(
  view: DocumentView,
  wanted: DocumentMembers,
  boundary: string,
): RelatedDocument {
  const wish = { ...wanted.attachments, data: 'follows', encodingInfo: true } as const
  const { pieces: jsonPieces, hasMeta } = viewAnswer(view, { ...wanted, attachments: wish })
  const json = joinedText(jsonPieces)
  const sent = sentAttachments(view, wish)
  if (sent.length === 0) return { boundary: undefined, pieces: [json], bytes: json.length, hasMeta }
  const pieces: Piece[] = []
  let bytes = 0
  const text = (piece: string | Buffer): void => {
    pieces.push(piece)
    bytes += Buffer.byteLength(piece)
  }
  text(`--${boundary}\r\nContent-Type: application/json\r\n\r\n`)
  text(json)
  for (const attachment of sent) {
    text(`\r\n--${boundary}${attachmentHead(attachment)}\r\n\r\n`)
    pieces.push({ [Symbol.asyncIterator]: () => attachment.storedBytes()[Symbol.asyncIterator]() })
    bytes += attachment.encodedLength
  }
  text(`\r\n--${boundary}--`)
  return { boundary, pieces, bytes, hasMeta }
}

function attachmentHead({ name, type, encodedLength, encoding }: AttachmentView): string {
  const coding = encoding === 'identity' ? '' : `\r\nContent-Encoding: ${encoding}`
  // Without its name the part is known by its place.
  const filename = isHeaderText(name) ? `; filename="${name.replace(/["\\]/g, '\\$&')}"` : ''
  return (
    `\r\nContent-Disposition: attachment${filename}` +
    `\r\nContent-Type: ${isHeaderText(type) ? type : DEFAULT_CONTENT_TYPE}` +
    `\r\nContent-Length: ${encodedLength}${coding}`
  )
}

/** A document as a part of `open_revs`. */
export function openRevsPart(view: DocumentView, wanted: DocumentMembers, boundary: string): Part {
  const { boundary: inner, pieces } = relatedDocument(view, wanted, boundary)
  const type = inner === undefined ? 'application/json' : `multipart/related; boundary="${inner}"`
  return { headers: `\r\nContent-Type: ${type}`, pieces }
}

/** With its line break; '' where no header can hold the text. */
function partHeader(name: string, text: string): string {
  return isHeaderText(text) ? `\r\n${name}: ${text}` : ''
}

/** A document as a part of `_bulk_get`. */
export function bulkGetPart(view: DocumentView, wanted: DocumentMembers, boundary: string): Part {
  const { boundary: inner, pieces } = relatedDocument(view, wanted, boundary)
  if (inner === undefined) return { headers: '\r\nContent-Type: application/json', pieces }
  const ids = partHeader('X-Doc-Id', view.id) + partHeader('X-Rev-Id', view.rev)
  return { headers: `${ids}\r\nContent-Type: multipart/related; boundary=${inner}`, pieces }
}

/** The parts with the delimiter before each, as `open_revs` is answered. No part has a length. */
export function* openRevsPieces(boundary: string, parts: Iterable<Part>): Generator<Piece> {
  yield `--${boundary}`
  for (const part of parts) {
    yield `${part.headers}\r\n\r\n`
    yield* part.pieces
    yield `\r\n--${boundary}`
  }
  yield '--'
}

/** As `_bulk_get` is answered: an empty list of parts is an empty body. */
export function* bulkGetPieces(boundary: string, parts: Iterable<Part>): Generator<Piece> {
  let any = false
  for (const part of parts) {
    any = true
    yield `\r\n--${boundary}${part.headers}\r\n\r\n`
    yield* part.pieces
  }
  if (any) yield `\r\n--${boundary}--\r\n`
}
