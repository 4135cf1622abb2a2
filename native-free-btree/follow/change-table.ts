/**
 * What a stretch of the log did to one tree: its operations in order, their bytes copied into one buffer. To note one is a
 * copy and three numbers; no node is read, and no object made. The last operation on a key is found by an index that is
 * brought up to date when it is asked: trees that are only scanned need none.
 */
import type { Compare } from '../callbacks.ts'
import { CellView, readCell } from '../page/cell.ts'
import type { DirtyLedger } from '../tree/changeable-nodes.ts'
import { type KeyIndex, keyIndex, type Operations } from '../write/key-index.ts'

const FIRST_BYTES = 4 * 1024
/** What an emptied table keeps for what comes next. */
const KEPT_BYTES = 64 * 1024
/** The buffer's memory, and about half as much for the numbers beside it and the index. */
const MEMORY_PER_BYTE = 1.5
/** Longer operations are copied by a call, which costs more than the copying of a short one. */
const SHORT_BYTES = 128
const NONE = Buffer.alloc(0)

const view = new CellView()

export class ChangeTable implements Operations {
  bytes: Buffer = NONE
  readonly keyStarts: number[] = []
  readonly keyEnds: number[] = []
  /** Of each put's cell; -1: a deletion. */
  readonly offsets: number[] = []
  readonly #compare: Compare | undefined
  readonly #ledger: DirtyLedger
  #length = 0
  #index: KeyIndex | undefined
  #indexed = 0

  constructor(compare: Compare | undefined, ledger: DirtyLedger) {
    this.#compare = compare
    this.#ledger = ledger
  }

  get count(): number {
    return this.offsets.length
  }

  /** Notes a put of the leaf's cell at `offset` of `source`. */
  put(source: Buffer, offset: number): void {
    readCell(source, offset, view)
    const at = this.#copy(source, offset, view.end)
    this.offsets.push(at)
    this.keyStarts.push(at + view.keyStart - offset)
    this.keyEnds.push(at + view.keyEnd - offset)
  }

  delete(source: Buffer, keyStart: number, keyEnd: number): void {
    const at = this.#copy(source, keyStart, keyEnd)
    this.offsets.push(-1)
    this.keyStarts.push(at)
    this.keyEnds.push(at + keyEnd - keyStart)
  }

  keyOf(index: number): Buffer {
    return this.bytes.subarray(this.keyStarts[index]!, this.keyEnds[index]!)
  }

  /** The last operation on `key`; undefined when there is none. */
  last(key: Uint8Array): number | undefined {
    const { count } = this
    if (count === 0) return undefined
    this.#index ??= keyIndex(this, this.#compare)
    for (; this.#indexed < count; this.#indexed++) this.#index.add(this.#indexed)
    return this.#index.last(key)
  }

  /** Order of the keys of two operations. */
  order(a: number, b: number): number {
    if (this.#compare !== undefined) return this.#compare(this.keyOf(a), this.keyOf(b))
    const { bytes, keyStarts, keyEnds } = this
    const startA = keyStarts[a]!
    const startB = keyStarts[b]!
    const lengthA = keyEnds[a]! - startA
    const lengthB = keyEnds[b]! - startB
    const shared = Math.min(lengthA, lengthB)
    for (let i = 0; i < shared; i++) {
      const difference = bytes[startA + i]! - bytes[startB + i]!
      if (difference !== 0) return difference
    }
    return lengthA - lengthB
  }

  clear(): void {
    this.offsets.length = 0
    this.keyStarts.length = 0
    this.keyEnds.length = 0
    this.#index = undefined
    this.#indexed = 0
    this.#length = 0
    if (this.bytes.length > KEPT_BYTES) this.#resize(0)
  }

  #copy(source: Buffer, start: number, end: number): number {
    const at = this.#length
    const length = end - start
    if (at + length > this.bytes.length)
      this.#resize(Math.max(FIRST_BYTES, this.bytes.length * 2, at + length))
    const { bytes } = this
    if (length <= SHORT_BYTES) for (let i = 0; i < length; i++) bytes[at + i] = source[start + i]!
    else bytes.set(source.subarray(start, end), at)
    this.#length = at + length
    return at
  }

  #resize(capacity: number): void {
    const before = this.bytes
    this.#ledger.add((capacity - before.length) * MEMORY_PER_BYTE)
    this.bytes = capacity === 0 ? NONE : Buffer.allocUnsafeSlow(capacity)
    before.copy(this.bytes, 0, 0, this.#length)
  }
}
