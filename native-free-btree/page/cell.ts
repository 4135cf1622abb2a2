/**
 * The bytes of one cell, in a page or a record: varint key length; varint tag; key; payload. In a leaf the tag is
 * 2 * length of the value, with the value behind it, or 1 + 2 * 16 with a reference behind it. In an inner node the tag
 * is 2 * length of the payload, which is a child's pointer.
 */
import { varintLength, writeVarint } from '../disk/bytes.ts'
import { referenceLength } from './reference.ts'

/** Where the parts of one cell lie; filled by `readCell`, reused to spare garbage. */
export class CellView {
  start = 0
  keyStart = 0
  keyEnd = 0
  payloadStart = 0
  end = 0
  isReference = false
}

/** Reads the cell at `offset` of `bytes`, a page or a record. */
export function readCell(bytes: Uint8Array, offset: number, into: CellView): CellView {
  const keyByte = bytes[offset]!
  const tagByte = bytes[offset + 1]!
  const tagMore = bytes[offset + 2]!
  if (keyByte >= 128 || (tagByte >= 128 && tagMore >= 128)) return readLongCell(bytes, offset, into)
  // Most cells are such: a key of up to 127 bytes, and a tag of one byte or two.
  const isShort = tagByte < 128
  const tag = isShort ? tagByte : (tagByte & 127) | (tagMore << 7)
  const keyStart = offset + (isShort ? 2 : 3)
  const keyEnd = keyStart + keyByte
  into.start = offset
  into.keyStart = keyStart
  into.keyEnd = keyEnd
  into.payloadStart = keyEnd
  into.isReference = (tag & 1) === 1
  into.end = keyEnd + (tag >> 1)
  return into
}

/** A cell that may be of any length. */
function readLongCell(bytes: Uint8Array, offset: number, into: CellView): CellView {
  let at = offset
  let byte = bytes[at++]!
  let keyLength = byte & 127
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = bytes[at++]!
    keyLength += (byte & 127) * scale
  }
  byte = bytes[at++]!
  let tag = byte & 127
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = bytes[at++]!
    tag += (byte & 127) * scale
  }
  into.start = offset
  into.keyStart = at
  into.keyEnd = at + keyLength
  into.payloadStart = at + keyLength
  into.isReference = (tag & 1) === 1
  into.end = at + keyLength + Math.floor(tag / 2)
  return into
}

/** Length of a cell with a key and a payload of these lengths. */
export function cellLength(keyLength: number, payloadLength: number): number {
  return varintLength(keyLength) + varintLength(payloadLength * 2) + keyLength + payloadLength
}

/** Writes a cell and returns the offset behind it. */
export function writeCell(
  target: Uint8Array,
  offset: number,
  key: Uint8Array,
  payload: Uint8Array,
  isReference: boolean,
): number {
  let at = writeVarint(target, offset, key.length)
  at = writeVarint(target, at, payload.length * 2 + (isReference ? 1 : 0))
  at = copyInto(target, at, key)
  return copyInto(target, at, payload)
}

/** Short pieces, the most, are copied without leaving JavaScript. Returns the offset behind the copy. */
function copyInto(target: Uint8Array, offset: number, source: Uint8Array): number {
  const length = source.length
  if (length > 96) target.set(source, offset)
  else for (let i = 0; i < length; i++) target[offset + i] = source[i]!
  return offset + length
}

/** Bytes of the key and the value of a leaf's cell, out of line or not. */
export function leafCellBytes(page: Buffer, cell: CellView): number {
  const keyBytes = cell.keyEnd - cell.keyStart
  return cell.isReference
    ? keyBytes + referenceLength(page, cell.payloadStart)
    : keyBytes + cell.end - cell.payloadStart
}

/** Whatever else a caller's object has under this name. */
const setBytes = Uint8Array.prototype.set

/** Copies bytes `start` to `end` of a page to the beginning of `target`, where it has room for them. Returns their number. */
export function copyTo(page: Uint8Array, start: number, end: number, target: Uint8Array): number {
  const length = end - start
  if (length > target.length) return length
  if (length > 96) setBytes.call(target, page.subarray(start, end))
  else for (let i = 0; i < length; i++) target[i] = page[start + i]!
  return length
}

/** A copy of bytes `start` to `end` of a page. Short ones, the most, are copied without leaving JavaScript. */
export function copyOf(page: Uint8Array, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  if (length > 96) copy.set(page.subarray(start, end))
  else for (let i = 0; i < length; i++) copy[i] = page[start + i]!
  return copy
}
