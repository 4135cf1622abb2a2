/**
 * What a stretch of the log did to one tree: its operations in order, their bytes copied. To note one is a copy and three
 * numbers; no node is read, and no object made. The last operation on a key is found by an index that is brought up to
 * date when it is asked: trees that are only scanned need none.
 *
 * The bytes lie in chunks, of which the thread keeps some for the next table: memory that the system has to find first is
 * by far the dearest part of taking in a change. A place is the number of a chunk and an offset in it.
 */
import type { Compare } from '../callbacks.ts'
import { CellView, readCell } from '../page/cell.ts'
import type { DirtyLedger } from './changeable-nodes.ts'
import { type KeyIndex, keyIndex, type Operations } from './key-index.ts'

const CHUNK_BITS = 17
/** Takes the longest operation that a writer makes: a key of 64 KiB, and a short value or a reference. */
const CHUNK_BYTES = 2 ** CHUNK_BITS
const OFFSET_MASK = CHUNK_BYTES - 1
/** The first chunk of a table is made shorter, and longer by and by: most tables stay small. */
const FIRST_BYTES = 2 * 1024
/** What the thread keeps for the next tables. */
const KEPT_CHUNKS = 64
/** The chunks' memory, and about half as much for the numbers beside them and the index. */
const MEMORY_PER_BYTE = 1.5
/** Longer operations are copied by a call, which costs more than the copying of a short one. */
const SHORT_BYTES = 128

const view = new CellView()
const kept: Buffer[] = []

export class ChangeTable implements Operations {
  readonly #compare: Compare | undefined
  readonly #ledger: DirtyLedger
  /** All but the last are full. */
  readonly #chunks: Buffer[] = []
  /** In the last chunk. */
  #length = 0
  readonly #keyStarts: number[] = []
  readonly #keyEnds: number[] = []
  /** The place of each put's cell; -1: a deletion. */
  readonly #cells: number[] = []
  #index: KeyIndex | undefined
  #indexed = 0

  constructor(compare: Compare | undefined, ledger: DirtyLedger) {
    this.#compare = compare
    this.#ledger = ledger
  }

  get count(): number {
    return this.#cells.length
  }

  /** Notes a put of the leaf's cell at `offset` of `source`. */
  put(source: Buffer, offset: number): void {
    readCell(source, offset, view)
    const at = this.#copy(source, offset, view.end)
    this.#cells.push(at)
    this.#keyStarts.push(at + view.keyStart - offset)
    this.#keyEnds.push(at + view.keyEnd - offset)
  }

  delete(source: Buffer, keyStart: number, keyEnd: number): void {
    const at = this.#copy(source, keyStart, keyEnd)
    this.#cells.push(-1)
    this.#keyStarts.push(at)
    this.#keyEnds.push(at + keyEnd - keyStart)
  }

  isPut(index: number): boolean {
    return this.#cells[index]! >= 0
  }

  /** Of a put's cell, in `bytesOf` the put. */
  cellOffset(index: number): number {
    return this.#cells[index]! & OFFSET_MASK
  }

  bytesOf(index: number): Buffer {
    return this.#chunks[this.#keyStarts[index]! >>> CHUNK_BITS]!
  }

  keyStart(index: number): number {
    return this.#keyStarts[index]! & OFFSET_MASK
  }

  keyEnd(index: number): number {
    return this.keyStart(index) + this.#keyEnds[index]! - this.#keyStarts[index]!
  }

  keyOf(index: number): Buffer {
    return this.bytesOf(index).subarray(this.keyStart(index), this.keyEnd(index))
  }

