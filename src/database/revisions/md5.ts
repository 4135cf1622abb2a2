/** MD5 of many short messages that lie in one memory, eight at a time. */
import { hash } from 'node:crypto'
import {
  BLOCK_BYTES,
  FIRST_STATE,
  MESSAGES as LANES,
  type Md5Module,
  MEMORY_BYTES,
  md5Module,
  ROOM_START,
  SET_BYTES,
  STATE_START,
} from './md5-module.ts'

const LENGTH_BYTES = 8
const HASH_BYTES = 16
/** What is written behind a message, at most. */
export const PADDING_BYTES = BLOCK_BYTES + LENGTH_BYTES

/** Where each lane's message goes on, and how many blocks of it are left. */
const at = new Int32Array(LANES)
const left = new Int32Array(LANES)

let module: Md5Module | undefined

/** Hears of the hash of the message with that number, in memory that is used again. */
export type OnHash = (number: number, hash: Buffer) => void

/**
 * The hashes of messages in `bytes`, one behind the other, from `starts` to `ends`. Behind each is room for PADDING_BYTES that are
 * nobody's.
 */
export function md5OfMany(
  bytes: Buffer,
  starts: readonly number[],
  ends: readonly number[],
  onHash: OnHash,
): void {
  for (let first = 0; first < starts.length; first += LANES) {
    const count = Math.min(LANES, starts.length - first)
    const from = starts[first]!
    const to = ends[first + count - 1]! + PADDING_BYTES
    if (count > 1 && to - from <= MEMORY_BYTES - ROOM_START)
      together(bytes, starts, ends, first, count, onHash)
    else {
      for (let i = first; i < first + count; i++) {
        onHash(i, Buffer.from(hash('md5', bytes.subarray(starts[i], ends[i]), 'binary'), 'latin1'))
      }
    }
  }
}

function together(
  bytes: Buffer,
  starts: readonly number[],
  ends: readonly number[],
  first: number,
  count: number,
  onHash: OnHash,
): void {
  module ??= md5Module()
  const { memory } = module
  const from = starts[first]!
  for (let lane = 0; lane < LANES; lane++) {
    // A lane without a message of its own goes along from where any number of blocks is in the memory that another one has.
    at[lane] = ROOM_START
    left[lane] = 0
    if (lane >= count) continue
    const start = starts[first + lane]!
    at[lane] = ROOM_START + start - from
    left[lane] = pad(bytes, start, ends[first + lane]!)
  }
  memory.set(bytes.subarray(from, ends[first + count - 1]! + PADDING_BYTES), ROOM_START)
  memory.set(firstStates, STATE_START)
  run(module, count, first, onHash)
}

/** Where a word of a message's state stands, behind the first of all states. */
function placeOf(lane: number, word: number): number {
  return (lane >> 2) * SET_BYTES + 16 * word + 4 * (lane & 3)
}

/** The states of all lanes before the first block. */
const firstStates = Buffer.alloc((LANES / 4) * SET_BYTES)
for (let word = 0; word < FIRST_STATE.length; word++) {
  for (let lane = 0; lane < LANES; lane++) firstStates.writeUInt32LE(FIRST_STATE[word]!, placeOf(lane, word))
}

/** Writes what MD5 puts behind a message. Returns its blocks. */
function pad(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  const blocks = Math.ceil((length + 1 + LENGTH_BYTES) / BLOCK_BYTES)
  const last = start + blocks * BLOCK_BYTES
  bytes[end] = 0x80
  for (let i = end + 1; i < last - LENGTH_BYTES; i++) bytes[i] = 0
  bytes.writeUInt32LE((length * 8) % 2 ** 32, last - 8)
  bytes.writeUInt32LE(Math.floor(length / 2 ** 29), last - 4)
  return blocks
}

/** As many blocks at once as the shortest of the messages has that are not done. */
function run({ memory, blocks }: Md5Module, count: number, first: number, onHash: OnHash): void {
  for (let undone = count; undone > 0; ) {
    let most = Number.POSITIVE_INFINITY
    for (let lane = 0; lane < count; lane++) if (left[lane]! > 0) most = Math.min(most, left[lane]!)
    blocks(at[0]!, at[1]!, at[2]!, at[3]!, at[4]!, at[5]!, at[6]!, at[7]!, most)
    for (let lane = 0; lane < count; lane++) {
      if (left[lane] === 0) continue
      left[lane]! -= most
      at[lane]! += most * BLOCK_BYTES
      if (left[lane]! > 0) continue
      undone -= 1
      at[lane] = ROOM_START
      // The words are little-endian there, as in the hash.
      for (let i = 0; i < HASH_BYTES; i++) found[i] = memory[STATE_START + placeOf(lane, i >> 2) + (i & 3)]!
      onHash(first + lane, found)
    }
  }
}

const found = Buffer.alloc(HASH_BYTES)
