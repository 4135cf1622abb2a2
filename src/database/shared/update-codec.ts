/**
 * Edits that were made ready, as bytes for the thread that writes them. Numbers are those of `byte-codec.ts` (`n`), `d` is a
 * double of 8 bytes, `b` a length (`n`) and bytes, `r` a revision: its generation (`d`), and its id (`b`). What holds:
 * - What is decoded is views of the bytes, which must not change until the edits are written.
 * - Places are not told: the edits are numbered in the order in which they stand here (documents, local ones, refused ones),
 *   and `result-codec.ts` answers in that order.
 * - The external term of a body goes along where the writer may have to compute a revision id: with stubs, and for an edit
 *   without a parent, which may extend a tombstone. Elsewhere it is decoded as empty.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | u8 | flags of the request: 1 new edits, 2 some edit is no deletion, 4 the edits were checked |
 * | n | where they were checked: the version of the design documents, and that of the settings, an n each |
 * | n | about what they will write |
 * | n | documents; for each: b id in UTF-8, u8 flags (1 design), n edits; for each: see `writeEdit` |
 * | n | local documents; for each: b id, u8 flags (1 deleted, 2 has a revision, 4 has a number), b body, b revision, n number |
 * | n | refused edits; for each: b id, b revision, b kind, b reason |
 */
