/**
 * The groups of a reduced view: ranges of rows whose keys are equal, or begin with equal elements. Each is found by a step of
 * a cursor and a bound, in O(log n) whatever its rows.
 */
import type { RowRange, RowReader } from '../indexes/api.ts'
import { groupOf } from '../indexes/keys/row-key.ts'
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
}

const NULL = Buffer.from('null')

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

function* groupsOfRange(
  tree: RowReader,
  { key, start, end }: KeyedRange,
  { level, reverse, compare }: GroupOptions,
): Generator<Group, void, void> {
  let rest: RowRange = { start, end }
  for (;;) {
    const cursor = tree.cursor({ ...rest, reverse })
    if (!cursor.next()) return
    if (key !== undefined || level === 0) {
      yield { key: level === 0 ? NULL : key!, range: rest }
      return
    }
    const group = groupOf(cursor.place(), level)
    // Nothing of the group lies before the row that was found first.
    const isLast = reverse
      ? start !== undefined && compare(group.start, start) <= 0
      : end !== undefined && compare(group.end, end) >= 0
    const [range, following]: [RowRange, RowRange] = reverse
      ? [
          { ...rest, start: isLast ? start : group.start },
          { start, end: group.start },
        ]
      : [
          { ...rest, end: isLast ? end : group.end },
          { start: group.end, end },
        ]
    yield {
      key: level === Number.POSITIVE_INFINITY ? cursor.key() : firstElements(cursor.key(), level),
      range,
    }
    if (isLast) return
    rest = following
  }
}
