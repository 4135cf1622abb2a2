/** Rows as they are answered: a row a JSON object, with the document that it means where that is asked for. */
import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import { isTurnOver } from '../base/time-slice.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import type { AttachmentWish } from '../documents/attachment-wish.ts'
import { isUtf8 } from '../documents/characters.ts'
import { viewPieces } from '../documents/document-text.ts'
import { PAUSE, type Piece } from '../documents/piece.ts'
import type { RowCursor } from '../indexes/api.ts'
import { BYTES_BEHIND_ID, idStart } from '../indexes/keys/row-key.ts'
import { rowValueParts } from '../indexes/keys/row-value.ts'
import { walkMembers } from '../json/members.ts'
import { stringText } from '../json/writer.ts'

/** How documents are shown with their rows. */
export interface RowDocuments {
  readonly database: Database
  readonly conflicts: boolean
  readonly attachments: AttachmentWish
}

/** Of a row up to here text is made of the bytes, beyond it they are copied. */
const SHORT_BYTES = 4096
const OPEN_BRACE = 0x7b
const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const TILDE = 0x7e
const CLOSE = Buffer.from('}')
const VALUE = Buffer.from(',"value":')

/** The row that the cursor stands at; `documents` undefined: without any. Nothing of the cursor's memory is kept. */
export function rowPieces(cursor: RowCursor, documents?: RowDocuments): [head: string, ...rest: Piece[]] {
  const key = cursor.key()
  const value = cursor.value()
  const id = cursor.id()
  const head = `{"id":${stringText(id)},"key":`
  const close = documents === undefined ? '}' : ',"doc":'
  const text: [string, ...Piece[]] =
    key.length + value.length <= SHORT_BYTES
      ? [`${head}${key.toString()},"value":${value.toString()}${close}`]
      : [head, Buffer.concat([key, VALUE, value]), close]
  if (documents === undefined) return text
  const document = documentPieces(documents, id, value)
  return document === undefined ? [...text, 'null}'] : [...text, ...document, CLOSE]
}

/** Of rows that are put together: a piece of them is good until the next row of anybody is written. */
const desk = Buffer.allocUnsafeSlow(16 * 1024)
/** What is no longer is worth waiting for more. */
const FULL_BYTES = 8 * 1024
/** Between two pieces others may get their turn. */
const MOST_ROWS = 256
const HEAD_OF_ID = Buffer.from('{"id":"')
const HEAD_OF_KEY = Buffer.from('","key":')
const SEPARATOR = Buffer.from(',\r\n')
/** Of a row, beside what the index has of it. */
const AROUND_BYTES = HEAD_OF_ID.length + HEAD_OF_KEY.length + VALUE.length + CLOSE.length + SEPARATOR.length

/**
 * Rows without documents, many to a piece, with what stands between them. `rows` gives undefined after a step that found
 * none. A piece has to be taken before the next is asked for, and before anybody else's turn.
 */
export function* rowTexts(rows: Iterable<RowCursor | undefined>): Generator<Piece, void, void> {
  let used = 0
  let count = 0
  let isFirst = true
  for (const cursor of rows) {
    if (cursor === undefined) {
      if (!isTurnOver()) continue
      if (used > 0) yield desk.subarray(0, used)
      used = 0
      yield PAUSE
      continue
    }
    const end = written(cursor, used, isFirst)
    if (end >= 0) used = end
    else {
      if (used > 0) yield desk.subarray(0, used)
      used = 0
      const [head, ...rest] = rowPieces(cursor)
      yield isFirst ? head : `,\r\n${head}`
      yield* rest
    }
    isFirst = false
    count += 1
    if (used < FULL_BYTES && count < MOST_ROWS) continue
    if (used > 0) yield desk.subarray(0, used)
    used = 0
    count = 0
  }
  if (used > 0) yield desk.subarray(0, used)
}

/** Behind the row that was written to the desk at `offset`; -1 where there is no room, or the id's JSON is not the id. */
function written(cursor: RowCursor, offset: number, isFirst: boolean): number {
  const place = cursor.place()
  const stored = cursor.stored()
  const start = idStart(place)
  if (start < 0 || offset + AROUND_BYTES + place.length + stored.length > desk.length) return -1
  let at = isFirst ? offset : put(SEPARATOR, 0, SEPARATOR.length, offset)
  at = put(HEAD_OF_ID, 0, HEAD_OF_ID.length, at)
  const idEnd = place.length - BYTES_BEHIND_ID
  for (let i = start; i < idEnd; i++) {
    const byte = place[i]!
    if (byte < SPACE || byte > TILDE || byte === QUOTE || byte === BACKSLASH) return -1
    desk[at++] = byte
  }
  at = put(HEAD_OF_KEY, 0, HEAD_OF_KEY.length, at)
  const { keyStart, valueStart } = rowValueParts(stored)
  at = put(stored, keyStart, valueStart, at)
  at = put(VALUE, 0, VALUE.length, at)
  at = put(stored, valueStart, stored.length, at)
  desk[at] = CLOSE[0]!
  return at + 1
}

/** Short pieces, the most, are copied without leaving JavaScript. */
function put(source: Buffer, from: number, to: number, at: number): number {
  if (to - from > 96) source.copy(desk, at, from, to)
  else for (let i = from, target = at; i < to; i++) desk[target++] = source[i]!
  return at + to - from
}

function documentPieces(documents: RowDocuments, id: string, value: Buffer): Piece[] | undefined {
  const { database, conflicts, attachments } = documents
  const link = value[0] === OPEN_BRACE ? linkOf(value) : {}
  if (link.id === undefined) {
    const view = link.rev === undefined ? currentView(database, id) : revisionView(database, id, link.rev)
    return view && viewPieces(view, { conflicts, attachments })
  }
  // As in CouchDB, another document than the row's own comes without conflicts, and with attachments as stubs.
  const linked = JSON.parse(link.id) as unknown
  if (typeof linked !== 'string' || !isUtf8(linked)) return undefined
  const view =
    link.rev === undefined ? currentView(database, linked) : revisionView(database, linked, link.rev)
  return view && viewPieces(view)
}

/** The JSON of `_id` and `_rev` in a value that is an object. */
function linkOf(value: Buffer): { id?: string; rev?: string } {
  const link: { id?: string; rev?: string } = {}
  if (!value.includes('"_id":') && !value.includes('"_rev":')) return link
  walkMembers(value, 0, (name, nameEnd, start, end) => {
    const said = value.toString('latin1', name, nameEnd)
    if (said === '"_id"') link.id = value.toString('utf8', start, end)
    else if (said === '"_rev"') link.rev = value.toString('utf8', start, end)
  })
  return link
}

function currentView(database: Database, id: string): DocumentView | undefined {
  return found(() => {
    const row = database.lookup(id)
    return row === undefined || row.deleted ? undefined : row.document()
  })
}

function revisionView(database: Database, id: string, revision: string): DocumentView | undefined {
  const rev = JSON.parse(revision) as unknown
  if (typeof rev !== 'string') return undefined
  return found(() => {
    const [opened] = database.openRevs(id, [rev])
    return opened !== undefined && 'ok' in opened ? opened.ok : undefined
  })
}

/** What a map emits may be no id and no revision. */
const NOT_THERE = new Set<ErrorKind>(['missing', 'deleted', 'badRequest', 'illegalDocumentId'])

function found(look: () => DocumentView | undefined): DocumentView | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof DatabaseError && NOT_THERE.has(error.kind)) return undefined
    throw error
  }
}
