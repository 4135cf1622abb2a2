/**
 * Finds the last operation on a key among a stretch of a group's operations. A long stretch is indexed, when it is first
 * asked for and as far as it has come; a short one is looked through, as most transactions are short. What a
 * transaction that throws takes back is a stretch of its own, so that no index ever has to forget.
 */
import type { GroupBuilder } from '../log/builder.ts'
import { type KeyIndex, keyIndex } from '../tree/key-index.ts'
import type { Tree } from '../tree/tree.ts'

/** Most operations that are looked through. */
const SHORT = 16

export class GroupOperations {
  readonly #builder: GroupBuilder
  /** Number of its first operation in the group. */
  first = 0
  #indexed = 0
  /** By tree: made for those with operations. */
  #indexes = new Map<Tree, KeyIndex>()

  constructor(builder: GroupBuilder) {
    this.#builder = builder
  }

  /** Starts anew with the operation `first`. */
  begin(first: number): void {
    this.first = first
    this.#indexed = first
    if (this.#indexes.size > 0) this.#indexes = new Map()
  }

  /** The last operation on `key` before operation `end`; undefined when there is none. `end` never falls. */
  last(tree: Tree, key: Uint8Array, end: number): number | undefined {
    if (end - this.first <= SHORT) return this.#lookThrough(tree, key, end)
    this.#index(end)
    return this.#indexes.get(tree)?.last(key, 0, key.length)
  }

  #lookThrough(tree: Tree, key: Uint8Array, end: number): number | undefined {
    const builder = this.#builder
    const { trees } = builder
    for (let i = end - 1; i >= this.first; i--) {
      if (trees[i] === tree && isKeyOf(builder, i, key, tree)) return i
    }
    return undefined
  }

  #index(end: number): void {
    const { trees } = this.#builder
    for (; this.#indexed < end; this.#indexed++) {
      const tree = trees[this.#indexed]!
      let keys = this.#indexes.get(tree)
      if (keys === undefined) {
        keys = keyIndex(this.#builder, tree.compare)
        this.#indexes.set(tree, keys)
      }
      keys.add(this.#indexed)
    }
  }
}

/** A comparator may call unlike bytes equal, so it is asked. */
function isKeyOf(builder: GroupBuilder, operation: number, key: Uint8Array, tree: Tree): boolean {
  if (tree.compare !== undefined && !(key[0]! < tree.compare.bytewiseBelow)) {
    return tree.compare(builder.keyOf(operation), key) === 0
  }
  const { bytes, keyStarts, keyEnds } = builder
  const start = keyStarts[operation]!
  if (keyEnds[operation]! - start !== key.length) return false
  for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key[i]) return false
  return true
}
