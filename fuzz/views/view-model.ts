/** A view said plainly: documents in a map, their rows made and sorted anew for every question. */
import {
  arbitraryKey,
  arbitraryString,
  jsonOf,
  type KeyValue,
  Members,
  plainCollated,
} from '../../test/support/arbitrary-keys.ts'
import type { Random } from '../../test/support/random.ts'

/** What the view of the model maps and reduces. */
export const MODEL_VIEW = {
  map: 'function (doc) { (doc.keys || []).forEach(function (key, index) { emit(key, doc.n * 10 + index) }) }',
  reduce: '_count',
}

export interface ModelRow {
  readonly id: string
  readonly key: KeyValue
  readonly value: number
}

export interface ModelQuery {
  startKey?: KeyValue
  endKey?: KeyValue
  keys?: readonly KeyValue[]
  startId?: string
  endId?: string
  inclusiveEnd: boolean
  descending: boolean
  skip: number
  limit?: number
  /** Undefined: rows. 0: all in one; infinite: those of equal keys. */
  level?: number
}

export class ViewModel {
  readonly #documents = new Map<string, readonly ModelRow[]>()

  get ids(): string[] {
    return [...this.#documents.keys()]
  }

  put(id: string, n: number, keys: readonly KeyValue[]): void {
    this.#documents.set(
      id,
      keys.map((key, index) => ({ id, key, value: n * 10 + index })),
    )
  }

  delete(id: string): void {
    this.#documents.delete(id)
  }

  /** Those of one key and document in the order of their values, in both directions. */
  rows(turn: 1 | -1 = 1): ModelRow[] {
    return [...this.#documents.values()]
      .flat()
      .sort((a, b) => turn * (plainCollated(a.key, b.key) || compareIds(a.id, b.id)) || a.value - b.value)
  }

  /** The rows that a query without `keys` names, before `skip` and `limit`. */
  inRange(query: ModelQuery): ModelRow[] {
    const turn = query.descending ? -1 : 1
    const rows = this.rows(turn)
    const { startKey, startId, endKey, endId, inclusiveEnd } = query
    return rows.filter(({ key, id }) => {
      if (startKey !== undefined) {
        const order = turn * plainCollated(key, startKey)
        if (order < 0 || (order === 0 && startId !== undefined && turn * compareIds(id, startId) < 0))
          return false
      }
      if (endKey === undefined) return true
      const order = turn * plainCollated(key, endKey)
      if (order !== 0) return order < 0
      if (endId === undefined) return inclusiveEnd
      const ofIds = turn * compareIds(id, endId)
      return ofIds < 0 || (ofIds === 0 && inclusiveEnd)
    })
  }
}

function compareIds(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** A key as a document can have it and a map sees it. */
export function storableKey(random: Random): KeyValue {
  const text = jsonOf(arbitraryKey(random, 2)).replaceAll(/\\ud[89a-f][0-9a-f]{2}/g, '?')
  return fromJson(JSON.parse(text))
}

function fromJson(value: unknown): KeyValue {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : (value as KeyValue)
  return new Members(Object.entries(value).map(([name, each]) => [name, fromJson(each)] as const))
}

export function storableId(random: Random): string {
  const text = arbitraryString(random)
    .replaceAll('\u0000', '')
    .replaceAll(/\p{Surrogate}/gu, '')
  return `d${text}`
}
