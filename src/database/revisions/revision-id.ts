import { hash } from 'node:crypto'
import { writeDigits } from '../../base/digits.ts'
import { DatabaseError } from '../../base/errors.ts'
import { BINARY, EMPTY_LIST, INTEGER, LIST, SMALL_INTEGER, TermWriter } from '../../json/term-writer.ts'

// A revision is a generation and an id. The id is a byte string: a JavaScript string each character of
// which is one byte, 16 of them for the usual md5. Such a string costs half of a Buffer's memory or less,
// `===` and `<` on it compare its bytes, it serves as a Map's key, and many of them are cut from one larger
// string without a copy. The price: it must not be printed or put into JSON as it is, only through
// `formatRevision` or `formatRevisionId`.

/** Bytes of an id made by this server or by CouchDB. */
export const REVISION_ID_SIZE = 16
const HEX_SIZE = 2 * REVISION_ID_SIZE
/** Of a revision as text with such an id: 16 digits, a dash and 32 hexadecimal digits. */
export const MOST_REVISION_BYTES = 16 + 1 + HEX_SIZE
const DASH = 0x2d
const HEX_DIGITS = Buffer.from('0123456789abcdef')
const HEX = /^[0-9a-fA-F]{32}$/
const GENERATION = /^\+?[0-9]+$/
/** The highest generation that is stored. CouchDB has no bound; no history that was written comes near it. */
export const MAX_GENERATION = 2 ** 50
/** Used again by every call, which ends before the next one begins. */
const idBytes = Buffer.allocUnsafeSlow(REVISION_ID_SIZE)
/**
 * The longest id that is stored. It is in the tree that each edit of its document reads and writes, in an ETag, in each row of the
 * changes, and in the addresses that replications ask for. CouchDB has no bound; ids that clients make have some tens of bytes.
 */
export const MAX_REVISION_ID_BYTES = 1024
const EXTERNAL_TERM = 131
const DEFAULT_CONTENT_TYPE = 'application/octet-stream'

/** A revision: its generation, 1 for the first one (others hold 0 and less too), and its id as a byte string. */
export interface Revision {
  readonly pos: number
  readonly id: string
}

/** What of an attachment goes into its document's revision id. */
export interface HashedAttachment {
  readonly name: string
  /** The content type; none means `application/octet-stream`. */
  readonly type?: string
  /** Of the bytes as they are stored, 16 raw bytes. */
  readonly md5: Uint8Array
}

/** A revision of which the text cannot be read. */
export function invalidRevision(): DatabaseError {
  return new DatabaseError('badRequest', 'Invalid rev format')
}

/**
 * Reads `N-id`. An id of 32 characters is hexadecimal, any other is taken literally, as UTF-8. Throws
 * badRequest, "Invalid rev format", for anything else, strings or not.
 */
export function parseRevision(text: unknown): Revision {
  if (typeof text !== 'string') throw invalidRevision()
  const dash = text.indexOf('-')
  const generation = text.slice(0, dash)
  const id = parseRevisionId(text.slice(dash + 1))
  if (dash < 1 || !GENERATION.test(generation) || id === null) throw invalidRevision()
  return { pos: Number(generation), id }
}

/** The bytes of an id; null where it is 32 bytes long and not hexadecimal. */
export function parseRevisionId(text: string): string | null {
  if (text.length === HEX_SIZE && HEX.test(text)) {
    idBytes.write(text, 'hex')
    return idBytes.toString('latin1')
  }
  const bytes = Buffer.from(text)
  return bytes.length === HEX_SIZE ? null : bytes.toString('latin1')
}

/** `N-id`. */
export function formatRevision(revision: Revision): string {
  return `${revision.pos}-${formatRevisionId(revision.id)}`
}

/**
 * Writes `N-id` to bytes, for an id of the usual length that lies at `idAt` of `source`: at most MOST_REVISION_BYTES. Returns where
 * they end.
 */
export function writeUsualRevision(
  pos: number,
  source: Uint8Array,
  idAt: number,
  target: Uint8Array,
  from: number,
): number {
  let at = writeDigits(pos, target, from)
  target[at++] = DASH
  for (let i = idAt; i < idAt + REVISION_ID_SIZE; i++) {
    const byte = source[i]!
    target[at++] = HEX_DIGITS[byte >>> 4]!
    target[at++] = HEX_DIGITS[byte & 15]!
  }
  return at
}

/** The id's text: hexadecimal if it has 16 bytes, else literal. */
export function formatRevisionId(id: string): string {
  if (id.length !== REVISION_ID_SIZE) return Buffer.from(id, 'latin1').toString()
  idBytes.write(id, 'latin1')
  return idBytes.toString('hex')
}

