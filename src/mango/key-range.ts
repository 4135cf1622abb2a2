/** The keys between which a plan looks, in the terms of an index or of ids. */
import { partitionBounds } from '../database/layout/partition.ts'
import type { RowRange } from '../indexes/api.ts'
import { afterDocument, afterKey, beforeDocument } from '../indexes/keys/row-key.ts'
import { collatedArray, collatedKey, partitionStart } from '../indexes/keys/sort-key.ts'
import { SORT_KEY_BYTES } from '../indexes/keys/tokens.ts'
import { compareStringsByBytes } from '../json/collation.ts'
import { isNumberAt, isStringAt, numberAt, rankAt, stringAt } from '../json/walk.ts'
import type { Condition } from '../selector/condition.ts'
import type { JsonSlice } from '../selector/json-slice.ts'
import type { Bookmark } from './bookmark.ts'
import { type Bound, EMPTY_RANGE, type FieldRange, isAllRanges, isPoint } from './field-ranges.ts'
import type { Plan } from './planner.ts'

/** As `_explain` shows what nothing comes after. */
const MAX = '"<MAX>"'
const STRING_RANK = 3

/** Bounds that the first fields have below, as far as there are such. */
function lowBounds(ranges: readonly FieldRange[]): Bound[] {
  const open = ranges.findIndex(({ low }) => low === undefined)
  return ranges.slice(0, open < 0 ? undefined : open).map(({ low }) => low!)
}

function highBounds(ranges: readonly FieldRange[]): Bound[] {
  const open = ranges.findIndex(({ high }) => high === undefined)
  return ranges.slice(0, open < 0 ? undefined : open).map(({ high }) => high!)
}

function textOf({ value }: Bound): string {
  return value.toString()
}

function boundValue({ value }: Bound): JsonSlice {
  return value
}

function shownText(bound: Bound): string {
  return bound.shown ?? textOf(bound)
}

/** JSON of the first and the last key of an index, as `_explain` shows them. */
export function shownKeys(ranges: readonly FieldRange[]): [start: string, end: string] {
  const low = lowBounds(ranges).map(shownText)
  const high = highBounds(ranges).map(shownText)
  return [`[${low.join(',')}]`, `[${[...high, MAX].join(',')}]`]
}

/** The same of ids. */
export function shownIds({ low, high }: FieldRange): [start: string, end: string] {
  return [low === undefined ? 'null' : shownText(low), high === undefined ? MAX : shownText(high)]
}

/** Rows that may be meant, those of a partition where it is not ''. */
export function rowRange(ranges: readonly FieldRange[], partition: string): RowRange {
  const within = partition === '' ? undefined : Buffer.from(partition)
  const low = lowBounds(ranges).map(boundValue)
  const high = highBounds(ranges).map(boundValue)
  const whole = within === undefined ? undefined : partitionStart(within)
  return {
    start: low.length === 0 ? whole : collatedArray(low, within, false),
    end: high.length === 0 ? whole && afterKey(whole) : afterKey(collatedArray(high, within, true)),
  }
}

/**
 * The rows that a selector means, and no others, where it says nothing but these ranges of the first fields; undefined where
 * they are not one behind the other.
 */
export function exactRowRange(ranges: readonly FieldRange[], partition: string): RowRange | undefined {
  const last = ranges.at(-1)
  if (last === undefined || !ranges.slice(0, -1).every(isPoint)) return undefined
  if (!ranges.every(({ low, high }) => isExact(low) && isExact(high))) return undefined
  const within = partition === '' ? undefined : Buffer.from(partition)
  const points = ranges.slice(0, -1).map(({ low }) => low!.value)
  const placeOf = (bound: Bound | undefined): Buffer =>
    collatedArray(bound === undefined ? points : [...points, bound.value], within, true)
  const { low, high } = last
  const start = placeOf(low)
  const end = placeOf(high)
  if (isCut(start) || isCut(end)) return undefined
  return {
    start: low?.isInclusive === false ? afterKey(start) : start,
    end: high?.isInclusive === false ? end : afterKey(end),
  }
}

