/**
 * The leaf in which an entry of a tree was looked up last: whoever looks up many mostly finds the next one there, without the way
 * from the root. Invariants:
 * - It answers for a key only that is one of the leaf's, or lies between two of them: such a key lies in no other leaf.
 * - The leaf is as it was: the tree tells of its changes (`forget`), and the memory that it lies in was not used for another page
 *   since: a room of the cache (`generation`), or, of a leaf that is changing, a page of the pool (`reuses`).
 */
import type { EntryPlace } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import type { Compare } from '../callbacks.ts'
import { cellCount, cellOffset } from '../page/layout.ts'
import { pagePool } from '../page/pool.ts'
import { cellHasKey, isNextKey, lowerBound } from '../page/search.ts'
import type { ValueReader } from '../values/values.ts'
import { placeCell } from './point-reads.ts'
import type { Root } from './shares.ts'

export class NearLeaf {
  #leaf: Buffer | undefined
  /** Of the entry that was found last in it. */
  #index = 0
  #root: Root
  #generation = 0
  #reuses = 0

  /** The tree is about to change, or has changed. */
  forget(): void {
    this.#leaf = undefined
  }

  /** Says where the entry lies below `root` whose key is bytes `start` to `end` of `bytes`: see `StoreReader.place`. */
  place(
    root: Root,
    bytes: Uint8Array,
    start: number,
    end: number,
    source: PageSource,
    values: ValueReader,
    compare: Compare | undefined,
    into: EntryPlace,
  ): boolean {
    let leaf = this.#leaf
    let index = 0
    if (leaf !== undefined && this.#root === root && this.#isAsItWas(source)) {
      const next = this.#index + 1
      if (isNextKey(leaf, next, bytes, start, end)) {
        this.#index = next
        placeCell(leaf, cellOffset(leaf, next), values, into)
        return true
      }
      index = lowerBound(leaf, bytes, compare, start, end)
      if (index === 0 || index === cellCount(leaf)) leaf = undefined
    } else leaf = undefined
    if (leaf === undefined) {
      leaf = source.leafFor(root, bytes, compare, start, end)
      if (leaf === undefined) return false
      index = lowerBound(leaf, bytes, compare, start, end)
      this.#leaf = leaf
      this.#root = root
      this.#generation = source.generation
      this.#reuses = pagePool.reuses
    }
    if (!cellHasKey(leaf, index, bytes, compare, start, end)) return false
    this.#index = index
    placeCell(leaf, cellOffset(leaf, index), values, into)
    return true
  }

  #isAsItWas({ generation }: PageSource): boolean {
    return this.#generation === generation && this.#reuses === pagePool.reuses
  }
}
