/**
 * xxh64 over byte ranges. It detects accidents, not malice. Every hash but the genesis group's is seeded:
 * with the file's salt, and for whatever is found by position also with that position, so that bytes of
 * another file, or of another place in this one, do not verify.
 *
 * Two ways to the same function. `hash64` takes any length below 4 GiB and speaks BigInt: for headers and
 * groups. `hashPlaced` and `hashLanded` are for what is hashed by the million: no object is made for a value, and
 * the result stands in `hashLow` and `hashHigh` until the next call; `hashOfPlaced` and `hashOfLanded` return it as the
 * one BigInt that a page's pointer holds. `landing` is the memory of the
 * hashing module: what is read from the file into it is verified where it lies. It is one for the whole thread,
 * so its bytes last until the next call of anything here; only the window is left alone by the hashing itself.
 */
import { LANE_STARTS, LANES_START, makeXxh64Module, STRIPE_BYTES } from './xxh64-module.ts'

const PAGE_BYTES = 64 * 1024

/** Offset in `landing` of the room for one record or page, and its length. */
export const ROOM_START = 64
export const ROOM_BYTES = PAGE_BYTES - ROOM_START
/** Offset in `landing` of the room for bytes read ahead, and its length. */
export const WINDOW_START = PAGE_BYTES
export const WINDOW_BYTES = 2 * PAGE_BYTES

const placed = makeXxh64Module((WINDOW_START + WINDOW_BYTES) / PAGE_BYTES)

export const landing = Buffer.from(placed.memory.buffer)
/** The same bytes: pieces of a plain Uint8Array are made in half the time. */
export const landingBytes = new Uint8Array(placed.memory.buffer)
const room = new Uint8Array(placed.memory.buffer, ROOM_START, ROOM_BYTES)
const result = new Int32Array(placed.memory.buffer, 0, 2)
const wholeResult = new BigUint64Array(placed.memory.buffer, 0, 1)
const lanes = new BigUint64Array(placed.memory.buffer, LANES_START, LANE_STARTS.length)
/** What goes through the room at a time: whole stripes. */
const PIECE_BYTES = ROOM_BYTES - (ROOM_BYTES % STRIPE_BYTES)

/** Views of the room, of 512 bytes and each double of it: a read needs none of its own. */
const rooms: Buffer[] = []
for (let bytes = 512; bytes < 2 * ROOM_BYTES; bytes *= 2) {
  rooms.push(landing.subarray(ROOM_START, ROOM_START + Math.min(bytes, ROOM_BYTES)))
}

/** The smallest view of the room, from ROOM_START on, that takes `bytes`: 1 to ROOM_BYTES. */
export function roomFor(bytes: number): Buffer {
  return rooms[Math.max(0, 23 - Math.clz32(bytes - 1))]!
}

/** As `hashPlaced`; returns the hash. */
export function hashOfPlaced(bytes: Uint8Array, salt: SaltHalves, position: number): bigint {
  if (bytes.length > ROOM_BYTES) return hash64(bytes, seedAt(salt, position))
  hashPlaced(bytes, salt, position)
  return wholeResult[0]!
}

/** As `hashLanded`; returns the hash. */
export function hashOfLanded(start: number, end: number, salt: SaltHalves, position: number): bigint {
  hashLanded(start, end, salt, position)
  return wholeResult[0]!
}

function seedAt(salt: SaltHalves, position: number): bigint {
  return positionSeed((BigInt(salt.high) << 32n) | BigInt(salt.low), position)
}

/** The halves of the last hash that `hashPlaced` or `hashLanded` made, as unsigned numbers. */
export let hashLow = 0
export let hashHigh = 0

/** A file's salt in halves of 32 bits. */
export interface SaltHalves {
  readonly low: number
  readonly high: number
}

export function saltHalves(salt: bigint): SaltHalves {
  return { low: Number(salt & 0xffffffffn), high: Number(salt >> 32n) }
}

/** The seed of the last hash, which is mostly that of the next one, a file's salt, in halves. */
let lastSeed = 0n
let lastHalves = saltHalves(0n)

/** Hash of `bytes` as an unsigned 64-bit integer. */
export function hash64(bytes: Uint8Array, seed: bigint): bigint {
  const { length } = bytes
  if (length <= ROOM_BYTES) {
    if (seed !== lastSeed) {
      lastSeed = seed
      lastHalves = saltHalves(seed)
    }
    room.set(bytes)
    placed.hash(ROOM_START, ROOM_START + length, lastHalves.low, lastHalves.high)
    return wholeResult[0]!
  }
  for (let i = 0; i < lanes.length; i++) lanes[i] = seed + LANE_STARTS[i]!
  const striped = length - (length % STRIPE_BYTES)
  for (let at = 0; at < striped; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, Math.min(at + PIECE_BYTES, striped))
    room.set(piece)
    placed.absorb(ROOM_START, ROOM_START + piece.length)
  }
  room.set(bytes.subarray(striped))
  placed.finish(ROOM_START, ROOM_START + length - striped, length)
  return wholeResult[0]!
}

/** The seed for bytes that lie at `position`. */
export function positionSeed(salt: bigint, position: number): bigint {
  return salt ^ BigInt(position)
}

/** Hashes `bytes`, which lie or will lie at `position` of the file, into `hashLow` and `hashHigh`. */
export function hashPlaced(bytes: Uint8Array, salt: SaltHalves, position: number): void {
  if (bytes.length > ROOM_BYTES) {
    const hash = hash64(bytes, seedAt(salt, position))
    hashLow = Number(hash & 0xffffffffn)
    hashHigh = Number(hash >> 32n)
    return
  }
  room.set(bytes)
  hashLanded(ROOM_START, ROOM_START + bytes.length, salt, position)
}

/** As `hashPlaced`, for the bytes from `start` to `end` of `landing`. */
export function hashLanded(start: number, end: number, salt: SaltHalves, position: number): void {
  const high = Math.floor(position / 2 ** 32)
  // The bitwise operators take a number modulo 2^32.
  hashLow = placed.hash(start, end, salt.low ^ position, salt.high ^ high) >>> 0
  hashHigh = result[1]! >>> 0
}