/** Whether other keys may have the same place, since it does not tell all of a long one. */
function isCut(place: Uint8Array | undefined): boolean {
  return place !== undefined && place.length >= SORT_KEY_BYTES
}

/** Whether the rows in `range`, that of `rowRange`, are those that the selector means, and no others. */
export function isExactPlan({ index, ranges, isWhole }: Plan, selector: Condition, range: RowRange): boolean {
  if (isCut(range.start) || isCut(range.end)) return false
  if (!isWhole || index === undefined || !isAllRanges(selector, index.columns)) return false
  const within = ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
  const last = within.at(-1)
  if (last === undefined || within.length < ranges.length) return false
  if (last.low?.isInclusive === false || last.high?.isInclusive === false) return false
  return within.slice(0, -1).every(isPoint) && within.every(({ low, high }) => isExact(low) && isExact(high))
}

/** Integers beyond 2^53 have the place of their neighbours. */
function isExact(bound: Bound | undefined): boolean {
  if (bound === undefined) return true
  const { text, at } = bound.value
  return !isNumberAt(text, at) || Math.abs(numberAt(text, at)) < Number.MAX_SAFE_INTEGER
}

/** What is left of a range behind the row that a bookmark names. */
export function rowsBehind(
  range: RowRange,
  bookmark: Bookmark,
  partition: string,
  isReverse: boolean,
): RowRange {
  const within = partition === '' ? undefined : Buffer.from(partition)
  const key = collatedKey(Buffer.from(bookmark.key), within)
  const id = Buffer.from(bookmark.id)
  return isReverse ? { ...range, end: beforeDocument(key, id) } : { ...range, start: afterDocument(key, id) }
}

/** A range of ids, `end` exclusive; undefined where it is empty. */
export interface IdRange {
  readonly start: string | undefined
  readonly end: string | undefined
}

/** Behind an id and before all others. */
const JUST_BEHIND = '\u0000'

export function idRange({ low, high }: FieldRange, partition: string): IdRange | undefined {
  const bounds = partition === '' ? undefined : partitionBounds(partition)
  const start = low === undefined ? undefined : idsFrom(low)
  const end = high === undefined ? undefined : idsBefore(high)
  if (start === null || end === null) return undefined
  return within({ start, end }, bounds)
}

/** Null where no id is. */
function idsFrom({ value, isInclusive }: Bound): string | undefined | null {
  const { text, at } = value
  if (isStringAt(text, at)) return isInclusive ? stringAt(text, at) : stringAt(text, at) + JUST_BEHIND
  return rankAt(text, at) < STRING_RANK ? undefined : null
}

function idsBefore({ value, isInclusive }: Bound): string | undefined | null {
  const { text, at } = value
  if (isStringAt(text, at)) return isInclusive ? stringAt(text, at) + JUST_BEHIND : stringAt(text, at)
  return rankAt(text, at) > STRING_RANK ? undefined : null
}

/** What is in both. */
function within(range: IdRange, bounds: IdRange | undefined): IdRange {
  if (bounds === undefined) return range
  const start = range.start === undefined || isBefore(range.start, bounds.start!) ? bounds.start : range.start
  const end = range.end === undefined || isBefore(bounds.end!, range.end) ? bounds.end : range.end
  return { start, end }
}

/** What is left of a range behind the document that a bookmark names. */
export function idsBehind(range: IdRange, { id }: Bookmark, isReverse: boolean): IdRange {
  if (isReverse) return range.end !== undefined && isBefore(range.end, id) ? range : { ...range, end: id }
  const start = id + JUST_BEHIND
  return range.start !== undefined && isBefore(start, range.start) ? range : { ...range, start }
}

function isBefore(a: string, b: string): boolean {
  return compareStringsByBytes(a, b) < 0
}
