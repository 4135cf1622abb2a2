/**
 * A reference, 16 bytes: position u48 of the record; length u48 of the value, its top bit set when the value
 * lies in chunks that an index record lists; check u32, the low half of the record's hash.
 */
import { REFERENCE_BYTES } from '../format.ts'

const CHUNKED = 2 ** 47
/** `Buffer` is a getter of the global object, which each use would call. */
const { allocUnsafe } = Buffer

export interface ReferenceParts {
  position: number
  length: number
  chunked: boolean
  check: number
}

/** Length of the value that the reference at `offset` of `bytes` names. */
export function referenceLength(bytes: Buffer, offset = 0): number {
  const length = bytes.readUIntLE(offset + 6, 6)
  return length >= CHUNKED ? length - CHUNKED : length
}

export function readReference(bytes: Buffer, offset = 0): ReferenceParts {
  const length = bytes.readUIntLE(offset + 6, 6)
  const chunked = length >= CHUNKED
  return {
    position: bytes.readUIntLE(offset, 6),
    length: chunked ? length - CHUNKED : length,
    chunked,
    check: bytes.readUInt32LE(offset + 12),
  }
}

export function encodeReference(parts: ReferenceParts): Buffer {
  const bytes = allocUnsafe(REFERENCE_BYTES)
  bytes.writeUIntLE(parts.position, 0, 6)
  bytes.writeUIntLE(parts.length + (parts.chunked ? CHUNKED : 0), 6, 6)
  bytes.writeUInt32LE(parts.check, 12)
  return bytes
}
