/** From what a query says of keys and ids to ranges of rows. */
import { DatabaseError, referred } from '../base/errors.ts'
import type { RowRange } from '../indexes/api.ts'
import { type KeyOrder, keyOrderOf } from '../indexes/keys/key-order.ts'
import { afterDocument, afterKey, beforeDocument } from '../indexes/keys/row-key.ts'
import { partitionStart } from '../indexes/keys/sort-key.ts'
import type { View } from './design-views.ts'
import type { ViewQuery } from './query.ts'

/** Above and below all ids. */
const ALL_IDS = Uint8Array.of(0xff)
const NO_ID = new Uint8Array(0)

export class QueryRanges {
  readonly #query: ViewQuery
  readonly #order: KeyOrder
  readonly #partition: Buffer | undefined
  #whole: RowRange | undefined

  constructor(view: View, query: ViewQuery) {
    this.#query = query
    this.#order = keyOrderOf(view)
    this.#partition = query.partition === undefined ? undefined : Buffer.from(query.partition)
  }

  /** Throws query_parse_error for bounds that are the wrong way round. */
  check(): void {
    const { startKey, endKey, startId, endId, descending } = this.#query
    if (startKey === undefined || endKey === undefined || startKey === endKey) return
    const first = idOrDefault(startId, descending ? ALL_IDS : NO_ID)
    const last = idOrDefault(endId, descending ? NO_ID : ALL_IDS)
    const order =
      this.#order.compare(this.#sortKey(startKey), this.#sortKey(endKey)) || Buffer.compare(first, last)
    if (descending ? order >= 0 : order < 0) return
    const reason = `No rows can match your key range, reverse your start_key and end_key or set descending=${!descending}`
    throw referred(new DatabaseError('queryParseError', reason))
  }

  /** What lies between the query's bounds. */
  whole(): RowRange {
    this.#whole ??= this.#between(this.#query.startKey, this.#query.endKey)
    return this.#whole
  }

  /** The rows of one of its keys. */
  ofKey(key: string): RowRange {
    return this.#between(key, key)
  }

  #between(startKey: string | undefined, endKey: string | undefined): RowRange {
    const { descending } = this.#query
    const first = startKey === undefined ? undefined : this.#startOf(this.#sortKey(startKey))
    const last = endKey === undefined ? undefined : this.#endOf(this.#sortKey(endKey))
    const all = this.#partition && partitionStart(this.#partition)
    const [low, high] = descending ? [last, first] : [first, last]
    return { start: low ?? all, end: high ?? (all && afterKey(all)) }
  }

  /** Where rows begin, in the direction of travel. */
  #startOf(sortKey: Uint8Array): Uint8Array {
    const { descending, startId } = this.#query
    if (startId === undefined) return descending ? afterKey(sortKey) : sortKey
    const id = Buffer.from(startId)
    return descending ? afterDocument(sortKey, id) : beforeDocument(sortKey, id)
  }

  /** Where they end. An empty id says nothing where the end is excluded, as in CouchDB. */
  #endOf(sortKey: Uint8Array): Uint8Array {
    const { descending, inclusiveEnd, endId } = this.#query
    const isWithKey = descending !== inclusiveEnd
    if (endId === undefined) return isWithKey ? afterKey(sortKey) : sortKey
    if (endId === '' && !inclusiveEnd) return afterKey(sortKey)
    const id = Buffer.from(endId)
    return isWithKey ? afterDocument(sortKey, id) : beforeDocument(sortKey, id)
  }

  #sortKey(key: string): Buffer {
    return this.#order.sortKey(Buffer.from(key), this.#partition)
  }
}

function idOrDefault(id: string | undefined, otherwise: Uint8Array): Uint8Array {
  return id === undefined ? otherwise : Buffer.from(id)
}
