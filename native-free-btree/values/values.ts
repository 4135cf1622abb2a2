/**
 * Values that lie out of line. A value record is: type u8, length u32, hash u64, bytes; the hash is of the
 * bytes, seeded with the salt and the record's position. A value longer than MAX_CHUNK_BYTES lies in several
 * such records, listed in order by an index record, framed alike, whose bytes are 16-byte references.
 */
import type { Reference, ValuePlace } from '../api.ts'
import type { ValueSpace } from '../cache/value-cache.ts'
import {
  hashHigh,
  hashLanded,
  hashLow,
  hashPlaced,
  landing,
  landingBytes,
  ROOM_BYTES,
  ROOM_START,
  roomFor,
  type SaltHalves,
  saltHalves,
} from '../disk/checksum.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import {
  MAX_CHUNK_BYTES,
  MAX_GROUP_BYTES,
  RECORD_INDEX,
  RECORD_VALUE,
  REFERENCE_BYTES,
  VALUE_HEADER_BYTES,
} from '../format.ts'
import { type ReferenceParts, readReference } from '../page/reference.ts'
import { ReadAhead } from './read-ahead.ts'

/**
 * Writes the header of a value record that lies at `position` of the file; returns the low half of the record's
 * hash, as references hold it.
 */
export function writeValueHeader(
  target: Buffer,
  offset: number,
  type: number,
  bytes: Uint8Array,
  salt: SaltHalves,
  position: number,
): number {
  hashPlaced(bytes, salt, position)
  target[offset] = type
  writeU32(target, bytes.length, offset + 1)
  writeU32(target, hashLow, offset + 5)
  writeU32(target, hashHigh, offset + 9)
  return hashLow
}

/** Found once: the global `Buffer` is a getter of node's. */
const { allocUnsafe } = Buffer

export class ValueReader {
  readonly #file: StorageFile
  readonly #salt: SaltHalves
  readonly #ahead: ReadAhead
  readonly #cache: ValueSpace | undefined

  /** Without a cache every read is from the file. */
  constructor(file: StorageFile, salt: bigint, cache?: ValueSpace) {
    this.#file = file
    this.#salt = saltHalves(salt)
    this.#cache = cache
    this.#ahead = new ReadAhead(file)
  }

  /**
   * The whole value, in memory of `room` where it is asked for some. Throws DAMAGED, and VALUE_TOO_LARGE beyond 1 GiB (stream
   * those).
   */
  read(reference: Reference, room?: (bytes: number) => Buffer): Buffer {
    return this.readAt(reference, 0, room)
  }

  /** As `read`, of the reference at `offset` of `bytes`. */
  readAt(bytes: Uint8Array, offset: number, room: (bytes: number) => Buffer = allocUnsafe): Buffer {
    if ((bytes[offset + 11]! & 128) !== 0)
      return this.#chunked(bytes.subarray(offset, offset + REFERENCE_BYTES))
    const own = this.#seek(bytes, offset)
    if (own !== undefined) return own
    const value = room(place.end - place.start)
    value.set(place.bytes.subarray(place.start, place.end))
    return value
  }

  /** Where the value of the reference at `offset` of `bytes` lies: good until the next read of anybody. Throws as `read`. */
  locate(bytes: Uint8Array, offset: number): Readonly<ValuePlace> {
    const isChunked = (bytes[offset + 11]! & 128) !== 0
    const own = isChunked
      ? this.#chunked(bytes.subarray(offset, offset + REFERENCE_BYTES))
      : this.#seek(bytes, offset)
    if (own !== undefined) {
      place.bytes = own
      place.start = 0
      place.end = own.length
    }
    return place
  }

