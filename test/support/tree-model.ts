/** A plain ordered map, the model that trees are compared with: a sorted array, nothing else. */
import type { CursorOptions, Range, Reducer, Summary } from '../../native-free-btree/index.ts'

export interface ModelEntry {
  readonly key: Buffer
  readonly value: Buffer
}

export class TreeModel {
  readonly compare: (a: Uint8Array, b: Uint8Array) => number
  readonly reducer: Reducer | undefined
  entries: ModelEntry[] = []

  constructor(
    compare: (a: Uint8Array, b: Uint8Array) => number = Buffer.compare,
    reducer: Reducer | undefined = undefined,
  ) {
    this.compare = compare
    this.reducer = reducer
  }

  /** A model of its own with the same entries. */
  copy(): TreeModel {
    const copy = new TreeModel(this.compare, this.reducer)
    copy.entries = this.entries.slice()
    return copy
  }

  /** Number of entries before `key`. */
  rank(key: Uint8Array): number {
    let low = 0
    let high = this.entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(this.entries[middle]!.key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #holds(index: number, key: Uint8Array): boolean {
    const entry = this.entries[index]
    return entry !== undefined && this.compare(entry.key, key) === 0
  }

  get(key: Uint8Array): Buffer | undefined {
    const index = this.rank(key)
    return this.#holds(index, key) ? this.entries[index]!.value : undefined
  }

  put(key: Buffer, value: Buffer): void {
    const index = this.rank(key)
    this.entries.splice(index, this.#holds(index, key) ? 1 : 0, { key, value })
  }

  delete(key: Uint8Array): void {
    const index = this.rank(key)
    if (this.#holds(index, key)) this.entries.splice(index, 1)
  }

  range(range: Range): ModelEntry[] {
    const { start, end } = range
    let from = 0
    let to = this.entries.length
    if (start !== undefined) {
      from = this.rank(start)
      if (range.startInclusive === false && this.#holds(from, start)) from += 1
    }
    if (end !== undefined) {
      to = this.rank(end)
      if (range.endInclusive === true && this.#holds(to, end)) to += 1
    }
    return from < to ? this.entries.slice(from, to) : []
  }

  walk(options: CursorOptions): ModelEntry[] {
    const found = this.range(options)
    if (options.reverse === true) found.reverse()
    return found.slice(options.skip ?? 0)
  }

  reduce(range: Range): Summary {
    const entries = this.range(range)
    return {
      count: entries.length,
      bytes: entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0),
      reduction: this.reducer?.combine(entries.map(({ key, value }) => this.reducer!.map(key, value))),
    }
  }
}
