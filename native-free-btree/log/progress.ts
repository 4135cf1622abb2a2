/**
 * How far a store's writer has come, published for readers in other threads. Invariants:
 * - What is published is durable, and is published before anybody is told of it.
 * - No reader ever sees a mixture of two publications. There are two places, and a count of publications: number n goes to
 *   place n mod 2 and counts when it is whole. So a reader whose count is still the same behind its reading has read what
 *   nobody was writing, and never waits for a writer that was stopped in the middle.
 * - Numbers of 64 bits go as halves, so positions up to 2^53 are whole.
 */
import type { SharedProgress } from '../api.ts'
import { refuse, requireObject, requirePath } from '../arguments.ts'
import { type CheckpointPointer, NO_CHECKPOINT } from './group.ts'

/** How far a file is durable. */
export interface DurableFacts {
  /** Up to here its groups are durable. */
  durableEnd: number
  /** Number of the last durable commit. */
  commit: number
  /** The newest complete one. */
  checkpoint: CheckpointPointer
}

/** What a publication says. */
export interface ProgressFacts extends DurableFacts {
  /** Rises with each file that the store has had since its progress is shared. */
  file: number
  salt: bigint
  /** Where the groups of the file before end; 0: there was none. */
  endBefore: number
  /** The store was closed. */
  isClosed: boolean
}

const WORD = {
  file: 0,
  isClosed: 1,
  salt: 2,
  durableEnd: 4,
  endBefore: 6,
  commit: 8,
  position: 10,
  hash: 12,
  length: 14,
}
const PLACE_WORDS = 16
/** Word of the count; the places lie behind it, from the next cache line on. */
const COUNT = 0
const FIRST_PLACE = 16
const STATE_BYTES = (FIRST_PLACE + 2 * PLACE_WORDS) * 4

export class ProgressWriter {
  readonly shared: SharedProgress
  readonly #words: Int32Array
  #facts: ProgressFacts = {
    file: 0,
    salt: 0n,
    durableEnd: 0,
    endBefore: 0,
    commit: 0,
    checkpoint: NO_CHECKPOINT,
    isClosed: false,
  }

  constructor(path: string, uuid: string) {
    this.shared = Object.freeze({ path, uuid, state: new SharedArrayBuffer(STATE_BYTES) })
    this.#words = new Int32Array(this.shared.state)
  }

  /** The store is this file from now on. Of the one before everything that is durable was published. */
  begin(salt: bigint, durable: DurableFacts): void {
    const { file, durableEnd } = this.#facts
    this.#publish({ ...durable, salt, file: file + 1, endBefore: durableEnd, isClosed: false })
  }

  publish(durable: DurableFacts): void {
    this.#publish({ ...this.#facts, ...durable })
  }

  close(): void {
    this.#publish({ ...this.#facts, isClosed: true })
  }

  #publish(facts: ProgressFacts): void {
    this.#facts = facts
    const words = this.#words
    const count = (Atomics.load(words, COUNT) + 1) | 0
    const at = placeOf(count)
    Atomics.store(words, at + WORD.file, facts.file)
    Atomics.store(words, at + WORD.isClosed, facts.isClosed ? 1 : 0)
    storeBig(words, at + WORD.salt, facts.salt)
    storeWhole(words, at + WORD.durableEnd, facts.durableEnd)
    storeWhole(words, at + WORD.endBefore, facts.endBefore)
    storeWhole(words, at + WORD.commit, facts.commit)
    storeWhole(words, at + WORD.position, facts.checkpoint.position)
    storeBig(words, at + WORD.hash, facts.checkpoint.hash)
    Atomics.store(words, at + WORD.length, facts.checkpoint.length)
    Atomics.store(words, COUNT, count)
  }
}

export class ProgressReader {
  readonly #words: Int32Array
  #facts: ProgressFacts
  /** Of the publication that `#facts` are. */
  #count = 0

  constructor(shared: SharedProgress) {
    this.#words = new Int32Array(shared.state)
    this.#facts = this.#read()
  }

  /** What is published now: the same object as long as it is the same publication. */
  get facts(): ProgressFacts {
    if (Atomics.load(this.#words, COUNT) !== this.#count) this.#facts = this.#read()
    return this.#facts
  }

  #read(): ProgressFacts {
    const words = this.#words
    for (;;) {
      const count = Atomics.load(words, COUNT)
      const at = placeOf(count)
      const facts: ProgressFacts = {
        file: Atomics.load(words, at + WORD.file),
        salt: loadBig(words, at + WORD.salt),
        durableEnd: loadWhole(words, at + WORD.durableEnd),
        endBefore: loadWhole(words, at + WORD.endBefore),
        commit: loadWhole(words, at + WORD.commit),
        checkpoint: {
          position: loadWhole(words, at + WORD.position),
          length: Atomics.load(words, at + WORD.length) >>> 0,
          hash: loadBig(words, at + WORD.hash),
        },
        isClosed: Atomics.load(words, at + WORD.isClosed) !== 0,
      }
      if (Atomics.load(words, COUNT) !== count) continue
      this.#count = count
      return facts
    }
  }
}

/** What another thread sent, as it is. Throws INVALID_ARGUMENT. */
export function progressOf(given: SharedProgress): SharedProgress {
  requireObject('progress', given)
  const { path, uuid, state } = given
  requirePath(path)
  if (typeof uuid !== 'string') refuse('uuid', 'a string', uuid)
  if (!(state instanceof SharedArrayBuffer) || state.byteLength !== STATE_BYTES) {
    refuse('state', `a SharedArrayBuffer of ${STATE_BYTES} bytes`, state)
  }
  return { path, uuid, state }
}

/** Halves of a number of 64 bits, little-endian as all that Node runs on. */
const big = new BigUint64Array(1)
const halves = new Int32Array(big.buffer)

function placeOf(count: number): number {
  return FIRST_PLACE + (count & 1) * PLACE_WORDS
}

function storeWhole(words: Int32Array, at: number, value: number): void {
  Atomics.store(words, at, value | 0)
  Atomics.store(words, at + 1, Math.floor(value / 2 ** 32))
}

function loadWhole(words: Int32Array, at: number): number {
  return (Atomics.load(words, at) >>> 0) + Atomics.load(words, at + 1) * 2 ** 32
}

function storeBig(words: Int32Array, at: number, value: bigint): void {
  big[0] = value
  Atomics.store(words, at, halves[0]!)
  Atomics.store(words, at + 1, halves[1]!)
}

function loadBig(words: Int32Array, at: number): bigint {
  halves[0] = Atomics.load(words, at)
  halves[1] = Atomics.load(words, at + 1)
  return big[0]!
}
