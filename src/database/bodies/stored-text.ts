/**
 * The bytes that are appended for a body, of which the first says what they are:
 *
 * | first byte | behind it |
 * |---|---|
 * | `{`, 0x7b | the rest of the canonical text, whose first byte it is |
 * | 1 | a block of snappy: `snappy.ts` |
 * | 2 | length of the text, u32, little-endian; the text by raw DEFLATE, RFC 1951 |
 *
 * So each body says for itself how it is stored, a file may have some of each kind, and those of a time before there was any
 * compression are texts. The engine's checksum is of these bytes: they are verified before they are unpacked.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Reference, ValuePlace, ValueSource } from '../../../native-free-btree/index.ts'
import type { Compression } from '../../base/compression.ts'
import { DatabaseError } from '../../base/errors.ts'
import { LONGEST_BLOCK_BYTES, mostBlockBytes, plainBytesOf, readBlock, writeBlock } from './snappy.ts'

const TEXT = 0x7b
const SNAPPY = 1
const DEFLATE = 2

const DEFLATE_LENGTH_AT = 1
const DEFLATE_AT = 5
/** DEFLATE makes no more of a byte. */
const MOST_DEFLATE_RATIO = 1032

/** A shorter text stays one: unpacking it would cost more than the bytes that it spares are worth. */
const SHORTEST_TEXT_BYTES = 128
/** What is packed must be shorter by this share of the text. */
const LEAST_GAIN = 1 / 8
/** What is packed and no longer than this is read into memory that is used again. */
const SCRATCH_BYTES = 128 * 1024

/** Of what `packed` writes and `readText` reads; either has done with it when it returns. */
let scratch = Buffer.alloc(0)
/** Whether the body that was read last was packed. */
let lastWasPacked = false

function scratchOf(bytes: number): Buffer {
  if (scratch.length < SCRATCH_BYTES) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  return bytes <= SCRATCH_BYTES ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes)
}

/**
 * What is stored for the canonical text of a body: the text itself unless packing it makes it shorter by an eighth. Texts of more
 * than 1 MiB stay, for coding one would hold up whoever waits for the thread.
 */
export function packed(text: Uint8Array, compression: Compression): Uint8Array {
  if (compression === 'none' || text.length < SHORTEST_TEXT_BYTES || text.length > LONGEST_BLOCK_BYTES) {
    return text
  }
  const bytes = compression === 'snappy' ? snappyOf(text) : deflatedOf(text, Number(compression.at(-1)))
  return bytes.length <= text.length * (1 - LEAST_GAIN) ? Buffer.from(bytes) : text
}

/** A view of memory that is used again. */
function snappyOf(text: Uint8Array): Uint8Array {
  const room = scratchOf(1 + mostBlockBytes(text.length))
  room[0] = SNAPPY
  return room.subarray(0, writeBlock(text, room, 1))
}

/** As `snappyOf`. */
function deflatedOf(text: Uint8Array, level: number): Uint8Array {
  const bytes = deflateRawSync(text, { level })
  const stored = scratchOf(DEFLATE_AT + bytes.length)
  stored[0] = DEFLATE
  stored.writeUInt32LE(text.length, DEFLATE_LENGTH_AT)
  stored.set(bytes, DEFLATE_AT)
  return stored
}

export function isPacked(stored: Uint8Array): boolean {
  return stored[0] !== TEXT
}

/** Of the text that is stored this way. Throws storage_damaged for bytes that are no stored text. */
export function textBytesOf(stored: Uint8Array): number {
  if (!isPacked(stored)) return stored.length
  const length = stored[0] === SNAPPY ? plainBytesOf(stored, 1) : deflateBytesOf(stored)
  if (length < 0) throw damaged(stored)
  return length
}

function deflateBytesOf(stored: Uint8Array): number {
  if (stored[0] !== DEFLATE || stored.length <= DEFLATE_AT) return -1
  const { buffer, byteOffset, byteLength } = stored
  const length = new DataView(buffer, byteOffset, byteLength).getUint32(DEFLATE_LENGTH_AT, true)
  return length <= LONGEST_BLOCK_BYTES && length <= stored.length * MOST_DEFLATE_RATIO ? length : -1
}

/** The text in memory of `room`, which may not be that of `stored`. Throws storage_damaged. */
function unpacked(stored: Buffer, room: (bytes: number) => Buffer): Buffer {
  const text = room(textBytesOf(stored))
  if (stored[0] === SNAPPY) {
    if (!readBlock(stored, 1, text)) throw damaged(stored)
  } else if (!inflate(stored, text)) throw damaged(stored)
  // Whoever is shown a body takes it for an object, and looks no further.
  if (text[0] !== TEXT) throw damaged(stored)
  return text
}

/** The text of stored bytes; may be a view of them. Throws storage_damaged. */
export function textOf(stored: Uint8Array): Uint8Array {
  if (!isPacked(stored)) return stored
  const { buffer, byteOffset, length } = stored
  return unpacked(Buffer.from(buffer, byteOffset, length), Buffer.allocUnsafe)
}

function inflate(stored: Buffer, text: Buffer): boolean {
  try {
    const bytes = inflateRawSync(stored.subarray(DEFLATE_AT), { maxOutputLength: text.length })
    bytes.copy(text)
    return bytes.length === text.length
  } catch {
    return false
  }
}

function damaged(stored: Uint8Array): DatabaseError {
  return new DatabaseError('storageDamaged', `a body of ${stored.length} bytes cannot be unpacked`)
}

/**
 * The text of the body that a reference leads to, in memory of `room`. Throws what reading it throws, and storage_damaged when it
 * cannot be unpacked.
 */
export function readText(
  values: Pick<ValueSource, 'read'>,
  reference: Reference,
  room: (bytes: number) => Buffer = Buffer.allocUnsafe,
): Buffer {
  // Mostly bodies are as those before: then nothing is copied, and what is packed takes no memory of `room`.
  const stored = values.read(reference, lastWasPacked ? scratchOf : room)
  if (isPacked(stored)) {
    if (lastWasPacked) return unpacked(stored, room)
    lastWasPacked = true
    return unpacked(Buffer.from(stored), room)
  }
  if (!lastWasPacked || stored.buffer !== scratch.buffer) return stored
  lastWasPacked = false
  const text = room(stored.length)
  stored.copy(text)
  return text
}

/** Where the text lies that was unpacked last for `locateText`. */
const unpackedPlace: ValuePlace = { bytes: Buffer.alloc(0), start: 0, end: 0 }
/** Of texts that `locateText` unpacks. */
let desk = Buffer.alloc(0)

function deskOf(bytes: number): Buffer {
  if (bytes > SCRATCH_BYTES) return Buffer.allocUnsafeSlow(bytes)
  if (desk.length < SCRATCH_BYTES) desk = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  return desk.subarray(0, bytes)
}

/**
 * Where the text of the body lies that the reference at `offset` of `bytes` leads to: good until anything else is read. Throws as
 * `readText`.
 */
export function locateText(
  values: Pick<ValueSource, 'locate'>,
  bytes: Uint8Array,
  offset: number,
): Readonly<ValuePlace> {
  const place = values.locate(bytes, offset)
  if (place.bytes[place.start] === TEXT && place.end > place.start) return place
  const { buffer, byteOffset } = place.bytes
  const text = unpacked(Buffer.from(buffer, byteOffset + place.start, place.end - place.start), deskOf)
  unpackedPlace.bytes = text
  unpackedPlace.end = text.length
  return unpackedPlace
}
