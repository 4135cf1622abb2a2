/** The names of all databases in bytewise order. They are ASCII, so JavaScript's order of strings is that. */

export interface NameRange {
  /** The first name in the direction of travel, when it exists. */
  startKey?: string | undefined
  /** The last one in the direction of travel. */
  endKey?: string | undefined
  /** Default true. */
  inclusiveEnd?: boolean | undefined
  descending?: boolean | undefined
  skip?: number | undefined
  limit?: number | undefined
}

export class NameIndex {
  readonly #names: string[]

  constructor(names: Iterable<string> = []) {
    this.#names = [...new Set(names)].sort()
  }

  get size(): number {
    return this.#names.length
  }

  has(name: string): boolean {
    return this.#names[this.#rank(name)] === name
  }

  add(name: string): void {
    const at = this.#rank(name)
    if (this.#names[at] !== name) this.#names.splice(at, 0, name)
  }

  remove(name: string): void {
    const at = this.#rank(name)
    if (this.#names[at] === name) this.#names.splice(at, 1)
  }

  list(range: NameRange = {}): string[] {
    const inclusiveEnd = range.inclusiveEnd ?? true
    const [low, high] = range.descending ? [range.endKey, range.startKey] : [range.startKey, range.endKey]
    const [lowInclusive, highInclusive] = range.descending ? [inclusiveEnd, true] : [true, inclusiveEnd]
    const from = low === undefined ? 0 : this.#rank(low, !lowInclusive)
    const to = high === undefined ? this.#names.length : this.#rank(high, highInclusive)
    const skip = range.skip ?? 0
    const count = Math.max(0, Math.min(to - from - skip, range.limit ?? Number.POSITIVE_INFINITY))
    if (!range.descending) return this.#names.slice(from + skip, from + skip + count)
    return this.#names.slice(to - skip - count, to - skip).reverse()
  }

  /** How many names come before `name`; with `after`, it itself included. */
  #rank(name: string, after = false): number {
    let low = 0
    let high = this.#names.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#names[middle]!
      if (other < name || (after && other === name)) low = middle + 1
      else high = middle
    }
    return low
  }
}
