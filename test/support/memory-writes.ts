/** What transactions wrote that is not committed. */
import { type Compare, lowerBound, type Tree } from './memory-tree.ts'

/** To one tree; a value of null is a deletion. */
class Writes {
  readonly #compare: Compare
  readonly entries: { key: Buffer; value: Buffer | null }[] = []

  constructor(compare: Compare) {
    this.#compare = compare
  }

  /** Null: deleted; undefined: not written. */
  get(key: Uint8Array): Buffer | null | undefined {
    const entry = this.entries[lowerBound(this.entries, key, this.#compare)]
    return entry !== undefined && this.#compare(entry.key, key) === 0 ? entry.value : undefined
  }

  set(key: Buffer, value: Buffer | null): void {
    const at = lowerBound(this.entries, key, this.#compare)
    const entry = this.entries[at]
    const isThere = entry !== undefined && this.#compare(entry.key, key) === 0
    this.entries.splice(at, isThere ? 1 : 0, { key, value })
  }

  /** The tree with them. */
  appliedTo(tree: Tree): Tree {
    const kept = tree.filter((entry) => this.get(entry.key) === undefined)
    const added = this.entries.flatMap(({ key, value }) => (value === null ? [] : [{ key, value }]))
    return [...kept, ...added].sort((a, b) => this.#compare(a.key, b.key))
  }
}

/** Of one transaction, or of those of a group before it. */
export class Pending {
  readonly trees = new Map<string, Writes>()
  /** By the numbers in their references. */
  readonly values = new Map<number, Buffer>()

  get isEmpty(): boolean {
    return this.trees.size === 0 && this.values.size === 0
  }

  writesTo(tree: string, compare: Compare): Writes {
    let writes = this.trees.get(tree)
    if (writes === undefined) {
      writes = new Writes(compare)
      this.trees.set(tree, writes)
    }
    return writes
  }
}