/** Orders by generation, then by the bytes of the id, as CouchDB does; negative if `a` comes first. */
export function compareRevisions(a: Revision, b: Revision): number {
  if (a.pos !== b.pos) return a.pos - b.pos
  return a.id === b.id ? 0 : a.id < b.id ? -1 : 1
}

/**
 * The revision that CouchDB gives to an edit: its generation is one above the parent's, its id the md5 of
 * `[Deleted, OldStart, OldRev, Body, Atts]` in Erlang's external term format.
 *
 * `body` is the external term of the body. `attachments` are in the order of the document.
 */
export function nextRevision(
  deleted: boolean,
  parent: Revision | null,
  body: Uint8Array,
  attachments: readonly HashedAttachment[],
): Revision {
  hashed.length = 0
  hashed.byte(EXTERNAL_TERM)
  const list = hashed.openList()
  if (deleted) hashed.true()
  else hashed.false()
  hashed.integer(parent?.pos ?? 0)
  if (parent === null) hashed.integer(0)
  else hashed.binary(Buffer.from(parent.id, 'latin1'))
  hashed.raw(body, 0, body.length)
  hashAttachments(attachments)
  hashed.closeList(list, 5)
  const id = md5(hashed.bytes.subarray(0, hashed.length))
  hashed.release()
  return { pos: (parent?.pos ?? 0) + 1, id }
}

/** What `completeTerm` needs in front of a term, and behind it. */
export const HASH_ROOM_BEFORE = 48
export const HASH_ROOM_BEHIND = 2

/** A revision whose id has the usual length and lies in `bytes` at `at`. */
export interface PlacedRevision {
  pos: number
  readonly id: { readonly bytes: Uint8Array; readonly at: number }
}

/**
 * Writes beside a body's term, which lies in `bytes` from `start` to `end`, what makes it the term of which the md5 is the id of
 * `nextRevision`, without attachments: it begins at the place that this returns, and ends HASH_ROOM_BEHIND behind `end`. The
 * generation is of 31 bits.
 */
export function completeTerm(
  bytes: Buffer,
  start: number,
  end: number,
  deleted: boolean,
  parent: PlacedRevision | undefined,
): number {
  const word = deleted ? TRUE_ATOM : FALSE_ATOM
  const from = start - (LIST_HEAD_BYTES + word.length + bytesOfParent(parent))
  let at = from
  bytes[at++] = EXTERNAL_TERM
  bytes[at++] = LIST
  at = putU32(bytes, at, LIST_OF_FIVE)
  for (let i = 0; i < word.length; i++) bytes[at++] = word[i]!
  if (parent === undefined) putU32(bytes, at, TWO_ZEROS)
  else {
    const { pos, id } = parent
    if (pos <= 0xff) {
      bytes[at++] = SMALL_INTEGER
      bytes[at++] = pos
    } else {
      bytes[at++] = INTEGER
      at = putU32(bytes, at, pos)
    }
    bytes[at++] = BINARY
    at = putU32(bytes, at, REVISION_ID_SIZE)
    for (let i = 0; i < REVISION_ID_SIZE; i++) bytes[at++] = id.bytes[id.at + i]!
  }
  bytes[end] = EMPTY_LIST
  bytes[end + 1] = EMPTY_LIST
  return from
}

/** Of the term's version, and the list's tag and length. */
const LIST_HEAD_BYTES = 1 + 1 + 4

/** Of the generation and the id of what is replaced. */
function bytesOfParent(parent: PlacedRevision | undefined): number {
  if (parent === undefined) return 4
  return (parent.pos <= 0xff ? 2 : 5) + 5 + REVISION_ID_SIZE
}

/** Returns what lies behind it. */
function putU32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
  return at + 4
}

const LIST_OF_FIVE = 5
/** Twice the small integer 0: no generation, and no id. */
const TWO_ZEROS = 0x61006100
const TRUE_ATOM = Buffer.from('d\x00\x04true', 'latin1')
const FALSE_ATOM = Buffer.from('d\x00\x05false', 'latin1')

const hashed = new TermWriter()

/** CouchDB collects the attachments into a list from its front, so they are hashed last to first. */
function hashAttachments(attachments: readonly HashedAttachment[]): void {
  const list = hashed.openList()
  for (let i = attachments.length - 1; i >= 0; i--) {
    const { name, type, md5 } = attachments[i]!
    hashed.tuple(3)
    hashed.binary(Buffer.from(name))
    hashed.binary(Buffer.from(type ?? DEFAULT_CONTENT_TYPE))
    hashed.binary(md5)
  }
  hashed.closeList(list, attachments.length)
}

function md5(bytes: Uint8Array): string {
  return hash('md5', bytes, 'binary')
}
