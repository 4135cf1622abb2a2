/**
 * Values that lie out of line. A value record is: type u8, length u32, hash u64, bytes; the hash is of the
 * bytes, seeded with the salt and the record's position. A value longer than MAX_CHUNK_BYTES lies in several
 * such records, listed in order by an index record, framed alike, whose bytes are 16-byte references.
 */
import type { Reference } from './api.ts'
import { hash64, positionSeed } from './checksum.ts'
import { StorageError } from './errors.ts'
import type { StorageFile } from './file.ts'
import {
  MAX_CHUNK_BYTES,
  MAX_GROUP_BYTES,
  RECORD_INDEX,
  RECORD_VALUE,
  REFERENCE_BYTES,
  VALUE_HEADER_BYTES,
} from './format.ts'
import { type ReferenceParts, readReference } from './reference.ts'

const LOW_32 = 0xffffffffn

/** Low half of a record's hash, as references hold it. */
export function checkOf(hash: bigint): number {
  return Number(hash & LOW_32)
}

/** Writes the header of a value record that lies at `position` of the file; returns the record's hash. */
export function writeValueHeader(
  target: Buffer,
  offset: number,
  type: number,
  bytes: Uint8Array,
  seed: bigint,
): bigint {
  const hash = hash64(bytes, seed)
  target[offset] = type
  target.writeUInt32LE(bytes.length, offset + 1)
  target.writeBigUInt64LE(hash, offset + 5)
  return hash
}

export class ValueReader {
  readonly #file: StorageFile
  readonly #salt: bigint

  constructor(file: StorageFile, salt: bigint) {
    this.#file = file
    this.#salt = salt
  }

  /** The whole value. Throws DAMAGED, and VALUE_TOO_LARGE beyond 1 GiB (stream those). */
  read(reference: Reference): Buffer {
    const parts = partsOf(reference)
    if (!parts.chunked) return this.#record(parts, RECORD_VALUE, parts.length)
    if (parts.length > 2 ** 30) {
      throw new StorageError('VALUE_TOO_LARGE', `a value of ${parts.length} bytes has to be streamed`)
    }
    const value = Buffer.allocUnsafeSlow(parts.length)
    let at = 0
    for (const chunk of this.chunks(parts)) {
      this.#record(chunk, RECORD_VALUE, chunk.length).copy(value, at)
      at += chunk.length
    }
    return value
  }

  /** Bytes `start` to `end` of the value, a chunk at a time, read off the event loop. */
  async *stream(reference: Reference, start: number, end: number): AsyncGenerator<Buffer, void, void> {
    const parts = partsOf(reference)
    const chunks = parts.chunked ? this.chunks(parts) : [parts]
    let offset = 0
    for (const chunk of chunks) {
      const next = offset + chunk.length
      if (next > start && offset < end) {
        const bytes = Buffer.allocUnsafeSlow(VALUE_HEADER_BYTES + chunk.length)
        const read = await this.#file.read(bytes, chunk.position)
        const value = this.#verify(bytes, read, chunk, RECORD_VALUE)
        yield value.subarray(Math.max(0, start - offset), Math.min(chunk.length, end - offset))
      }
      offset = next
    }
  }

  /** The chunks that a chunked reference's index record lists. */
  chunks(parts: ReferenceParts): ReferenceParts[] {
    const header = Buffer.allocUnsafe(VALUE_HEADER_BYTES)
    const got = this.#file.readSync(header, parts.position)
    const length = got === header.length ? header.readUInt32LE(1) : 0
    if (length > MAX_GROUP_BYTES || length % REFERENCE_BYTES !== 0) {
      throw damagedValue(parts.position, 'its header is not that of an index record')
    }
    const index = this.#record(parts, RECORD_INDEX, length)
    const chunks: ReferenceParts[] = []
    let total = 0
    for (let at = 0; at < index.length; at += REFERENCE_BYTES) {
      const chunk = readReference(index, at)
      if (chunk.length > MAX_CHUNK_BYTES) throw damagedValue(parts.position, 'it lists too long a chunk')
      total += chunk.length
      chunks.push(chunk)
    }
    if (total !== parts.length) throw damagedValue(parts.position, 'its chunks do not add up')
    return chunks
  }

  #record(parts: ReferenceParts, type: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(VALUE_HEADER_BYTES + length)
    const read = this.#file.readSync(bytes, parts.position)
    return this.#verify(bytes, read, parts, type)
  }

  #verify(bytes: Buffer, read: number, parts: ReferenceParts, type: number): Buffer {
    if (read !== bytes.length) {
      throw damagedValue(parts.position, `only ${read} of ${bytes.length} bytes are there`)
    }
    if (bytes[0] !== type || bytes.readUInt32LE(1) !== bytes.length - VALUE_HEADER_BYTES) {
      throw damagedValue(parts.position, 'its header is not the one expected')
    }
    const value = bytes.subarray(VALUE_HEADER_BYTES)
    const hash = hash64(value, positionSeed(this.#salt, parts.position))
    if (hash !== bytes.readBigUInt64LE(5)) throw damagedValue(parts.position, 'its checksum does not match')
    if (checkOf(hash) !== parts.check) throw damagedValue(parts.position, 'it is not the one referred to')
    return value
  }
}

/** Decodes a caller's reference. Throws INVALID_ARGUMENT. */
export function partsOf(reference: Reference): ReferenceParts {
  if (reference.length !== REFERENCE_BYTES) {
    throw new StorageError('INVALID_ARGUMENT', `a reference has ${REFERENCE_BYTES} bytes`)
  }
  const bytes = Buffer.from(reference.buffer, reference.byteOffset, reference.length)
  const parts = readReference(bytes)
  if (!parts.chunked && parts.length > MAX_CHUNK_BYTES) {
    throw new StorageError('INVALID_ARGUMENT', 'the bytes are not a reference')
  }
  return parts
}

function damagedValue(position: number, what: string): StorageError {
  return new StorageError('DAMAGED', `the value at ${position} is damaged: ${what}`, { position })
}
