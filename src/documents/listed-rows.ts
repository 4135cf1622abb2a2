/** Rows of listings of documents, written to where an answer is gathered. The bytes are those that rows as objects give. */
import type { DocumentView, Rows, StoredDocument, StoredRow, StoredRows } from '../database/api/database.ts'
import { MOST_SEQUENCE_BYTES } from '../database/layout/sequence.ts'
import { MOST_REVISION_BYTES } from '../database/revisions/revision-id.ts'
import type { Chunk, Gathered } from './gathered.ts'
import type { Piece, RowFiller } from './piece.ts'
import {
  FixedText,
  isPlainRow,
  isUsualRevision,
  repeat,
  writeId,
  writePlain,
  writeRevision,
} from './row-bytes.ts'

const FIRST_HEAD = new FixedText('{"id":"')
const HEAD = new FixedText(',\r\n{"id":"')
const KEY = new FixedText('","key":"')
const VALUE = new FixedText('","value":{"rev":"')
const VALUE_END = new FixedText('"}}')
const DOCUMENT = new FixedText('"},"doc":{"_id":"')
const REVISION = new FixedText('","_rev":"')
const CLOSE = 0x7d
const COMMA = 0x2c
const QUOTE = 0x22
/** Of a row, beside its id, its revision and its body. */
const AROUND_BYTES = 128
/** An object without members. */
const EMPTY_BODY_BYTES = 2

/** Rows of one step, and bytes after which it ends: what they take is a small part of a turn. */
export const STEP_ROWS = 32
export const STEP_BYTES = 8 * 1024

/** Whether the rows can be shown as they are stored. */
export function isStored<Row>(rows: Rows<Row>): rows is StoredRows<Row> {
  return rows.nextStored !== undefined
}

/** Whether the document can be shown as it is stored. */
export function isStoredView(view: DocumentView | StoredDocument): view is StoredDocument {
  return 'placeBody' in view
}

/** How rows are shown. */
export interface ListedRows<Row> {
  readonly includeDocs: boolean
  readonly conflicts: boolean
  /** The pieces of a row that has more to it than bytes; none of them is a source. */
  pieces(row: Row): readonly Piece[]
}

const CHANGE_HEAD = new FixedText('{"seq":')
const CHANGE_ID = new FixedText(',"id":"')
const CHANGES = new FixedText('","changes":[{"rev":"')
const CHANGES_END = new FixedText('"}]')
const DELETED = new FixedText(',"deleted":true')
const CHANGE_DOCUMENT = new FixedText(',"doc":{"_id":"')
const NULL = new FixedText('null')

/** How changes are shown. */
export interface ListedChanges {
  readonly includeDocs: boolean
  readonly conflicts: boolean
  /** Whether a change names every leaf. */
  readonly allLeaves: boolean
  readonly writeSeq: (seqNumber: number, bytes: Uint8Array, at: number) => number
}

/**
 * Writes a row of `_changes` behind `separator`, of some bytes at most; `isNumbered`: with its sequence. False, and nothing is written, for a row
 * that has more to it than bytes.
 */
export function writeChange(
  row: StoredRow,
  out: Gathered,
  wish: ListedChanges,
  separator: FixedText,
  isNumbered: boolean,
): boolean {
  const { includeDocs, conflicts, allLeaves, writeSeq } = wish
  if (row.leafCount > 1 && (allLeaves || (includeDocs && conflicts))) return false
  if (includeDocs && (row.deleted || row.hasAttachments)) return false
  if (!isPlainRow(row)) return false
  const idBytes = row.idEnd - row.idStart
  const room = out.reserve(AROUND_BYTES + MOST_SEQUENCE_BYTES + 2 * idBytes + 2 * MOST_REVISION_BYTES)
  const { bytes: chunk, view } = room
  let at = separator.write(view, out.used)
  at = CHANGE_HEAD.write(view, at)
  if (isNumbered) {
    chunk[at] = QUOTE
    at = writeSeq(row.seqNumber, chunk, at + 1)
    chunk[at++] = QUOTE
  } else at = NULL.write(view, at)
  const id = CHANGE_ID.write(view, at)
  at = writeId(row, chunk, id)
  const revision = CHANGES.write(view, at)
  const revisionEnd = writeRevision(row, room, revision)
  at = CHANGES_END.write(view, revisionEnd)
  if (row.deleted) at = DELETED.write(view, at)
  if (includeDocs) {
    at = CHANGE_DOCUMENT.write(view, at)
    writeDocument(row, out, room, at, { id, idBytes, revision, revisionEnd })
    return true
  }
  chunk[at++] = CLOSE
  out.used = at
  return true
}

/** Rows of `_all_docs`, with what stands between them. */
export class ListedRowFiller<Row> implements RowFiller {
  readonly #rows: StoredRows<Row>
  readonly #wish: ListedRows<Row>
  #isFirst = true

  constructor(rows: StoredRows<Row>, wish: ListedRows<Row>) {
    this.#rows = rows
    this.#wish = wish
  }

  fill(out: Gathered): boolean {
    const start = out.size
    const most = Math.min(out.most, start + STEP_BYTES)
    for (let i = 0; i < STEP_ROWS && out.size < most; i++) {
      const row = this.#rows.nextStored()
      if (row === undefined) return false
      this.#write(row, out)
    }
    return true
  }

