/**
 * Rows of documents that have none yet, written where they are collected: most rows of a first build come this way, and nothing is
 * made of them in between. What holds: the entries are those that `RowWriter` puts for the same rows.
 */
import { copyBytes } from '../base/copy-bytes.ts'
import type { CollectedEntries } from './collected-entries.ts'
import { encodeDocumentRows } from './document-rows.ts'
import type { KeyOrder } from './keys/key-order.ts'
import { mostBehindSortKey, writeBehindSortKey } from './keys/row-key.ts'
import { MOST_HEAD_BYTES, writeRowValue } from './keys/row-value.ts'
import { MOST_SORT_KEY_BYTES } from './keys/tokens.ts'

/** Lengths and numbers below have one byte in the tree `ids`. */
const SHORT = 0x80

export class CollectedRows {
  readonly #trees: readonly CollectedEntries[]
  readonly #orders: readonly KeyOrder[]
  readonly #ids: CollectedEntries
  /** Where in its entries each tree has the sort key of the document's row; both are 0 where it has none. */
  readonly #starts: Uint32Array
  readonly #ends: Uint32Array
  /** One more than the last tree that the document has a row in. */
  #treesUsed = 0

  constructor(trees: readonly CollectedEntries[], orders: readonly KeyOrder[], ids: CollectedEntries) {
    this.#trees = trees
    this.#orders = orders
    this.#ids = ids
    this.#starts = new Uint32Array(trees.length)
    this.#ends = new Uint32Array(trees.length)
  }

  /** The document's only row in this tree; rows come in the order of the trees. Positions are in `source`, texts canonical. */
  add(
    tree: number,
    id: Uint8Array,
    partition: Uint8Array | undefined,
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const entries = this.#trees[tree]!
    const textBytes = keyEnd - keyStart + valueEnd - valueStart
    const bytes = entries.room(MOST_SORT_KEY_BYTES + mostBehindSortKey(id) + MOST_HEAD_BYTES + textBytes)
    const start = entries.bytes
    const sortEnd = this.#orders[tree]!.writeSortKey(source, keyStart, keyEnd, partition, bytes, start)
    const valueAt = writeBehindSortKey(bytes, sortEnd, id, 0)
    entries.added(valueAt, writeRowValue(bytes, valueAt, source, keyStart, keyEnd, valueStart, valueEnd))
    while (this.#treesUsed < tree) this.#noRow()
    this.#starts[tree] = start
    this.#ends[tree] = sortEnd
    this.#treesUsed += 1
  }

  #noRow(): void {
    this.#starts[this.#treesUsed] = 0
    this.#ends[this.#treesUsed] = 0
    this.#treesUsed += 1
  }

  /** All rows of the document were added. */
  finish(id: Uint8Array): void {
    const used = this.#treesUsed
    if (used === 0) return
    this.#treesUsed = 0
    const ids = this.#ids
    let size = id.length + 2 * used
    for (let tree = 0; tree < used; tree++) {
      const length = this.#ends[tree]! - this.#starts[tree]!
      if (length >= SHORT) {
        ids.add(id, encodeDocumentRows(this.#sortKeys(used))!)
        return
      }
      size += length
    }
    const bytes = ids.room(size)
    const valueAt = ids.bytes + id.length
    copyBytes(id, 0, bytes, ids.bytes, id.length)
    let at = valueAt
    for (let tree = 0; tree < used; tree++) {
      const start = this.#starts[tree]!
      const length = this.#ends[tree]! - start
      bytes[at++] = length === 0 ? 0 : 1
      if (length === 0) continue
      bytes[at++] = length
      copyBytes(this.#trees[tree]!.memory, start, bytes, at, length)
      at += length
    }
    ids.added(valueAt, at)
  }

  /** By tree, as `encodeDocumentRows` takes them. */
  #sortKeys(used: number): Uint8Array[][] {
    return Array.from({ length: used }, (_, tree) => {
      const [start, end] = [this.#starts[tree]!, this.#ends[tree]!]
      return start === end ? [] : [this.#trees[tree]!.memory.subarray(start, end)]
    })
  }
}
