/**
 * What a selector says of a field in terms of an index: one range, narrowed by all comparisons that must hold. As in CouchDB
 * only `$and` and the comparisons `$lt`, `$lte`, `$eq`, `$gte`, `$gt` are seen through.
 */
import { compareTexts } from '../json/text-order.ts'
import type { Condition, FieldCondition } from '../selector/condition.ts'
import type { JsonSlice } from '../selector/json-slice.ts'

export interface Bound {
  readonly value: JsonSlice
  readonly isInclusive: boolean
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

/** In the order of their bytes, without repetition. */
export function indexableFields(condition: Condition): readonly string[] {
  const fields = new Set<string>()
  eachComparison(condition, ({ field }) => fields.add(field))
  return inByteOrder([...fields])
}

function inByteOrder(fields: string[]): string[] {
  return fields.length < 2 ? fields : fields.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
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

/** The fields with comparisons. A range that nothing can be in ends the list and stands alone. */
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
  if (condition.kind === 'field' && !condition.isNegated && COMPARISONS.has(condition.operator)) {
    visit(condition)
  }
}

function narrowed({ low, high }: FieldRange, { operator, argument }: FieldCondition): Range {
  const isLower = operator === '$gt' || operator === '$gte' || operator === '$eq'
  const isUpper = operator === '$lt' || operator === '$lte' || operator === '$eq'
  const bound: Bound = { value: argument, isInclusive: operator !== '$gt' && operator !== '$lt' }
  const range = {
    low: isLower ? tighter(low, bound, 1) : low,
    high: isUpper ? tighter(high, bound, -1) : high,
  }
  return isEmpty(range) ? EMPTY_RANGE : range
}

function tighter(before: Bound | undefined, bound: Bound, direction: 1 | -1): Bound {
  if (before === undefined) return bound
  const order = compareSlices(bound.value, before.value) * direction
  if (order > 0) return bound
  return order === 0 && !bound.isInclusive ? bound : before
}

function isEmpty({ low, high }: FieldRange): boolean {
  if (low === undefined || high === undefined) return false
  const order = compareSlices(low.value, high.value)
  return order > 0 || (order === 0 && !(low.isInclusive && high.isInclusive))
}

export function compareSlices(a: JsonSlice, b: JsonSlice): number {
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