  /** The last operation on the key in `key` from `start` to `end`; undefined when there is none. */
  last(key: Uint8Array, start = 0, end = key.length): number | undefined {
    const { count } = this
    if (count === 0) return undefined
    this.#index ??= keyIndex(this, this.#compare)
    for (; this.#indexed < count; this.#indexed++) this.#index.add(this.#indexed)
    return this.#index.last(key, start, end)
  }

  /** Order of the keys of two operations. */
  order(a: number, b: number): number {
    const compare = this.#compare
    if (compare !== undefined && !(this.#isBytewise(a, compare) && this.#isBytewise(b, compare))) {
      return compare(this.keyOf(a), this.keyOf(b))
    }
    const bytesA = this.bytesOf(a)
    const bytesB = this.bytesOf(b)
    const startA = this.keyStart(a)
    const startB = this.keyStart(b)
    const lengthA = this.keyEnd(a) - startA
    const lengthB = this.keyEnd(b) - startB
    const shared = Math.min(lengthA, lengthB)
    for (let i = 0; i < shared; i++) {
      const difference = bytesA[startA + i]! - bytesB[startB + i]!
      if (difference !== 0) return difference
    }
    return lengthA - lengthB
  }

  #isBytewise(index: number, compare: Compare): boolean {
    const start = this.keyStart(index)
    return start < this.keyEnd(index) && this.bytesOf(index)[start]! < compare.bytewiseBelow
  }

  /** The last operation of each key among those from `from` to `to`, in the order of keys. */
  lastInOrder(from: number, to: number): number[] {
    const operations: number[] = []
    let isInOrder = true
    for (let i = from; i < to; i++) {
      operations.push(i)
      isInOrder = isInOrder && (i === from || this.order(i - 1, i) < 0)
    }
    if (isInOrder) return operations
    operations.sort((a, b) => this.order(a, b) || a - b)
    return operations.filter((operation, i) => {
      const next = operations[i + 1]
      return next === undefined || this.order(operation, next) !== 0
    })
  }

  /** Order of an operation's key against `key`. */
  orderTo(operation: number, key: Uint8Array): number {
    return (this.#compare ?? Buffer.compare)(this.keyOf(operation), key)
  }

  /** Nobody adds to it any more, and its memory is not counted; whoever still reads it may go on. */
  retire(): void {
    let bytes = 0
    for (const chunk of this.#chunks) bytes += chunk.length
    this.#ledger.add(-bytes * MEMORY_PER_BYTE)
  }

  /** Forgets everything, and gives the memory back. */
  clear(): void {
    this.retire()
    for (const chunk of this.#chunks) {
      if (chunk.length === CHUNK_BYTES && kept.length < KEPT_CHUNKS) kept.push(chunk)
    }
    this.#chunks.length = 0
    this.#length = 0
    this.#cells.length = 0
    this.#keyStarts.length = 0
    this.#keyEnds.length = 0
    this.#index = undefined
    this.#indexed = 0
  }

  /** Copies bytes to where there is room, and returns the place. */
  #copy(source: Buffer, start: number, end: number): number {
    const length = end - start
    let last = this.#chunks.length - 1
    // Not a chunk's last byte is used: the place behind an operation, where an empty key lies, is in its chunk too.
    if (last < 0 || this.#length + length >= this.#chunks[last]!.length) {
      this.#makeRoom(length)
      last = this.#chunks.length - 1
    }
    const chunk = this.#chunks[last]!
    const at = this.#length
    if (length <= SHORT_BYTES) for (let i = 0; i < length; i++) chunk[at + i] = source[start + i]!
    else chunk.set(source.subarray(start, end), at)
    this.#length = at + length
    return last * CHUNK_BYTES + at
  }

  #makeRoom(length: number): void {
    const chunks = this.#chunks
    const first = chunks[0]
    const isFirst = chunks.length === 0 || (chunks.length === 1 && first!.length < CHUNK_BYTES)
    if (!isFirst || this.#length + length >= CHUNK_BYTES) {
      // A shorter first chunk stays as it is.
      chunks.push(kept.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES))
      this.#ledger.add(CHUNK_BYTES * MEMORY_PER_BYTE)
      this.#length = 0
      return
    }
    let bytes = first?.length ?? FIRST_BYTES / 4
    while (bytes <= this.#length + length) bytes *= 4
    const longer =
      bytes >= CHUNK_BYTES
        ? (kept.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES))
        : Buffer.allocUnsafeSlow(bytes)
    first?.copy(longer, 0, 0, this.#length)
    chunks[0] = longer
    this.#ledger.add((longer.length - (first?.length ?? 0)) * MEMORY_PER_BYTE)
  }
}
