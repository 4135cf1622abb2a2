/** Rows as they are answered: a row a JSON object, with the document that it means where that is asked for. */
import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import type { AttachmentWish } from '../documents/attachment-wish.ts'
import { isUtf8 } from '../documents/characters.ts'
import { viewPieces } from '../documents/document-text.ts'
import type { Piece } from '../documents/piece.ts'
import type { RowCursor } from '../indexes/api.ts'
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