import { ByteFormatError, ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import { LOCAL_PREFIX, MAX_ID_BYTES } from '../layout/layout.ts'
import type { Revision } from '../revisions/revision-id.ts'
import type { DocumentEdits, LocalEdit, ReadyEdit, ReadyEdits, RefusedEdit } from '../write/edits.ts'
import { localKey } from '../write/local-documents.ts'
import { readAttachments, writeAttachments } from './attachment-codec.ts'
import { readError, readText, writeError, writeText } from './text-codec.ts'

const VERSION = 1

const NEW_EDITS = 1
const GROWS = 2
const CHECKED = 4

const DESIGN = 1

const DELETED = 1
const VALIDATES = 2
const FAULT = 4
/** The parent is the second of the path. */
const PARENT_IN_PATH = 8
/** The parent is told. */
const PARENT = 16
const EXPIRES = 32
const ATTACHMENTS = 64
const TERM = 128
const CHECKED_WITHOUT_ANCESTOR = 256
const EDIT_FLAGS = 0x1ff

const LOCAL_DELETED = 1
const LOCAL_REV = 2
const LOCAL_NUMBER = 4

/** Of the ids that this server and CouchDB make; a path whose ids all have it is read as one string. */
const USUAL_ID_BYTES = 16
/** Of a path: `USUAL_ID_BYTES` each, or each with its length. */
const USUAL_IDS = 1
const ANY_IDS = 0

const NOTHING = Buffer.alloc(0)
const NO_ATTACHMENTS: ReadyEdit['attachments'] = []

const writer = new ByteWriter()

/** The bytes are good until the next edits are encoded. */
export function encodeEdits(ready: ReadyEdits): Buffer {
  writer.begin()
  writer.u8(VERSION)
  const { stamp } = ready
  writer.u8((ready.newEdits ? NEW_EDITS : 0) | (ready.grows ? GROWS : 0) | (stamp ? CHECKED : 0))
  if (stamp !== undefined) {
    writer.number(stamp.design)
    writer.number(stamp.settings)
  }
  writer.number(ready.bytes)
  writer.number(ready.documents.length)
  for (const document of ready.documents) {
    writer.number(document.key.length)
    writer.bytes(document.key)
    writer.u8(document.design ? DESIGN : 0)
    writer.number(document.edits.length)
    for (const edit of document.edits) writeEdit(edit, ready.newEdits)
  }
  writer.number(ready.local.length)
  for (const edit of ready.local) writeLocal(edit)
  writer.number(ready.refused.length)
  for (const { id, rev, refusal } of ready.refused) {
    writeText(writer, id)
    writeText(writer, rev)
    writeError(writer, refusal)
  }
  return writer.view()
}

/** In the order in which the edits are encoded: whose result it is, and its place in the request. */
export function placesOf({ documents, local, refused }: ReadyEdits): { id: string; place: number }[] {
  const places: { id: string; place: number }[] = []
  for (const { id, edits } of documents) for (const { place } of edits) places.push({ id, place })
  for (const { id, place } of local) places.push({ id, place })
  for (const { id, place } of refused) places.push({ id, place })
  return places
}

/** Whether the writer may have to compute the revision id. */
function needsTerm({ path, parent, deleted }: ReadyEdit, newEdits: boolean): boolean {
  return newEdits && (path.length === 0 || (parent === undefined && !deleted))
}

/**
 * n flags, b body, the path, and what the flags say: b term, b fault, r parent, d time of expiry, the attachments.
 * The path: n revisions; if there are any, d generation of the newest, u8 kind of ids, and the ids.
 */
function writeEdit(edit: ReadyEdit, newEdits: boolean): void {
  const { path, parent, attachments, fault, expiresAtMs } = edit
  let flags = 0
  if (edit.deleted) flags |= DELETED
  if (edit.validates) flags |= VALIDATES
  if (fault !== undefined) flags |= FAULT
  if (parent !== undefined) flags |= parent === path[1] ? PARENT_IN_PATH : PARENT
  if (expiresAtMs !== undefined) flags |= EXPIRES
  if (attachments.length > 0) flags |= ATTACHMENTS
  if (needsTerm(edit, newEdits)) flags |= TERM
  if (edit.checkedWithoutAncestor) flags |= CHECKED_WITHOUT_ANCESTOR
  writer.number(flags)
  writer.number(edit.body.length)
  writer.bytes(edit.body)
  writePath(path)
  if ((flags & TERM) !== 0) {
    writer.number(edit.term.length)
    writer.bytes(edit.term)
  }
  if (fault !== undefined) writeText(writer, fault)
  if ((flags & PARENT) !== 0) {
    writer.double(parent!.pos)
    writer.number(parent!.id.length)
    writer.byteString(parent!.id)
  }
  if (expiresAtMs !== undefined) writer.double(expiresAtMs)
  if (attachments.length > 0) writeAttachments(writer, attachments)
}

/** Generations go down by one from the newest on. */
function writePath(path: readonly Revision[]): void {
  writer.number(path.length)
  if (path.length === 0) return
  writer.double(path[0]!.pos)
  const isUsual = path.every(({ id }) => id.length === USUAL_ID_BYTES)
  writer.u8(isUsual ? USUAL_IDS : ANY_IDS)
  for (const { id } of path) {
    if (!isUsual) writer.number(id.length)
    writer.byteString(id)
  }
}

function writeLocal(edit: LocalEdit): void {
  writer.number(edit.key.length)
  writer.bytes(edit.key)
  const { deleted, rev, number, body } = edit
  writer.u8(
    (deleted ? LOCAL_DELETED : 0) |
      (rev === undefined ? 0 : LOCAL_REV) |
      (number === undefined ? 0 : LOCAL_NUMBER),
  )
  writer.number(body.length)
  writer.bytes(body)
  if (rev !== undefined) writeText(writer, rev)
  if (number !== undefined) writer.number(number)
}

/** Throws ByteFormatError for bytes that are no edits. */
export function decodeEdits(bytes: Uint8Array): ReadyEdits {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version !== VERSION) throw new ByteFormatError(`edits of version ${version}`)
  const flags = checkedFlags(reader.u8(), NEW_EDITS | GROWS | CHECKED)
  const stamp = (flags & CHECKED) === 0 ? undefined : { design: reader.number(), settings: reader.number() }
  const size = reader.number()
  let place = 0
  const documents: DocumentEdits[] = []
  for (let left = reader.number(); left > 0; left--) {
    const key = readKey(reader)
    const design = checkedFlags(reader.u8(), DESIGN) !== 0
    const edits: ReadyEdit[] = []
    for (let more = reader.number(); more > 0; more--) edits.push(readEdit(reader, place++))
    documents.push({ id: key.toString(), key, design, edits })
  }
  const local: LocalEdit[] = []
  for (let left = reader.number(); left > 0; left--) local.push(readLocal(reader, place++))
  const refused: RefusedEdit[] = []
  for (let left = reader.number(); left > 0; left--) {
    refused.push({ place: place++, id: readText(reader), rev: readText(reader), refusal: readError(reader) })
  }
  if (!reader.atEnd) throw new ByteFormatError('bytes behind the last edit')
  return {
    newEdits: (flags & NEW_EDITS) !== 0,
    stamp,
    grows: (flags & GROWS) !== 0,
    bytes: size,
    documents,
    local,
    refused,
  }
}

