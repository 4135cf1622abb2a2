/**
 * The groups of a reduced view: ranges of rows whose keys are equal, or begin with equal elements. A group of few rows is walked
 * through; the end of a longer one is found by a bound, in O(log n) whatever its rows.
 */
import type { RowRange, RowReader } from '../indexes/api.ts'
import { groupOf } from '../indexes/keys/row-key.ts'
import type { Row } from '../indexes/reduce/summarizer.ts'
import { firstElements } from '../json/members.ts'

export interface GroupOptions {
  /** So many elements of arrays make a group; 0: all rows of a range are one; Infinity: rows of equal keys are. */
  readonly level: number
  readonly reverse: boolean
  readonly skip: number
  readonly limit: number
  /** The order of places. */
  readonly compare: (a: Uint8Array, b: Uint8Array) => number
}

/** Of one of the keys that were asked for: its rows are one group, which has that key, but at level 0. */
export interface KeyedRange extends RowRange {
  /** JSON. */
  readonly key?: Uint8Array
}

/** Of at least one row. */
export interface Group {
  /** JSON: the key of the first row in the direction of travel, cut to the level. */
  readonly key: Uint8Array
  readonly range: RowRange
  /** All of them in the order of the tree, where they have been walked through. */
  readonly rows?: readonly GroupRow[]
}

export interface GroupRow extends Row {
  readonly place: Uint8Array
}

const NULL = Buffer.from('null')
/** Seeking costs as much as so many rows. */
const FEW_ROWS = 16
/** Of their keys and values: many groups are held together. */
const FEW_BYTES = 4096

/** Undefined after a step that found none to give. */
export function* groupsOf(
  tree: RowReader,
  ranges: Iterable<KeyedRange>,
  options: GroupOptions,
): Generator<Group | undefined, void, void> {
  let { skip, limit } = options
  if (limit === 0) return
  for (const range of ranges) {
    for (const group of groupsOfRange(tree, range, options)) {
      if (skip > 0) {
        skip -= 1
        yield undefined
        continue
      }
      yield group
      limit -= 1
      if (limit === 0) return
    }
    yield undefined
  }
}

function groupsOfRange(
  tree: RowReader,
  { key, start, end }: KeyedRange,
  options: GroupOptions,
): Iterable<Group> {
  const range = { start, end }
  if (options.level === 0) return wholeRange(tree, range, NULL)
  return key === undefined ? cutRange(tree, range, options) : wholeRange(tree, range, key)
}

function* wholeRange(tree: RowReader, range: RowRange, key: Uint8Array): Generator<Group, void, void> {
  if (tree.cursor(range).next()) yield { key, range }
}

function* cutRange(
  tree: RowReader,
  { start, end }: RowRange,
  { level, reverse, compare }: GroupOptions,
): Generator<Group, void, void> {
  let rest: RowRange = { start, end }
  let cursor = tree.cursor({ ...rest, reverse })
  let isThere = cursor.next()
  // Where the group begins, in the direction of travel, as long as groups are long.
  let rank: number | undefined
  while (isThere) {
    let place = cursor.place()
    const group = groupOf(place, level)
    const first = cursor.key()
    const key = level === Number.POSITIVE_INFINITY ? first : firstElements(first, level)
    // Nothing of the group lies before the row that was found first.
    const isLast = reverse
      ? start !== undefined && compare(group.start, start) <= 0
      : end !== undefined && compare(group.end, end) >= 0
    const range = reverse
      ? { ...rest, start: isLast ? start : group.start }
      : { ...rest, end: isLast ? end : group.end }
    rest = reverse ? { start, end: group.start } : { start: group.end, end }
    if (rank !== undefined) {
      const endRank = rankOf(tree, reverse ? range.start : range.end, reverse)
      const count = Math.abs(endRank - rank)
      rank = endRank
      if (count > FEW_ROWS) {
        yield { key, range }
        if (isLast) return
        cursor = tree.cursor({ ...rest, reverse })
        isThere = cursor.next()
        continue
      }
      rank = undefined
    }
    const isWithin = (): boolean =>
      reverse ? compare(place, group.start) >= 0 : compare(place, group.end) < 0
    const rows: GroupRow[] = []
    let bytes = 0
    let isGroupOver = false
    while (!isGroupOver && rows.length < FEW_ROWS && bytes < FEW_BYTES) {
      const row = { place, key: cursor.key(), value: cursor.value() }
      rows.push(row)
      bytes += place.length + row.key.length + row.value.length
      isThere = cursor.next()
      if (isThere) place = cursor.place()
      isGroupOver = !isThere || !isWithin()
    }
    if (isGroupOver && bytes < FEW_BYTES) {
      yield { key, range, rows: reverse ? rows.reverse() : rows }
      continue
    }
    yield { key, range }
    if (isLast || !isThere) return
    cursor = tree.cursor({ ...rest, reverse })
    isThere = cursor.next()
    // Such groups have neighbours like them: what is read of those would be read for nothing.
    if (isThere) rank = rankOf(tree, reverse ? rest.end : rest.start, reverse)
  }
}

/** Rows before a bound; of a missing one: all, or none where it is that at which a walk backwards ends. */
function rankOf(tree: RowReader, bound: Uint8Array | undefined, reverse: boolean): number {
  if (bound !== undefined) return tree.rank(bound)
  return reverse ? 0 : tree.count()
}