  #write(row: StoredRow, out: Gathered): void {
    const { includeDocs, conflicts } = this.#wish
    const isWhole = includeDocs && (row.hasAttachments || (conflicts && row.leafCount > 1))
    if (isWhole || row.deleted || !isUsualRevision(row)) {
      this.#writePieces(out)
      return
    }
    const idBytes = row.idEnd - row.idStart
    const room = out.reserve(AROUND_BYTES + 3 * idBytes + 2 * MOST_REVISION_BYTES)
    const { bytes: chunk, view } = room
    const id = (this.#isFirst ? FIRST_HEAD : HEAD).write(view, out.used)
    let at = writePlain(row.idBytes, row.idStart, row.idEnd, chunk, id)
    if (at < 0) {
      this.#writePieces(out)
      return
    }
    this.#isFirst = false
    at = KEY.write(view, at)
    at = repeat(room, id, id + idBytes, at)
    const revision = VALUE.write(view, at)
    const revisionEnd = writeRevision(row, room, revision)
    if (includeDocs)
      writeDocument(row, out, room, DOCUMENT.write(view, revisionEnd), { id, idBytes, revision, revisionEnd })
    else out.used = VALUE_END.write(view, revisionEnd)
  }

  /** The row as objects have it. */
  #writePieces(out: Gathered): void {
    if (!this.#isFirst) out.add(',\r\n')
    this.#isFirst = false
    for (const piece of this.#wish.pieces(this.#rows.row())) addPiece(piece, out)
  }
}

const FOUND_HEAD = new FixedText('{"id":"')
const FOUND = new FixedText('","docs":[{"ok":{"_id":"')
const FOUND_END = new FixedText('}}]}')

/**
 * Writes what `_bulk_get` says of a document behind what stands before it: the revision `rev`, or every leaf. False, and nothing is
 * written, where that is more than the winner's bytes.
 */
export function writeFound(
  row: StoredRow,
  out: Gathered,
  rev: string | undefined,
  separator: FixedText,
): boolean {
  if (row.deleted || row.hasAttachments || !isPlainRow(row)) return false
  if (rev === undefined && row.leafCount > 1) return false
  const idBytes = row.idEnd - row.idStart
  const room = out.reserve(AROUND_BYTES + 2 * idBytes + MOST_REVISION_BYTES)
  const { bytes: chunk, view } = room
  let at = separator.write(view, out.used)
  const id = FOUND_HEAD.write(view, at)
  at = writeId(row, chunk, id)
  at = FOUND.write(view, at)
  at = repeat(room, id, id + idBytes, at)
  at = REVISION.write(view, at)
  const revision = at
  at = writeRevision(row, room, at)
  if (rev !== undefined && !isText(rev, chunk, revision, at)) return false
  chunk[at++] = QUOTE
  out.used = at
  addMembers(row, out)
  out.used = FOUND_END.write(out.reserve(AROUND_BYTES).view, out.used)
  return true
}

/** Whether bytes of ASCII are those of the text. */
function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let i = start; i < end; i++) if (text.charCodeAt(i - start) !== bytes[i]) return false
  return true
}

/** Where the row's id and revision have been written. */
interface Written {
  readonly id: number
  readonly idBytes: number
  readonly revision: number
  readonly revisionEnd: number
}

/** The member `doc` behind the id's first quote, and the end of the row. */
function writeDocument(row: StoredRow, out: Gathered, room: Chunk, start: number, written: Written): void {
  const { bytes: chunk, view } = room
  const { id, idBytes, revision, revisionEnd } = written
  let at = repeat(room, id, id + idBytes, start)
  at = REVISION.write(view, at)
  at = repeat(room, revision, revisionEnd, at)
  chunk[at++] = QUOTE
  out.used = at
  addMembers(row, out)
  const { bytes } = out.reserve(2)
  bytes[out.used] = CLOSE
  bytes[out.used + 1] = CLOSE
  out.used += 2
}

const DOCUMENT_HEAD = new FixedText('{"_id":"')

/** Writes the document behind `separator`. False, and nothing is written, where it has more to it than bytes, or is deleted. */
export function writeWhole(row: StoredRow, out: Gathered, separator: FixedText): boolean {
  if (row.deleted || row.hasAttachments || !isPlainRow(row)) return false
  const { bytes: body, start, end } = row.placeBody()
  const inner = Math.max(0, end - start - EMPTY_BODY_BYTES)
  const room = out.reserve(AROUND_BYTES + row.idEnd - row.idStart + MOST_REVISION_BYTES + inner)
  const { bytes: chunk, view } = room
  let at = separator.write(view, out.used)
  at = DOCUMENT_HEAD.write(view, at)
  at = writeId(row, chunk, at)
  at = REVISION.write(view, at)
  at = writeRevision(row, room, at)
  chunk[at++] = QUOTE
  if (inner > 0) {
    chunk[at++] = COMMA
    chunk.set(body.subarray(start + 1, end - 1), at)
    at += inner
  }
  chunk[at++] = CLOSE
  out.used = at
  return true
}

/** The members of the body, each with a comma before it. */
function addMembers(row: StoredRow, out: Gathered): void {
  const { bytes, start, end } = row.placeBody()
  const inner = end - start - EMPTY_BODY_BYTES
  if (inner <= 0) return
  const { bytes: chunk } = out.reserve(inner + 1)
  chunk[out.used] = COMMA
  chunk.set(bytes.subarray(start + 1, end - 1), out.used + 1)
  out.used += inner + 1
}

/** A piece of a row of which no data is read later. */
export function addPiece(piece: Piece, out: Gathered): void {
  if (typeof piece === 'string' || piece instanceof Uint8Array) out.add(piece)
  else throw new Error('a row that writes itself has data that is read later')
}
