/**
 * Entries of one tree that come in any order and are given in the tree's. They lie in one piece of memory. Where bytes decide
 * the order, the first bytes in which keys differ are sorted as numbers, and only keys that agree in these are compared. There may be
 * millions of them, so whatever is done with all has rests between.
 */
import type { Comparator } from '../../native-free-btree/index.ts'
import { restIfDue } from '../base/rest.ts'
import { giveMemoryBack, takeMemory } from './build-memory.ts'
import { REST_EVERY, sortedHalves } from './number-sort.ts'

const FIRST_BYTES = 64 * 1024
const NO_BYTES = Buffer.alloc(0)
const NO_STARTS = new Uint32Array(1)
/** An entry's number shares eight bytes with five of its key. */
export const MOST_ENTRIES = 2 ** 24
const HEAD_BYTES = 5
/** Memory that was outgrown is copied in pieces. */
const COPIED_BYTES = 256 * 1024
/** Comparisons between rests. */
const COMPARED = 64

export interface Entry {
  readonly key: Buffer
  readonly value: Buffer
}

export class CollectedEntries {
  readonly #comparator: Comparator | undefined
  #bytes = Buffer.from(takeMemory(FIRST_BYTES))
  /** Where the key of each begins, and its value; it ends where the next one begins. */
  #starts = new Uint32Array(takeMemory(FIRST_BYTES))
  #count = 0
  /** All bits that first bytes of keys have. */
  #firstBits = 0
  #compared = 0

  constructor(comparator: Comparator | undefined) {
    this.#comparator = comparator
    this.#starts[0] = 0
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#starts[2 * this.#count]!
  }

  /** No two entries have one key, and no key is empty. */
  add(key: Uint8Array, value: Uint8Array): void {
    const at = this.bytes
    const valueAt = at + key.length
    const end = valueAt + value.length
    this.#reserve(end)
    this.#bytes.set(key, at)
    this.#bytes.set(value, valueAt)
    this.added(valueAt, end)
  }

  /** Memory with room for so many bytes from `bytes` on, where an entry may be written that is `added` then. */
  room(bytes: number): Buffer {
    this.#reserve(this.bytes + bytes)
    return this.#bytes
  }

  /** Behind the last entry one was written: its key as far as `valueAt`, its value as far as `end`. */
  added(valueAt: number, end: number): void {
    this.#firstBits |= this.#bytes[this.bytes]!
    const slot = 2 * this.#count
    this.#starts[slot + 1] = valueAt
    this.#starts[slot + 2] = end
    this.#count += 1
  }

  /** Where they lie, until others are added. */
  get memory(): Buffer {
    return this.#bytes
  }

