/**
 * Where a query goes on, in CouchDB's form: `[{startkey_docid, Id}, {startkey, Key}]` as an external term, a long one packed
 * where that makes it shorter, in the base64 of URLs. A bookmark may come from anybody: how much it may say is bounded, and what is
 * not of this form is refused.
 */
import { deflateSync, inflateSync } from 'node:zlib'
import { DatabaseError } from '../base/errors.ts'
import { put } from '../documents/row-bytes.ts'
import { canonicalize } from '../json/documents.ts'
import { stringText } from '../json/writer.ts'
import { atom, jsonTerm, list, stringTerm, TermReader, tuple, VERSION } from './external-term.ts'

/** The row that was the last one. */
export interface Bookmark {
  /** JSON. */
  readonly key: string
  readonly id: string
}

/** What a query without a row answers. */
export const NO_BOOKMARK = 'nil'

const PACKED = 0x50
const PACKED_HEAD_BYTES = 6
/** Below, packing takes as long as a whole query does, for some bytes of an answer of which most are documents. */
const LEAST_PACKED_BYTES = 1024
/** Unpacked. Keys of rows are shorter. */
const MOST_BYTES = 8 * 1024 * 1024

const PLAIN_HEAD = Buffer.from([VERSION])
const LENGTH_BYTES = 4
/** Of the bookmark that is printed. */
const desk = Buffer.allocUnsafeSlow(1024)
/** The term of a bookmark, but for the id, with its length before it, and the key. */
const [BEFORE_ID, BEFORE_KEY, BEHIND_KEY] = termParts()

function termParts(): [Buffer, Buffer, Buffer] {
  const empty = stringTerm('')
  const pairs = [tuple(atom('startkey_docid'), empty), tuple(atom('startkey'), empty)]
  const term = Buffer.concat([PLAIN_HEAD, list(pairs)])
  const idAt = term.indexOf(empty) + empty.length - LENGTH_BYTES
  const keyAt = term.lastIndexOf(empty)
  return [
    term.subarray(0, idAt),
    term.subarray(idAt + LENGTH_BYTES, keyAt),
    term.subarray(keyAt + empty.length),
  ]
}

/** Of a row, whose key is canonical JSON. */
export function printBookmark(key: string | Buffer, id: string): string {
  const idBytes = Buffer.from(id)
  return bookmarkText(jsonTerm(key), idBytes, 0, idBytes.length)
}

/** The same of a row whose id, UTF-8, is bytes `start` to `end` of `idBytes`. */
export function printBookmarkOf(key: Buffer, idBytes: Uint8Array, start: number, end: number): string {
  return bookmarkText(jsonTerm(key), idBytes, start, end)
}

function bookmarkText(keyTerm: Buffer, idBytes: Uint8Array, idStart: number, idEnd: number): string {
  const idLength = idEnd - idStart
  const most =
    BEFORE_ID.length + LENGTH_BYTES + idLength + BEFORE_KEY.length + keyTerm.length + BEHIND_KEY.length
  const bytes = most <= desk.length ? desk : Buffer.allocUnsafe(most)
  let at = put(BEFORE_ID, 0, BEFORE_ID.length, bytes, 0)
  at = bytes.writeUInt32BE(idLength, at)
  at = put(idBytes, idStart, idEnd, bytes, at)
  at = put(BEFORE_KEY, 0, BEFORE_KEY.length, bytes, at)
  at = put(keyTerm, 0, keyTerm.length, bytes, at)
  const end = put(BEHIND_KEY, 0, BEHIND_KEY.length, bytes, at)
  const packed =
    end - PLAIN_HEAD.length < LEAST_PACKED_BYTES
      ? undefined
      : packedTerm(bytes.subarray(PLAIN_HEAD.length, end))
  return packed === undefined ? bytes.toString('base64url', 0, end) : packed.toString('base64url')
}

/** Undefined where that is not worth while. */
function packedTerm(term: Buffer): Buffer | undefined {
  const packed = deflateSync(term)
  if (packed.length + PACKED_HEAD_BYTES > term.length) return undefined
  const head = Buffer.alloc(PACKED_HEAD_BYTES)
  head[0] = VERSION
  head[1] = PACKED
  head.writeUInt32BE(term.length, 2)
  return Buffer.concat([head, packed])
}

/** Throws invalid_bookmark. */
export function readBookmark(text: string): Bookmark | undefined {
  if (text === NO_BOOKMARK) return undefined
  try {
    const pairs = new TermReader(termOf(Buffer.from(text, 'base64url'))).pairs()
    const key = pairs.get('startkey')
    const id: unknown = JSON.parse(pairs.get('startkey_docid') ?? 'null')
    if (key === undefined || typeof id !== 'string') throw new RangeError('no bookmark')
    return { key: canonicalize(Buffer.from(key)).toString(), id }
  } catch (error) {
    throw new DatabaseError('invalidBookmark', `Invalid bookmark value: ${stringText(text)}`, {
      cause: error,
    })
  }
}

/** Throws RangeError, and what unpacking throws. */
function termOf(bytes: Buffer): Buffer {
  if (bytes[0] !== VERSION) throw new RangeError('no term')
  if (bytes[1] !== PACKED) return bytes.subarray(1)
  const length = bytes.length < PACKED_HEAD_BYTES ? 0 : bytes.readUInt32BE(2)
  if (length > MOST_BYTES) throw new RangeError('the term is too long')
  const term = inflateSync(bytes.subarray(PACKED_HEAD_BYTES), { maxOutputLength: Math.max(1, length) })
  if (term.length !== length) throw new RangeError('the term has another length')
  return term
}
