/**
 * Finds the last operation on a key among a stretch of a group's operations. A long stretch is indexed, tree by tree, when a tree is first
 * asked for and as far as it has come; a short one is looked through, as most transactions are short. Of a tree in bytewise order the
 * operation with the highest key is known, and what lies above it needs no index: who writes many keys mostly does so in their order. What a
 * transaction that throws takes back is a stretch of its own, so that no index ever has to forget.
 */
import type { GroupBuilder } from '../log/builder.ts'
import { type KeyIndex, keyIndex } from '../tree/key-index.ts'
import type { Tree } from '../tree/tree.ts'

/** Most operations that are looked through. */
const SHORT = 16

/** The operations on one tree. */
interface TreeOperations {
  /** The one with the highest key of those before `seen`; -1: there is none. */
  highest: number
  seen: number
  /** Of those before `indexed`. */
  keys: KeyIndex | undefined
  indexed: number
}

export class GroupOperations {
  readonly #builder: GroupBuilder
  /** Number of its first operation in the group. */
  first = 0
  /** By tree: made for those that are asked for. */
  #trees = new Map<Tree, TreeOperations>()

  constructor(builder: GroupBuilder) {
    this.#builder = builder
  }

  /** Starts anew with the operation `first`. */
  begin(first: number): void {
    this.first = first
    if (this.#trees.size > 0) this.#trees = new Map()
  }

  /** The last operation on `key` before operation `end`; undefined when there is none. `end` never falls. */
  last(tree: Tree, key: Uint8Array, end: number): number | undefined {
    if (end - this.first <= SHORT) return this.#lookThrough(tree, key, end)
    let known = this.#trees.get(tree)
    if (known === undefined) {
      known = { highest: -1, seen: this.first, keys: undefined, indexed: this.first }
      this.#trees.set(tree, known)
    }
    if (tree.compare === undefined && this.#isAboveAll(known, tree, key, end)) return undefined
    return this.#index(known, tree, end).last(key, 0, key.length)
  }

  /** Whether the key is above those of all operations before `end`. */
  #isAboveAll(known: TreeOperations, tree: Tree, key: Uint8Array, end: number): boolean {
    const { bytes, trees, keyStarts, keyEnds } = this.#builder
    let { highest, seen } = known
    for (; seen < end; seen++) {
      if (trees[seen] !== tree) continue
      const [start, keyEnd] = [keyStarts[seen]!, keyEnds[seen]!]
      if (highest < 0 || order(bytes, start, keyEnd, bytes, keyStarts[highest]!, keyEnds[highest]!) > 0) {
        highest = seen
      }
    }
    known.highest = highest
    known.seen = seen
    return highest < 0 || order(key, 0, key.length, bytes, keyStarts[highest]!, keyEnds[highest]!) > 0
  }

  #lookThrough(tree: Tree, key: Uint8Array, end: number): number | undefined {
    const builder = this.#builder
    const { trees } = builder
    for (let i = end - 1; i >= this.first; i--) {
      if (trees[i] === tree && isKeyOf(builder, i, key, tree)) return i
    }
    return undefined
  }

  #index(known: TreeOperations, tree: Tree, end: number): KeyIndex {
    const { trees } = this.#builder
    known.keys ??= keyIndex(this.#builder, tree.compare)
    const { keys } = known
    for (; known.indexed < end; known.indexed++) if (trees[known.indexed] === tree) keys.add(known.indexed)
    return keys
  }
}

/** Of bytes `from` to `to` and `otherFrom` to `otherTo`. */
function order(
  bytes: Uint8Array,
  from: number,
  to: number,
  other: Uint8Array,
  otherFrom: number,
  otherTo: number,
): number {
  const shared = Math.min(to - from, otherTo - otherFrom)
  for (let i = 0; i < shared; i++) {
    const difference = bytes[from + i]! - other[otherFrom + i]!
    if (difference !== 0) return difference
  }
  return to - from - (otherTo - otherFrom)
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