function checkedFlags(flags: number, known: number): number {
  if ((flags & ~known) !== 0) throw new ByteFormatError(`unknown flags: ${flags}`)
  return flags
}

function readKey(reader: ByteReader): Buffer {
  const key = reader.bytes(reader.number())
  if (key.length > MAX_ID_BYTES) throw new ByteFormatError(`an id of ${key.length} bytes`)
  return key
}

function readEdit(reader: ByteReader, place: number): ReadyEdit {
  const flags = checkedFlags(reader.number(), EDIT_FLAGS)
  const body = reader.bytes(reader.number())
  const path = readPath(reader)
  const term = (flags & TERM) === 0 ? NOTHING : reader.bytes(reader.number())
  const fault = (flags & FAULT) === 0 ? undefined : readText(reader)
  const parent = readParent(reader, flags, path)
  const expiresAtMs = (flags & EXPIRES) === 0 ? undefined : reader.double()
  const attachments = (flags & ATTACHMENTS) === 0 ? NO_ATTACHMENTS : readAttachments(reader)
  return {
    place,
    deleted: (flags & DELETED) !== 0,
    body,
    term,
    validates: (flags & VALIDATES) !== 0,
    fault,
    parent,
    path,
    attachments,
    expiresAtMs,
    checkedWithoutAncestor: (flags & CHECKED_WITHOUT_ANCESTOR) !== 0,
  }
}

function readPath(reader: ByteReader): Revision[] {
  const path: Revision[] = []
  const count = reader.number()
  if (count === 0) return path
  const start = reader.double()
  const kind = reader.u8()
  if (kind === USUAL_IDS) {
    const ids = reader.byteString(count * USUAL_ID_BYTES)
    for (let at = 0; at < count; at++) {
      path.push({ pos: start - at, id: ids.slice(at * USUAL_ID_BYTES, (at + 1) * USUAL_ID_BYTES) })
    }
  } else if (kind === ANY_IDS) {
    for (let at = 0; at < count; at++) path.push({ pos: start - at, id: reader.byteString(reader.number()) })
  } else throw new ByteFormatError(`unknown ids of revisions: ${kind}`)
  return path
}

function readParent(reader: ByteReader, flags: number, path: readonly Revision[]): Revision | undefined {
  if ((flags & PARENT) !== 0) return { pos: reader.double(), id: reader.byteString(reader.number()) }
  if ((flags & PARENT_IN_PATH) === 0) return undefined
  const parent = path[1]
  if (parent === undefined) throw new ByteFormatError('a path without the parent')
  return parent
}

function readLocal(reader: ByteReader, place: number): LocalEdit {
  const name = readKey(reader).toString()
  const flags = checkedFlags(reader.u8(), LOCAL_DELETED | LOCAL_REV | LOCAL_NUMBER)
  const body = reader.bytes(reader.number())
  return {
    place,
    id: LOCAL_PREFIX + name,
    key: localKey(name),
    deleted: (flags & LOCAL_DELETED) !== 0,
    body,
    rev: (flags & LOCAL_REV) === 0 ? undefined : readText(reader),
    number: (flags & LOCAL_NUMBER) === 0 ? undefined : reader.number(),
  }
}
