/**
 * The way from a tree's root to the leaf in which a key was looked up last: who puts it next walks the same way, and need not search. It
 * says which child was taken at each level, which is so until the tree changes, whether nodes on it are copied or written meanwhile.
 */

/** A longer key is not remembered. */
const MOST_KEY_BYTES = 512
/** Of trees, which have far fewer. */
const MOST_LEVELS = 32

/** One for all trees of a thread. */
export class Way {
  /** Number of the tree; 0: there is no way. Trees that are closed are not kept in memory by it. */
  #tree = 0
  readonly #key = new Uint8Array(MOST_KEY_BYTES)
  #length = 0
  #levels = 0
  readonly #children = new Uint32Array(MOST_LEVELS)

  /** The tree is about to change, or has changed. */
  forget(tree: number): void {
    if (this.#tree === tree) this.#tree = 0
  }

  /**
   * The way to a key is walked now, which has so many bytes. Returns the key that must be looked for: a copy, for somebody else may write
   * to the memory of the caller's.
   */
  begin(key: Uint8Array, length: number): Uint8Array {
    this.#tree = 0
    this.#levels = 0
    this.#length = length
    if (length > MOST_KEY_BYTES) return key
    const copy = this.#key
    for (let i = 0; i < length; i++) copy[i] = key[i]!
    return copy
  }

  /** The child that is taken at the next level. */
  add(index: number): void {
    if (this.#levels < MOST_LEVELS) this.#children[this.#levels] = index
    this.#levels += 1
  }

  /** The key's leaf was found. */
  end(tree: number): void {
    if (this.#length <= MOST_KEY_BYTES && this.#levels <= MOST_LEVELS) this.#tree = tree
  }

  /** Whether it is the way to the key in `bytes` from `start` to `end`. */
  isTo(tree: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#length
    if (this.#tree !== tree || length !== end - start) return false
    const key = this.#key
    for (let i = 0; i < length; i++) if (key[i] !== bytes[start + i]) return false
    return true
  }

  /** The child that is taken at a level, the root's being 0. */
  child(level: number): number {
    return this.#children[level]!
  }
}
