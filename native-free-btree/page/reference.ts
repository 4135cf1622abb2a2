/**
 * A reference, 16 bytes: position u48 of the record; length u48 of the value, its top bit set when the value
 * lies in chunks that an index record lists; check u32, the low half of the record's hash.
 */
import { REFERENCE_BYTES } from '../format.ts'

/** In the upper two bytes of the length. */
const CHUNKED = 0x8000
/** `Buffer` is a getter of the global object, which each use would call. */
const { allocUnsafe } = Buffer

export interface ReferenceParts {
  position: number
  length: number
  chunked: boolean
  check: number
}

/** Length of the value that the reference at `offset` of `bytes` names. Throws RangeError where the bytes end before it does. */
export function referenceLength(bytes: Buffer, offset = 0): number {
  if (offset + REFERENCE_BYTES > bytes.length) throw new RangeError('the bytes end in a reference')
  return (readU16(bytes, offset + 10) & 0x7fff) * 2 ** 32 + readU32(bytes, offset + 6)
}

/** Throws RangeError where the bytes end before the reference does. */
export function readReference(bytes: Buffer, offset = 0): ReferenceParts {
  const length = referenceLength(bytes, offset)
  return {
    position: readU16(bytes, offset + 4) * 2 ** 32 + readU32(bytes, offset),
    length,
    chunked: bytes[offset + 11]! >= 0x80,
    check: readU32(bytes, offset + 12),
  }
}

/** Made for each value that is appended, byte by byte: by Buffer's numbers of six bytes it takes twice the time. */
export function encodeReference({ position, length, chunked, check }: ReferenceParts): Buffer {
  const bytes = allocUnsafe(REFERENCE_BYTES)
  writeU32(bytes, position, 0)
  writeU16(bytes, Math.floor(position / 2 ** 32), 4)
  writeU32(bytes, length, 6)
  writeU16(bytes, Math.floor(length / 2 ** 32) | (chunked ? CHUNKED : 0), 10)
  writeU32(bytes, check, 12)
  return bytes
}

function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

function readU32(bytes: Uint8Array, at: number): number {
  return (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0
}

function writeU16(bytes: Uint8Array, value: number, at: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

/** The low half of a value. */
function writeU32(bytes: Uint8Array, value: number, at: number): void {
  writeU16(bytes, value, at)
  writeU16(bytes, value >>> 16, at + 2)
}
