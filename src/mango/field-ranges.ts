/**
 * What a selector says of a field in terms of an index: one range, narrowed by all comparisons that must hold. As in CouchDB
 * only `$and`, the comparisons `$lt`, `$lte`, `$eq`, `$gte`, `$gt`, `$beginsWith` and `$exists` are seen through; the last
 * says nothing of where the values are. Values of `_id` are in the order of their bytes, all others in that of collation.
 */
import { compareStringsByBytes } from '../json/collation.ts'
import { compareRawTexts, compareTexts } from '../json/text-order.ts'
import { stringAt } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import type { Condition, FieldCondition } from '../selector/condition.ts'
import { JsonSlice } from '../selector/json-slice.ts'

export interface Bound {
  readonly value: JsonSlice
  readonly isInclusive: boolean
  /** As `_explain` shows it, where that is not the value. */
  readonly shown?: string
}

/** Undefined: without a bound. */
export interface FieldRange {
  readonly low: Bound | undefined
  readonly high: Bound | undefined
}

export const EMPTY_RANGE = 'empty'
export type Range = FieldRange | typeof EMPTY_RANGE

const WHOLE: FieldRange = { low: undefined, high: undefined }
const COMPARISONS: ReadonlySet<string> = new Set(['$lt', '$lte', '$eq', '$gte', '$gt'])
const INDEXABLE: ReadonlySet<string> = new Set([...COMPARISONS, '$beginsWith', '$exists'])

/** Behind all that follows a string, in the order of bytes and in that of collation. A text may go on for four of them. */
const HIGHEST_BYTES = '\u{10ffff}'.repeat(4)
const HIGHEST_COLLATED = '\uffff'.repeat(4)
/** What CouchDB has in their place when it shows it. */
const HIGHEST_SHOWN = '\ufffd'
/** Texts behind which nothing that follows changes how they are collated. */
const SEPARABLE = /^[ -~]+$/
/** The first strings, and what comes behind all of them. */
const FIRST_STRING = sliceOf('""')
const BEHIND_STRINGS = sliceOf('[]')

function sliceOf(text: string): JsonSlice {
  return new JsonSlice(Buffer.from(text), 0)
}

/** In the order of their bytes, without repetition. */
export function indexableFields(condition: Condition): readonly string[] {
  const fields = new Set<string>()
  eachComparison(condition, ({ field }) => fields.add(field))
  return inByteOrder([...fields])
}

function inByteOrder(fields: string[]): string[] {
  return fields.length < 2 ? fields : fields.sort(compareStringsByBytes)
}

/** All fields that a selector names, in any way. */
export function fieldsOf(condition: Condition): readonly string[] {
  const fields = new Set<string>()
  const visit = (at: Condition): void => {
    if (at.kind === 'field') fields.add(at.field)
    else if (at.kind === '$not') visit(at.part)
    else if (at.kind !== 'everything') at.parts.forEach(visit)
  }
  visit(condition)
  return [...fields]
}

/** The fields that an index can be looked up by. A range that nothing can be in ends the list and stands alone. */
export function fieldRanges(condition: Condition): ReadonlyMap<string, Range> {
  const ranges = new Map<string, Range>()
  let isEmpty = false
  eachComparison(condition, (comparison) => {
    const before = ranges.get(comparison.field) ?? WHOLE
    const range = before === EMPTY_RANGE ? before : narrowed(before, comparison)
    isEmpty ||= range === EMPTY_RANGE
    ranges.set(comparison.field, range)
  })
  if (ranges.size === 1) return ranges
  const ordered = inByteOrder([...ranges.keys()]).map((field): [string, Range] => [field, ranges.get(field)!])
  const empty = isEmpty ? ordered.find(([, range]) => range === EMPTY_RANGE) : undefined
  return new Map(empty === undefined ? ordered : [empty])
}

function eachComparison(condition: Condition, visit: (comparison: FieldCondition) => void): void {
  if (condition.kind === '$and') for (const part of condition.parts) eachComparison(part, visit)
  if (condition.kind === 'field' && !condition.isNegated && INDEXABLE.has(condition.operator)) {
    visit(condition)
  }
}

