/** One sorted tree in memory, as a snapshot or a point read sees it. */
import type {
  Cursor,
  CursorOptions,
  EntryPlace,
  Range,
  Summary,
  TreeOptions,
  TreeReader,
} from '../../native-free-btree/index.ts'

export class MemoryStoreError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.name = 'StorageError'
    this.code = code
  }
}

export interface Entry {
  key: Buffer
  value: Buffer
}

export type Tree = readonly Entry[]

export function placeEntry({ key, value }: Entry, into: EntryPlace): void {
  Object.assign(into, { keyBytes: key, keyStart: 0, keyEnd: key.length })
  Object.assign(into, { valueBytes: value, valueStart: 0, valueEnd: value.length })
}
export type Compare = (a: Uint8Array, b: Uint8Array) => number

/** Position of the first entry whose key is not below `key`. */
export function lowerBound(tree: readonly { key: Buffer }[], key: Uint8Array, compare: Compare): number {
  let low = 0
  let high = tree.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compare(tree[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function bounds(tree: Tree, range: Range, compare: Compare): [number, number] {
  const edge = (key: Uint8Array, after: boolean): number => {
    const at = lowerBound(tree, key, compare)
    const found = at < tree.length && compare(tree[at]!.key, key) === 0
    return found && after ? at + 1 : at
  }
  const from = range.start === undefined ? 0 : edge(range.start, range.startInclusive === false)
  const to = range.end === undefined ? tree.length : edge(range.end, range.endInclusive === true)
  return [from, Math.max(from, to)]
}

class MemoryCursor implements Cursor {
  readonly #tree: Tree
  readonly #step: number
  readonly #live: () => void
  #left: number
  #at: number
  #stands = false

  constructor(tree: Tree, options: CursorOptions, compare: Compare, live: () => void) {
    const [from, to] = bounds(tree, options, compare)
    const skip = Math.min(options.skip ?? 0, to - from)
    this.#tree = tree
    this.#live = live
    this.#step = options.reverse ? -1 : 1
    this.#left = to - from - skip
    this.#at = options.reverse ? to - skip : from + skip - 1
  }

  next(): boolean {
    this.#live()
    this.#stands = this.#left > 0
    if (!this.#stands) return false
    this.#left -= 1
    this.#at += this.#step
    return true
  }

  nextPlace(into: EntryPlace): boolean {
    if (!this.next()) return false
    this.place(into)
    return true
  }

  #entry(): Entry {
    if (!this.#stands) throw new MemoryStoreError('INVALID_ARGUMENT', 'the cursor stands on no entry')
    return this.#tree[this.#at]!
  }

  key(): Buffer {
    return Buffer.from(this.#entry().key)
  }

  value(): Buffer {
    this.#live()
    return Buffer.from(this.#entry().value)
  }

  place(into: EntryPlace): void {
    placeEntry(this.#entry(), into)
  }

  valueLength(): number {
    return this.#entry().value.length
  }
}

export class MemoryTreeReader implements TreeReader {
  readonly #tree: Tree
  readonly #options: TreeOptions
  readonly #compare: Compare
  readonly #live: () => void

  constructor(tree: Tree, options: TreeOptions, live: () => void) {
    this.#tree = tree
    this.#options = options
    this.#compare = options.comparator?.compare ?? Buffer.compare
    this.#live = live
  }

  count(): number {
    this.#live()
    return this.#tree.length
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#live()
    const entry = this.#tree[lowerBound(this.#tree, key, this.#compare)]
    return entry && this.#compare(entry.key, key) === 0 ? Buffer.from(entry.value) : undefined
  }

  has(key: Uint8Array): boolean {
    return this.get(key) !== undefined
  }

  cursor(options: CursorOptions = {}): Cursor {
    this.#live()
    return new MemoryCursor(this.#tree, options, this.#compare, this.#live)
  }

  rank(key: Uint8Array): number {
    this.#live()
    return lowerBound(this.#tree, key, this.#compare)
  }

  reduce(range: Range = {}): Summary {
    this.#live()
    const [from, to] = bounds(this.#tree, range, this.#compare)
    const entries = this.#tree.slice(from, to)
    const reducer = this.#options.reducer
    return {
      count: entries.length,
      bytes: entries.reduce((sum, entry) => sum + entry.key.length + entry.value.length, 0),
      reduction: reducer?.combine(entries.map((entry) => reducer.map(entry.key, entry.value))),
    }
  }
}
