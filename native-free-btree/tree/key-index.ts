/**
 * The last of a row of operations (a group's, or those of a stretch of the log) on each key of one tree, by operation
 * numbers: `HashedKeys` for trees in bytewise order, an
 * open-addressing table that compares keys where they lie in the operations' buffers, so that no object is made for one;
 * `OrderedKeys` for trees with a comparator, which may call unlike bytes equal, so that only it can tell. Both where some
 * keys of a comparator's are in bytewise order.
 */

import type { Compare } from '../callbacks.ts'

/** Operations by number. */
export interface Operations {
  /** The buffer that the key of operation `index` lies in, and where. */
  bytesOf(index: number): Buffer
  keyStart(index: number): number
  keyEnd(index: number): number
  /** The key of operation `index`: a view into the buffer. */
  keyOf(index: number): Buffer
}

export interface KeyIndex {
  /** Notes that `operation` is the last on its key. Operations come in order. */
  add(operation: number): void
  /** Undefined when there is no operation on the key in `key` from `start` to `end`. */
  last(key: Uint8Array, start: number, end: number): number | undefined
}

export function keyIndex(operations: Operations, compare: Compare | undefined): KeyIndex {
  if (compare === undefined) return new HashedKeys(operations)
  return compare.bytewiseBelow > 0 ? new MixedKeys(operations, compare) : new OrderedKeys(operations, compare)
}

const FIRST_SLOTS = 64

class HashedKeys implements KeyIndex {
  readonly #operations: Operations
  /** Two numbers each: the hash of a key; the operation's number + 1, or 0: empty. At most half of them are taken. */
  #slots = new Int32Array(2 * FIRST_SLOTS)
  #taken = 0

  constructor(operations: Operations) {
    this.#operations = operations
  }

  /** Notes that `operation` is the last on its key. */
  add(operation: number): void {
    if (this.#taken * 4 >= this.#slots.length) this.#grow()
    const all = this.#operations
    const bytes = all.bytesOf(operation)
    const start = all.keyStart(operation)
    const end = all.keyEnd(operation)
    const hash = hashOf(bytes, start, end)
    const slot = this.#slotOf(hash, bytes, start, end)
    if (this.#slots[slot + 1] === 0) this.#taken += 1
    this.#slots[slot] = hash
    this.#slots[slot + 1] = operation + 1
  }

  last(key: Uint8Array, start: number, end: number): number | undefined {
    const found = this.#slots[this.#slotOf(hashOf(key, start, end), key, start, end) + 1]!
    return found === 0 ? undefined : found - 1
  }

  /** Where the key is, or would go. */
  #slotOf(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = (hash << 1) & mask; ; slot = (slot + 2) & mask) {
      const found = slots[slot + 1]!
      if (found === 0) return slot
      if (slots[slot] === hash && this.#isKeyOf(found - 1, bytes, start, end)) return slot
    }
  }

  #isKeyOf(operation: number, bytes: Uint8Array, start: number, end: number): boolean {
    const all = this.#operations
    const from = all.keyStart(operation)
    if (all.keyEnd(operation) - from !== end - start) return false
    const own = all.bytesOf(operation)
    for (let i = start; i < end; i++) if (own[from + i - start] !== bytes[i]) return false
    return true
  }

  #grow(): void {
    const old = this.#slots
    const slots = new Int32Array(old.length * 4)
    const mask = slots.length - 1
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue
      let slot = (old[at]! << 1) & mask
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask
      slots[slot] = old[at]!
      slots[slot + 1] = old[at + 1]!
    }
    this.#slots = slots
  }
}

/** Four bytes at a time, each time mixed: ids that count up differ in their last bytes only. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  let at = start
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b)
  return hash ^ (hash >>> 16)
}

/** A run of operations is split when it has grown to this: an insertion moves no more than a run. */
const RUN_LENGTH = 512

/** Runs of operations in the order of their keys, each run not empty but the first of an empty index. */
class OrderedKeys implements KeyIndex {
  readonly #operations: Operations
  readonly #compare: Compare
  readonly #runs: number[][] = [[]]

  constructor(operations: Operations, compare: Compare) {
    this.#operations = operations
    this.#compare = compare
  }

  add(operation: number): void {
    const key = this.#operations.keyOf(operation)
    const at = this.#runOf(key)
    const run = this.#runs[at]!
    const index = this.#bound(run, key)
    if (this.#isAt(run, index, key)) {
      run[index] = operation
      return
    }
    run.splice(index, 0, operation)
    if (run.length >= RUN_LENGTH) this.#runs.splice(at + 1, 0, run.splice(RUN_LENGTH / 2))
  }

  last(bytes: Uint8Array, start: number, end: number): number | undefined {
    const key = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
    const run = this.#runs[this.#runOf(key)]!
    const index = this.#bound(run, key)
    return this.#isAt(run, index, key) ? run[index] : undefined
  }

  #isAt(run: readonly number[], index: number, key: Uint8Array): boolean {
    return index < run.length && this.#order(run[index]!, key) === 0
  }

  #order(operation: number, key: Uint8Array): number {
    return this.#compare(this.#operations.keyOf(operation), key)
  }

  /** The last run that does not begin above `key`; the first where all do. */
  #runOf(key: Uint8Array): number {
    let low = 0
    let high = this.#runs.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#order(this.#runs[middle]![0]!, key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The first place of the run whose key is not below `key`. */
  #bound(run: readonly number[], key: Uint8Array): number {
    let low = 0
    let high = run.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#order(run[middle]!, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** No key of the one index is equal to one of the other. */
class MixedKeys implements KeyIndex {
  readonly #operations: Operations
  readonly #bytewiseBelow: number
  readonly #hashed: HashedKeys
  readonly #ordered: OrderedKeys

  constructor(operations: Operations, compare: Compare) {
    this.#operations = operations
    this.#bytewiseBelow = compare.bytewiseBelow
    this.#hashed = new HashedKeys(operations)
    this.#ordered = new OrderedKeys(operations, compare)
  }

  add(operation: number): void {
    const all = this.#operations
    const start = all.keyStart(operation)
    const isEmpty = start === all.keyEnd(operation)
    this.#indexOf(isEmpty ? undefined : all.bytesOf(operation)[start]).add(operation)
  }

  last(key: Uint8Array, start: number, end: number): number | undefined {
    return this.#indexOf(start < end ? key[start] : undefined).last(key, start, end)
  }

  #indexOf(firstByte: number | undefined): KeyIndex {
    return firstByte! < this.#bytewiseBelow ? this.#hashed : this.#ordered
  }
}