function narrowed(before: FieldRange, { field, operator, argument }: FieldCondition): Range {
  if (operator === '$exists') return before
  const compare = field === '_id' ? compareIds : compareSlices
  const said = operator === '$beginsWith' ? prefixRange(field, argument) : comparedRange(operator, argument)
  const range = {
    low: said.low === undefined ? before.low : tighter(before.low, said.low, compare, 1),
    high: said.high === undefined ? before.high : tighter(before.high, said.high, compare, -1),
  }
  return isEmpty(range, compare) ? EMPTY_RANGE : range
}

function comparedRange(operator: string, value: JsonSlice): FieldRange {
  const isLower = operator === '$gt' || operator === '$gte' || operator === '$eq'
  const isUpper = operator === '$lt' || operator === '$lte' || operator === '$eq'
  const bound: Bound = { value, isInclusive: operator !== '$gt' && operator !== '$lt' }
  return { low: isLower ? bound : undefined, high: isUpper ? bound : undefined }
}

/** Where all texts are that begin so: wider than what is shown where collation may put one of them before its beginning. */
function prefixRange(field: string, argument: JsonSlice): FieldRange {
  const prefix = stringAt(argument.text, argument.at)
  const shown = stringText(prefix + HIGHEST_SHOWN)
  if (field !== '_id' && !SEPARABLE.test(prefix)) {
    const low = { value: FIRST_STRING, isInclusive: true, shown: argument.toString() }
    return { low, high: { value: BEHIND_STRINGS, isInclusive: false, shown } }
  }
  const highest = field === '_id' ? HIGHEST_BYTES : HIGHEST_COLLATED
  const high = { value: sliceOf(stringText(prefix + highest)), isInclusive: true, shown }
  return { low: { value: argument, isInclusive: true }, high }
}

type CompareSlices = (a: JsonSlice, b: JsonSlice) => number

function tighter(before: Bound | undefined, bound: Bound, compare: CompareSlices, direction: 1 | -1): Bound {
  if (before === undefined) return bound
  const order = compare(bound.value, before.value) * direction
  if (order > 0) return bound
  return order === 0 && !bound.isInclusive ? bound : before
}

function isEmpty({ low, high }: FieldRange, compare: CompareSlices): boolean {
  if (low === undefined || high === undefined) return false
  const order = compare(low.value, high.value)
  return order > 0 || (order === 0 && !(low.isInclusive && high.isInclusive))
}

function compareIds(a: JsonSlice, b: JsonSlice): number {
  return compareRawTexts(a.text, a.at, b.text, b.at)
}

function compareSlices(a: JsonSlice, b: JsonSlice): number {
  return compareTexts(a.text, a.at, b.text, b.at)
}

/** Whether one value alone is in it. */
export function isPoint(range: Range): boolean {
  if (range === EMPTY_RANGE || range.low === undefined || range.high === undefined) return false
  return compareSlices(range.low.value, range.high.value) === 0
}

/** Whether whatever the selector means has this field. */
export function requiresField(condition: Condition, field: string): boolean {
  if (condition.kind === '$and') return condition.parts.some((part) => requiresField(part, field))
  if (condition.kind === '$or') return condition.parts.every((part) => requiresField(part, field))
  if (condition.kind !== 'field' || condition.field !== field) return false
  return condition.operator !== '$exists' || condition.argument.toString() !== 'false'
}

/** Whether the selector says that a field has one value. */
export function isConstant(condition: Condition, field: string): boolean {
  if (condition.kind === '$and') return condition.parts.some((part) => isConstant(part, field))
  return (
    condition.kind === 'field' &&
    condition.field === field &&
    condition.operator === '$eq' &&
    !condition.isNegated
  )
}

/**
 * Whether the selector says nothing but ranges of these fields, and that they are there: then whatever is in the ranges of
 * an index over them is meant.
 */
export function isAllRanges(condition: Condition, fields: readonly string[]): boolean {
  if (condition.kind === '$and') {
    return condition.parts.length > 0 && condition.parts.every((part) => isAllRanges(part, fields))
  }
  if (condition.kind !== 'field' || condition.isNegated || !fields.includes(condition.field)) return false
  if (condition.field === '_id') return false
  if (condition.operator === '$exists') return condition.argument.toString() === 'true'
  return COMPARISONS.has(condition.operator)
}
