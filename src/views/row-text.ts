/** Rows as they are answered: a row a JSON object, with the document that it means where that is asked for. */
import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import type { AttachmentWish } from '../documents/attachment-wish.ts'
import { isUtf8 } from '../documents/characters.ts'
import { viewPieces } from '../documents/document-text.ts'
import type { Gathered } from '../documents/gathered.ts'
import { addPiece, STEP_BYTES, STEP_ROWS } from '../documents/listed-rows.ts'
import type { Piece, RowFiller } from '../documents/piece.ts'
import { FixedText, isPlain, put } from '../documents/row-bytes.ts'
import type { RowCursor } from '../indexes/api.ts'
import { emptyPlaces, placeId } from '../indexes/keys/row-key.ts'
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
const CLOSE_BRACE = 0x7d
const CLOSE = '}'
const NOTHING = new FixedText('')

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
      : [head, Buffer.concat([key, Buffer.from(VALUE.text), value]), close]
  if (documents === undefined) return text
  const document = documentPieces(documents, id, value)
  return document === undefined ? [...text, 'null}'] : [...text, ...document, CLOSE]
}

const SEPARATOR = new FixedText(',\r\n')
const HEAD_OF_ID = new FixedText('{"id":"')
const HEAD_OF_KEY = new FixedText('","key":')
const VALUE = new FixedText(',"value":')
/** Of a row, beside what the index has of it. */
const AROUND_BYTES = 64
/** A longer row goes out in pieces of its own. */
const LONGEST_BYTES = 16 * 1024

/** Where the present row lies, and its id: looked at before anything else is done. */
const { entry, id: idPlace } = emptyPlaces()

/** Rows without documents, with what stands between them. `rows` gives undefined after a step that found none. */
export class RowTextFiller implements RowFiller {
  readonly #rows: Iterator<RowCursor | undefined>
  #separator = NOTHING

  constructor(rows: Iterator<RowCursor | undefined>) {
    this.#rows = rows
  }

  fill(out: Gathered): boolean {
    const most = Math.min(out.most, out.size + STEP_BYTES)
    for (let i = 0; i < STEP_ROWS && out.size < most; i++) {
      const step = this.#rows.next()
      if (step.done === true) return false
      if (step.value === undefined) return true
      this.#write(step.value, out)
      this.#separator = SEPARATOR
    }
    return true
  }

  #write(cursor: RowCursor, out: Gathered): void {
    if (writeRow(cursor, out, this.#separator)) return
    out.add(this.#separator.text)
    for (const piece of rowPieces(cursor)) addPiece(piece, out)
  }
}

/** False, and nothing is written, where the row is long, or the id's JSON is not the id. */
function writeRow(cursor: RowCursor, out: Gathered, separator: FixedText): boolean {
  cursor.locate(entry)
  const { valueBytes, valueStart, valueEnd } = entry
  if (!placeId(entry, idPlace) || !isPlain(idPlace.bytes, idPlace.start, idPlace.end)) return false
  const rowBytes = idPlace.end - idPlace.start + valueEnd - valueStart
  if (rowBytes > LONGEST_BYTES) return false
  const { bytes, view } = out.reserve(AROUND_BYTES + rowBytes)
  let at = separator.write(view, out.used)
  at = HEAD_OF_ID.write(view, at)
  at = put(idPlace.bytes, idPlace.start, idPlace.end, bytes, at)
  at = HEAD_OF_KEY.write(view, at)
  const { keyStart, valueStart: jsonStart } = rowValueParts(valueBytes, valueStart)
  at = put(valueBytes, keyStart, jsonStart, bytes, at)
  at = VALUE.write(view, at)
  at = put(valueBytes, jsonStart, valueEnd, bytes, at)
  bytes[at] = CLOSE_BRACE
  out.used = at + 1
  return true
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