  #reserve(end: number): void {
    if (end > this.#bytes.length) {
      const { bytes } = this
      const grown = Buffer.from(takeMemory(Math.max(2 * this.#bytes.length, end)))
      for (let at = 0; at < bytes; at += COPIED_BYTES) {
        grown.set(this.#bytes.subarray(at, Math.min(at + COPIED_BYTES, bytes)), at)
        restIfDue()
      }
      giveMemoryBack(this.#bytes.buffer as ArrayBuffer)
      this.#bytes = grown
    }
    if (2 * this.#count + 2 >= this.#starts.length) {
      const grown = new Uint32Array(takeMemory(2 * this.#starts.byteLength))
      grown.set(this.#starts)
      giveMemoryBack(this.#starts.buffer as ArrayBuffer)
      this.#starts = grown
    }
  }

  /** Its memory may be used for others: nobody looks at entries of it any more, and nothing is added. */
  release(): void {
    giveMemoryBack(this.#bytes.buffer as ArrayBuffer)
    giveMemoryBack(this.#starts.buffer as ArrayBuffer)
    this.#bytes = NO_BYTES
    this.#starts = NO_STARTS
    this.#count = 0
  }

  /** Views of what was added. */
  *sorted(): Generator<Entry, void, void> {
    const starts = this.#starts
    for (const number of this.#order()) {
      const slot = 2 * number
      yield {
        key: this.#bytes.subarray(starts[slot], starts[slot + 1]),
        value: this.#bytes.subarray(starts[slot + 1], starts[slot + 2]),
      }
    }
  }

  /** Numbers of entries, in the order of their keys. */
  #order(): Uint32Array {
    const comparator = this.#comparator
    if (comparator === undefined || this.#firstBits < (comparator.bytewiseBelow ?? 0)) return this.#byBytes()
    const order = Uint32Array.from({ length: this.#count }, (_, number) => number)
    return order.sort((a, b) => {
      this.#restSometimes()
      return comparator.compare(this.#key(a), this.#key(b))
    })
  }

  /** To be called by each comparison. */
  #restSometimes(): void {
    this.#compared += 1
    if (this.#compared % COMPARED === 0) restIfDue()
  }

  #key(number: number): Buffer {
    return this.#bytes.subarray(this.#starts[2 * number], this.#starts[2 * number + 1])
  }

  #byBytes(): Uint32Array {
    const count = this.#count
    const shared = this.#sharedBytes()
    const heads = new BigUint64Array(count)
    const unsorted = new Uint32Array(heads.buffer)
    for (let number = 0; number < count; number++) {
      if (number % REST_EVERY === 0) restIfDue()
      const at = this.#starts[2 * number]! + shared
      const length = this.#starts[2 * number + 1]! - at
      // The lower half comes first, as on every machine that Node runs on.
      unsorted[2 * number] = (length > 4 ? this.#bytes[at + 4]! << 24 : 0) | number
      unsorted[2 * number + 1] = this.#firstBytes(at, length)
    }
    const halves = sortedHalves(heads)
    const order = new Uint32Array(count)
    let runStart = 0
    for (let i = 0; i < count; i++) {
      if (i % REST_EVERY === 0) restIfDue()
      order[i] = halves[2 * i]! & (MOST_ENTRIES - 1)
      const isSame =
        halves[2 * i + 1] === halves[2 * runStart + 1] &&
        halves[2 * i]! >>> 24 === halves[2 * runStart]! >>> 24
      if (isSame) continue
      this.#sortRun(order, runStart, i, shared + HEAD_BYTES)
      runStart = i
    }
    this.#sortRun(order, runStart, count, shared + HEAD_BYTES)
    return order
  }

  /** Four bytes as a number; zeros stand for those that are not there. */
  #firstBytes(at: number, length: number): number {
    const bytes = this.#bytes
    if (length >= 4) return bytes.readUInt32BE(at)
    let head = 0
    for (let i = 0; i < 4; i++) head = head * 256 + (i < length ? bytes[at + i]! : 0)
    return head
  }

  /** Bytes that all keys begin with. */
  #sharedBytes(): number {
    const bytes = this.#bytes
    let shared = this.#count === 0 ? 0 : this.#starts[1]!
    for (let number = 1; number < this.#count && shared > 0; number++) {
      if (number % REST_EVERY === 0) restIfDue()
      const at = this.#starts[2 * number]!
      shared = Math.min(shared, this.#starts[2 * number + 1]! - at)
      let same = 0
      while (same < shared && bytes[same] === bytes[at + same]) same += 1
      shared = same
    }
    return shared
  }

  /** Of keys that agree in their first bytes, as far as they have so many. */
  #sortRun(order: Uint32Array, from: number, to: number, agreed: number): void {
    if (to - from < 2) return
    const bytes = this.#bytes
    const starts = this.#starts
    order.subarray(from, to).sort((a, b) => {
      this.#restSometimes()
      const [aEnd, bEnd] = [starts[2 * a + 1]!, starts[2 * b + 1]!]
      let i = Math.min(starts[2 * a]! + agreed, aEnd)
      let j = Math.min(starts[2 * b]! + agreed, bEnd)
      // One that is shorter than what they agree in is compared whole: zeros stood for what it lacks.
      if (i === aEnd || j === bEnd) [i, j] = [starts[2 * a]!, starts[2 * b]!]
      for (; i < aEnd && j < bEnd; i++, j++) if (bytes[i] !== bytes[j]) return bytes[i]! - bytes[j]!
      return aEnd - i - (bEnd - j)
    })
  }
}
