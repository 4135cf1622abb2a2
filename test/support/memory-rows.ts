/** Rows of one tree in memory, in the order of their places, reduced as an index reduces them. */
import type { Reducer } from '../../native-free-btree/index.ts'
import type { RowCursor, RowRange, RowReader } from '../../src/indexes/api.ts'
import { collatedOrder, type KeyOrder } from '../../src/indexes/keys/key-order.ts'
import { afterKey, rowKey } from '../../src/indexes/keys/row-key.ts'
import { encodeRowValue } from '../../src/indexes/keys/row-value.ts'
import { treeReducer } from '../../src/indexes/reduce/tree-reducer.ts'

export interface MemoryRow {
  readonly key: unknown
  readonly id: string
  readonly value?: unknown
  /** The value as JSON, where that is not what `JSON.stringify` writes. */
  readonly text?: string
}

interface Entry {
  readonly place: Buffer
  readonly key: Buffer
  readonly id: string
  readonly value: Buffer
  readonly stored: Buffer
  readonly summary: Uint8Array | undefined
}

/** Children of a node, all of the same depth. */
const FAN_OUT = 5

export class MemoryRows implements RowReader {
  readonly #entries: Entry[]
  readonly #order: KeyOrder
  readonly #reducer: Reducer | undefined

  constructor(rows: readonly MemoryRow[], reduces: readonly string[] = [], order: KeyOrder = collatedOrder) {
    this.#order = order
    this.#reducer = treeReducer(reduces)
    const numbers = new Map<string, number>()
    const numberOf = ({ id }: MemoryRow): number => {
      const number = numbers.get(id) ?? 0
      numbers.set(id, number + 1)
      return number
    }
    this.#entries = rows
      .map((row) => this.#entryOf(row, numberOf(row)))
      .sort((a, b) => order.compare(a.place, b.place))
  }

  #entryOf({ key, id, value, text: json }: MemoryRow, number: number): Entry {
    const keyText = Buffer.from(JSON.stringify(key))
    const text = Buffer.from(json ?? JSON.stringify(value))
    const both = Buffer.concat([keyText, text])
    const place = rowKey(this.#order.sortKey(keyText), Buffer.from(id), number)
    const stored = encodeRowValue(both, 0, keyText.length, keyText.length, both.length)
    return { place, key: keyText, id, value: text, stored, summary: this.#reducer?.map(place, stored) }
  }

  count(): number {
    return this.#entries.length
  }

  rank(place: Uint8Array): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#order.compare(this.#entries[middle]!.place, place) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  cursor({ start, end, reverse, skip = 0 }: RowRange & { reverse?: boolean; skip?: number }): RowCursor {
    const entries = this.#slice({ start, end })
    if (reverse === true) entries.reverse()
    let at = skip - 1
    return {
      next: () => {
        at += 1
        return at < entries.length
      },
      key: () => entries[at]!.key,
      id: () => entries[at]!.id,
      value: () => entries[at]!.value,
      stored: () => entries[at]!.stored,
      place: () => entries[at]!.place,
      locate(into) {
        const { place, stored } = entries[at]!
        Object.assign(into, { keyBytes: place, keyStart: 0, keyEnd: place.length })
        Object.assign(into, { valueBytes: stored, valueStart: 0, valueEnd: stored.length })
      },
    }
  }

  reduce(range: RowRange): { count: number; reduction: Uint8Array | undefined } {
    const entries = this.#slice(range)
    const summaries = entries.map((entry) => entry.summary)
    return { count: entries.length, reduction: this.#reducer && this.#joined(summaries as Uint8Array[]) }
  }

  /** The range of the rows of a key. */
  rangeOf(key: unknown): RowRange {
    const start = this.#order.sortKey(Buffer.from(JSON.stringify(key)))
    return { start, end: afterKey(start) }
  }

  #slice({ start, end }: RowRange): Entry[] {
    const from = start === undefined ? 0 : this.rank(start)
    const to = end === undefined ? this.#entries.length : this.rank(end)
    return this.#entries.slice(from, Math.max(from, to))
  }

  /** Node by node, as a tree has them. */
  #joined(summaries: readonly Uint8Array[]): Uint8Array {
    if (summaries.length <= FAN_OUT) return this.#reducer!.combine(summaries)
    const above: Uint8Array[] = []
    for (let at = 0; at < summaries.length; at += FAN_OUT) {
      above.push(this.#reducer!.combine(summaries.slice(at, at + FAN_OUT)))
    }
    return this.#joined(above)
  }
}
