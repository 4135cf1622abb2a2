/** The rows of a query that does not reduce, and what stands before them: their number and that of the first of them. */
import type { Steps } from '../base/time-slice.ts'
import type { RowCursor, RowRange, RowReader } from '../indexes/api.ts'
import {
  afterDocument,
  afterRow,
  beforeDocument,
  idOf,
  isFirstOfDocument,
  sortKeyOf,
} from '../indexes/keys/row-key.ts'
import type { KeyedRange } from './groups.ts'
import type { ViewQuery } from './query.ts'
import type { QueryRanges } from './ranges.ts'

export interface RowsHead {
  /** Of the whole view, whatever is asked for. */
  readonly totalRows: number
  /** Rows before the first that is answered, in the direction of travel. */
  readonly offset: number
}

/** The ranges that a query asks for, in the order in which they are answered. */
export function* askedRanges(query: ViewQuery, ranges: QueryRanges): Generator<RowRange, void, void> {
  if (!query.keys) {
    yield ranges.whole()
    return
  }
  const { keys, descending } = query
  for (let i = 0; i < keys.length; i++) yield ranges.ofKey(keys[descending ? keys.length - 1 - i : i]!)
}

/** The same for groups, which stay in the order of the keys. */
export function* askedGroups(query: ViewQuery, ranges: QueryRanges): Generator<KeyedRange, void, void> {
  if (!query.keys) yield ranges.whole()
  else for (const key of query.keys) yield { ...ranges.ofKey(key), key: Buffer.from(key) }
}

/**
 * As CouchDB counts: of several keys those before the first that has rows, or the last where none has; what is skipped is
 * added, whether it is there or not, but for a partition.
 */
export function* rowsHead(tree: RowReader, query: ViewQuery, ranges: QueryRanges): Steps<RowsHead> {
  const totalRows = tree.count()
  const place = (range: RowRange): { before: number; count: number } => {
    const low = range.start === undefined ? 0 : tree.rank(range.start)
    const high = range.end === undefined ? totalRows : tree.rank(range.end)
    return { before: query.descending ? totalRows - Math.max(high, low) : low, count: high - low }
  }
  let offset = 0
  let count = 0
  for (const range of askedRanges(query, ranges)) {
    ;({ before: offset, count } = place(range))
    if (count > 0) break
    yield
  }
  const most = query.partition === undefined ? totalRows : offset + Math.max(0, count)
  return { totalRows, offset: Math.min(most, offset + query.skip) }
}

/**
 * The rows. The cursor that is given stands at the row until the next is asked for; undefined after a step that found none.
 * Rows of one key that one document has are in one order in both directions, as in CouchDB.
 */
export function* askedRows(
  tree: RowReader,
  query: ViewQuery,
  ranges: QueryRanges,
): Generator<RowCursor | undefined, void, void> {
  const { descending, limit = Number.POSITIVE_INFINITY } = query
  let { skip } = query
  let left = limit
  if (left === 0) return
  for (const range of askedRanges(query, ranges)) {
    if (skip > 0) {
      const count = rowsIn(tree, range)
      if (count <= skip) {
        skip -= Math.max(0, count)
        yield undefined
        continue
      }
    }
    if (descending) {
      for (const row of rowsBackwards(tree, range, skip)) {
        yield row
        left -= 1
        if (left === 0) return
      }
    } else {
      const cursor = tree.cursor({ ...range, skip })
      while (cursor.next()) {
        yield cursor
        left -= 1
        if (left === 0) return
      }
    }
    skip = 0
    yield undefined
  }
}

function* rowsOf(tree: RowReader, range: RowRange, skip: number): Generator<RowCursor, void, void> {
  const cursor = tree.cursor({ ...range, skip })
  while (cursor.next()) yield cursor
}

function* rowsBackwards(tree: RowReader, range: RowRange, skip: number): Generator<RowCursor, void, void> {
  let { end } = range
  let toSkip = skip
  for (;;) {
    const cursor = tree.cursor({ start: range.start, end, reverse: true, skip: toSkip })
    let siblings: RowRange | undefined
    while (siblings === undefined) {
      if (!cursor.next()) return
      const place = Buffer.from(cursor.place())
      const isMiddle = toSkip > 0
      toSkip = 0
      if (isMiddle || !isFirstOfDocument(place)) siblings = siblingsOf(tree, place, isMiddle)
      if (siblings === undefined) yield cursor
      else toSkip = rowsIn(tree, { start: place, end: siblings.end }) - 1
    }
    yield* rowsOf(tree, siblings, toSkip)
    toSkip = 0
    end = siblings.start
  }
}

/** The rows that have the key and the document of a row, where it is not alone: before it, or with `isMiddle` behind it too. */
function siblingsOf(tree: RowReader, place: Uint8Array, isMiddle: boolean): RowRange | undefined {
  const sortKey = sortKeyOf(place)
  const id = Buffer.from(idOf(place))
  const start = beforeDocument(sortKey, id)
  const end = afterDocument(sortKey, id)
  const hasBefore = tree.cursor({ start, end: place }).next()
  if (hasBefore || (isMiddle && tree.cursor({ start: afterRow(place), end }).next())) return { start, end }
  return undefined
}

function rowsIn(tree: RowReader, { start, end }: RowRange): number {
  const low = start === undefined ? 0 : tree.rank(start)
  return (end === undefined ? tree.count() : tree.rank(end)) - low
}