  /** Fills `place` for a value in one record, or gives it in memory of its own. */
  #seek(bytes: Uint8Array, offset: number): Buffer | undefined {
    const lengthHigh = bytes[offset + 10]! | (bytes[offset + 11]! << 8)
    const length = lengthHigh * 2 ** 32 + readU32(bytes, offset + 6)
    if (length > MAX_CHUNK_BYTES) throw notAReference()
    const positionHigh = bytes[offset + 4]! | (bytes[offset + 5]! << 8)
    const position = positionHigh * 2 ** 32 + readU32(bytes, offset)
    return this.#find(position, length, readU32(bytes, offset + 12))
  }

  #find(position: number, length: number, check: number): Buffer | undefined {
    const recordBytes = VALUE_HEADER_BYTES + length
    let ahead = this.#ahead.held(position, recordBytes)
    if (ahead < 0) {
      // Where it is in memory no window has to be read for it.
      if (this.#cache?.locate(position, length, check, place) === true) {
        this.#ahead.pass(position, recordBytes)
        return undefined
      }
      ahead = this.#ahead.find(position, recordBytes)
    }
    if (ahead >= 0) {
      if (this.#landedDefect(ahead, position, length, check) === undefined) {
        placeLanded(ahead, length)
        return undefined
      }
      this.#ahead.drop()
      if (this.#cache?.locate(position, length, check, place) === true) return undefined
    }
    if (recordBytes > ROOM_BYTES)
      return this.#record({ position, length, chunked: false, check }, RECORD_VALUE, length)
    const read = this.#file.readSync(roomFor(recordBytes), position)
    if (read < recordBytes) throw damagedValue(position, `only ${read} of ${recordBytes} bytes are there`)
    const defect = this.#landedDefect(ROOM_START, position, length, check)
    if (defect !== undefined) throw damagedValue(position, defect)
    placeLanded(ROOM_START, length)
    this.#cache?.add(position, check, landingBytes, place.start, place.end)
    return undefined
  }

  /** What speaks against the bytes at `offset` of `landing` being the value's record at `position`. */
  #landedDefect(offset: number, position: number, length: number, check: number): string | undefined {
    if (landing[offset] !== RECORD_VALUE || readU32(landing, offset + 1) !== length) return WRONG_HEADER
    const start = offset + VALUE_HEADER_BYTES
    hashLanded(start, start + length, this.#salt, position)
    return hashDefect(landing, offset, check)
  }

  #chunked(reference: Reference): Buffer {
    const parts = partsOf(reference)
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
    const bytes = Buffer.allocUnsafeSlow(VALUE_HEADER_BYTES + length)
    const read = this.#file.readSync(bytes, parts.position)
    return this.#verify(bytes, read, parts, type)
  }

  #verify(bytes: Buffer, read: number, parts: ReferenceParts, type: number): Buffer {
    const { position, check } = parts
    if (read !== bytes.length) throw damagedValue(position, `only ${read} of ${bytes.length} bytes are there`)
    const value = bytes.subarray(VALUE_HEADER_BYTES)
    if (bytes[0] !== type || readU32(bytes, 1) !== value.length) throw damagedValue(position, WRONG_HEADER)
    hashPlaced(value, this.#salt, position)
    const defect = hashDefect(bytes, 0, check)
    if (defect !== undefined) throw damagedValue(position, defect)
    return value
  }
}

const WRONG_HEADER = 'its header is not the one expected'

/** Compares the hash just made with that in the record at `offset` of `bytes` and with the reference's check. */
function hashDefect(bytes: Buffer, offset: number, check: number): string | undefined {
  if (hashLow !== readU32(bytes, offset + 5) || hashHigh !== readU32(bytes, offset + 9)) {
    return 'its checksum does not match'
  }
  if (hashLow !== check) return 'it is not the one referred to'
  return undefined
}

/** Where the value lies that was found last. */
const place: ValuePlace = { bytes: landingBytes, start: 0, end: 0 }

/** The value of the record at `offset` of `landing`. */
function placeLanded(offset: number, length: number): void {
  place.bytes = landingBytes
  place.start = offset + VALUE_HEADER_BYTES
  place.end = place.start + length
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>>
    0
  )
}

function writeU32(bytes: Uint8Array, value: number, offset: number): void {
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
}

function notAReference(): StorageError {
  return new StorageError('INVALID_ARGUMENT', 'the bytes are not a reference')
}

/** Decodes a caller's reference. Throws INVALID_ARGUMENT. */
export function partsOf(reference: Reference): ReferenceParts {
  const bytes = Buffer.from(reference.buffer, reference.byteOffset, reference.length)
  const parts = readReference(bytes)
  if (!parts.chunked && parts.length > MAX_CHUNK_BYTES) throw notAReference()
  return parts
}

function damagedValue(position: number, what: string): StorageError {
  return new StorageError('DAMAGED', `the value at ${position} is damaged: ${what}`, { position })
}
