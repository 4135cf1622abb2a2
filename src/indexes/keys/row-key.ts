/**
 * Keys of rows in the tree of an index: the sort key (tokens.ts); the document's id, in which zeros and ones are written as
 * 1, 1 and 1, 2; a zero; the number of the row among those of its document; and one byte by which the id is found from
 * the end: its length as it is written here, or 255, which says nothing.
 *
 * Places are bounds: what comes before the rows whose keys they are a beginning of. So a sort key is the place before all
 * rows of its key.
 */
import type { EntryPlace, ValuePlace } from '../../../native-free-btree/index.ts'
import { decoded, writeEscaped } from './sort-key.ts'
import { elementsEnd, hasTextBefore, sortKeyEnd } from './token-walk.ts'
import * as T from './tokens.ts'

/** Numbers below have one byte; others have this plus the count of the bytes that follow, the highest first. */
const SHORT_NUMBERS = 0x80
const NO_LENGTH = 0xff
/** Behind the id in a row's key, whose length as it is written there is known. */
const BYTES_BEHIND_ID = 3
/** Where the number is a large one. */
const MOST_BEHIND_ID = 7
/** Of an id as it is written here, so that a row's key is no longer than the engine's keys may be. */
const MAX_ID_BYTES = 40_000

/** Whether a document of this id can have rows: in an index of its own, no document of a longer one has any. */
export function canHaveRows(id: Uint8Array): boolean {
  return escapedLength(id) <= MAX_ID_BYTES
}

/**
 * The key of a row. `number`: of the row among its document's in the tree, below 2^32. Throws RangeError for an id that can
 * have no rows.
 */
export function rowKey(sortKey: Uint8Array, id: Uint8Array, number: number): Buffer {
  const idLength = escapedLength(id)
  if (idLength > MAX_ID_BYTES) throw new RangeError(`an id of ${id.length} bytes in an index`)
  const numberLength = numberBytes(number)
  const key = Buffer.allocUnsafe(sortKey.length + idLength + 2 + numberLength)
  key.set(sortKey)
  writeBehindSortKey(key, sortKey.length, id, number)
  return key
}

/** Bytes that `writeBehindSortKey` may take. */
export function mostBehindSortKey(id: Uint8Array): number {
  return 2 * id.length + MOST_BEHIND_ID
}

/** Writes what stands behind the sort key in the key of a row. Returns where it ends. `id` is one that can have rows. */
export function writeBehindSortKey(target: Buffer, start: number, id: Uint8Array, number: number): number {
  let at = writeEscaped(target, start, id, 0, id.length)
  const idLength = at - start
  const numberLength = numberBytes(number)
  target[at++] = 0
  if (numberLength === 1) target[at++] = number
  else {
    target[at++] = SHORT_NUMBERS + numberLength - 1
    at = target.writeUIntBE(number, at, numberLength - 1)
  }
  target[at++] = numberLength === 1 && idLength < NO_LENGTH ? idLength : NO_LENGTH
  return at
}

/** The id of a row's document. */
export function idOf(key: Uint8Array): string {
  const length = key.at(-1)!
  if (length === NO_LENGTH) {
    const start = sortKeyEnd(key)
    return unescaped(key, start, key.indexOf(0, start))
  }
  const end = key.length - BYTES_BEHIND_ID
  return unescaped(key, end - length, end)
}

const NONE = Buffer.alloc(0)

/** Where a row will lie, for `RowCursor.locate`, and where its id, for `placeId`. Nothing does yet. */
export function emptyPlaces(): { entry: EntryPlace; id: ValuePlace } {
  const entry = { keyBytes: NONE, keyStart: 0, keyEnd: 0, valueBytes: NONE, valueStart: 0, valueEnd: 0 }
  return { entry, id: { bytes: NONE, start: 0, end: 0 } }
}

/** Says where the id of a row lies, UTF-8, in the row's key; false where it has to be looked for, or is written otherwise there. */
export function placeId({ keyBytes, keyStart, keyEnd }: Readonly<EntryPlace>, into: ValuePlace): boolean {
  const length = keyBytes[keyEnd - 1]!
  const end = keyEnd - BYTES_BEHIND_ID
  const start = end - length
  if (length === NO_LENGTH || start < keyStart) return false
  for (let at = start; at < end; at++) if (keyBytes[at]! <= 1) return false
  into.bytes = keyBytes
  into.start = start
  into.end = end
  return true
}

/** The sort key of a row's key: a view of it. */
export function sortKeyOf(key: Uint8Array): Uint8Array {
  const length = key.at(-1)!
  return key.subarray(0, length === NO_LENGTH ? sortKeyEnd(key) : key.length - BYTES_BEHIND_ID - length)
}

/** Whether no row of the same key and document can stand before this one. False says nothing. */
export function isFirstOfDocument(key: Uint8Array): boolean {
  return key.at(-1) !== NO_LENGTH && key.at(-2) === 0
}

/** The place after all rows of a key; also after all that begin with what `partitionStart` and `…ArrayStart` give. */
export function afterKey(sortKey: Uint8Array): Buffer {
  const { length } = sortKey
  const place = Buffer.allocUnsafe(length + 1)
  place.set(sortKey)
  place[length] = T.AFTER_ALL
  return place
}

/** The place before the rows of a key that documents with this id or above have. Any id will do. */
export function beforeDocument(sortKey: Uint8Array, id: Uint8Array): Buffer {
  const length = escapedLength(id)
  const place = Buffer.allocUnsafe(sortKey.length + length)
  place.set(sortKey)
  writeEscaped(place, sortKey.length, id, 0, id.length)
  return place.length <= sortKey.length + MAX_ID_BYTES
    ? place
    : place.subarray(0, sortKey.length + MAX_ID_BYTES)
}

/** The place after the rows of a key that documents with this id or below have. Any id will do. */
export function afterDocument(sortKey: Uint8Array, id: Uint8Array): Buffer {
  const before = beforeDocument(sortKey, id)
  return Buffer.concat([before, Uint8Array.of(0, T.AFTER_ALL)])
}

/** The place after a row. */
export function afterRow(key: Uint8Array): Buffer {
  return Buffer.concat([key, Uint8Array.of(0)])
}

/**
 * The places before and after the rows whose keys are arrays with the same first `level` elements as that of a row; where
 * that is no array, or a shorter one, those of equal keys. An infinite level: those of equal keys.
 */
export function groupOf(
  key: Uint8Array,
  level: number,
): { readonly start: Uint8Array; readonly end: Buffer } {
  const elements = Number.isFinite(level) ? elementsEnd(key, level) : undefined
  if (elements === undefined) {
    const start = sortKeyOf(key)
    return { start, end: afterKey(start) }
  }
  const start = Buffer.from(key.subarray(0, elements))
  if (!hasTextBefore(key, elements)) start[0] = start[0]! & ~T.BY_TEXT
  return { start, end: afterKey(start) }
}

function numberBytes(number: number): number {
  if (number < SHORT_NUMBERS) return 1
  if (number < 0x10000) return 3
  return 5
}

function escapedLength(id: Uint8Array): number {
  let length = id.length
  for (let i = 0; i < id.length; i++) if (id[i]! <= 1) length += 1
  return length
}

function unescaped(key: Uint8Array, from: number, end: number): string {
  const text = decoded(key, 'utf8', from, end)
  return text.includes('\u0001')
    ? text.replaceAll('\u0001\u0001', '\u0000').replaceAll('\u0001\u0002', '\u0001')
    : text
}
