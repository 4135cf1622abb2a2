/**
 * A queue whose first is the least of all, by an order that is given. Each item is in it once; it comes, goes and is found
 * in logarithmic time, from wherever it stands. The order between items that are in the queue must not change.
 */
export class Heap<T> {
  readonly #isBefore: (a: T, b: T) => boolean
  /** The least is first, and none is before the one at half its place. */
  readonly #items: T[] = []
  readonly #places = new Map<T, number>()

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  has(item: T): boolean {
    return this.#places.has(item)
  }

  add(item: T): void {
    if (this.#places.has(item)) return
    this.#put(this.#items.length, item)
    this.#rise(this.#items.length - 1)
  }

  takeFirst(): T | undefined {
    const first = this.#items[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  /** False when it was not there. */
  remove(item: T): boolean {
    const at = this.#places.get(item)
    if (at === undefined) return false
    this.#places.delete(item)
    const last = this.#items.pop()!
    if (at === this.#items.length) return true
    this.#put(at, last)
    this.#rise(at)
    this.#sink(at)
    return true
  }

  #put(at: number, item: T): void {
    this.#items[at] = item
    this.#places.set(item, at)
  }

  #rise(from: number): void {
    const item = this.#items[from]!
    let at = from
    while (at > 0) {
      const above = (at - 1) >>> 1
      const other = this.#items[above]!
      if (!this.#isBefore(item, other)) break
      this.#put(at, other)
      at = above
    }
    this.#put(at, item)
  }

  #sink(from: number): void {
    const item = this.#items[from]!
    let at = from
    for (;;) {
      let below = 2 * at + 1
      if (below >= this.#items.length) break
      if (below + 1 < this.#items.length && this.#isBefore(this.#items[below + 1]!, this.#items[below]!)) {
        below += 1
      }
      const other = this.#items[below]!
      if (!this.#isBefore(other, item)) break
      this.#put(at, other)
      at = below
    }
    this.#put(at, item)
  }
}
