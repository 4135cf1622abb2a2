/**
 * A selector brought down to conditions on fields, as CouchDB's `mango_selector:normalize` does it, in its order of steps and
 * with its errors:
 * - Operators are checked first; several members of one object must all hold; a value that is no operator, `{}` included,
 *   means equality.
 * - Names of fields go down to the conditions, joined by dots, through `$and`, `$or`, `$nor` and `$not`.
 * - Negations go down to the conditions, so that `{"a":{"$not":{"$gt":1}}}` is `a <= 1`. Inside of `$elemMatch`, `$allMatch`
 *   and `$keyMapMatch` they stay as they are written.
 */

import {
  elementsOf,
  enter,
  isArrayAt,
  isIntegerAt,
  isObjectAt,
  isStringAt,
  membersOf,
  numberAt,
  rankAt,
  stringAt,
} from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { badArgument, printPlain, SelectorError } from './errors.ts'
import { JsonSlice } from './json-slice.ts'
import { requireModest } from './modesty.ts'
import { compileRegex, type TextTest } from './regex.ts'

/** A combination of others, or one condition on a field. */
export type Condition = Everything | Combination | Negation | FieldCondition

/** The selector `{}`. */
export interface Everything {
  readonly kind: 'everything'
}

export interface Combination {
  /** `$nor` stands only within conditions that hold a selector. */
  readonly kind: '$and' | '$or' | '$nor'
  readonly parts: readonly Condition[]
}

/** Only within conditions that hold a selector. */
export interface Negation {
  readonly kind: '$not'
  readonly part: Condition
}

export interface FieldCondition {
  readonly kind: 'field'
  /** A path as it is written; '' for the value itself. */
  readonly field: string
  readonly operator: string
  /** Of operators that have no opposite. */
  readonly isNegated: boolean
  readonly argument: JsonSlice
  /** The argument of the operators that hold a selector. */
  readonly inner: Condition | undefined
  /** Of `$regex`. */
  readonly pattern: TextTest | undefined
}

/** Operators that hold selectors for what is within a value. */
export const HOLDING_OPERATORS: ReadonlySet<string> = new Set(['$elemMatch', '$allMatch', '$keyMapMatch'])

/** Operators whose negation is another one. */
export const OPPOSITES: Readonly<Record<string, string>> = {
  $lt: '$gte',
  $lte: '$gt',
  $eq: '$ne',
  $ne: '$eq',
  $gte: '$lt',
  $gt: '$lte',
  $in: '$nin',
  $nin: '$in',
}

const UNSUPPORTED: ReadonlySet<string> = new Set([
  '$where',
  '$geoWithin',
  '$geoIntersects',
  '$near',
  '$nearSphere',
])

/** What an argument must be; CouchDB has another error where `isOperatorsFault`. */
interface ArgumentRule {
  isFine(text: Buffer, at: number): boolean
  isOperatorsFault?: boolean
}

const ANY: ArgumentRule = { isFine: () => true }
const ARRAY: ArgumentRule = { isFine: isArrayAt }

const RULES: Readonly<Record<string, ArgumentRule>> = {
  $lt: ANY,
  $lte: ANY,
  $eq: ANY,
  $ne: ANY,
  $gte: ANY,
  $gt: ANY,
  $in: ARRAY,
  $nin: ARRAY,
  $all: ARRAY,
  $exists: { isFine: (text, at) => rankAt(text, at) === 1 },
  $type: { isFine: isStringAt },
  $mod: { isFine: isDivision },
  $size: { isFine: (text, at) => isIntegerAt(text, at) && numberAt(text, at) >= 0 },
  $regex: { isFine: isStringAt, isOperatorsFault: true },
  $beginsWith: { isFine: isStringAt, isOperatorsFault: true },
}

function isDivision(text: Buffer, at: number): boolean {
  if (!isArrayAt(text, at)) return false
  const parts = elementsOf(text, at)
  return (
    parts.length === 2 && parts.every((part) => isIntegerAt(text, part)) && numberAt(text, parts[0]!) !== 0
  )
}

/** `text` is canonical. Throws SelectorError. */
export function normalize(text: Buffer): Condition {
  if (!isObjectAt(text, 0)) {
    const reason = `Selector must be a JSON object, not: ${printPlain(text.toString())}`
    throw new SelectorError('invalid_selector_json', reason)
  }
  requireModest(text)
  if (enter(text, 0) < 0) return { kind: 'everything' }
  const written = operatorsOf(text, 0)
  const condition = withFields(written, '', false, false)
  if (condition.kind === 'field' && condition.field === '') {
    throw new SelectorError('invalid_selector', 'One or more conditions is missing a field name.')
  }
  return condition
}

/** A selector as it is written, its operators checked. */
type Written =
  | { readonly kind: '$and' | '$or' | '$nor'; readonly parts: readonly Written[] }
  | { readonly kind: '$not' | 'name'; readonly name: string; readonly part: Written }
  | {
      readonly kind: 'operator'
      readonly operator: string
      readonly argument: JsonSlice
      readonly inner?: Written
      readonly pattern?: TextTest
    }

function operatorsOf(text: Buffer, at: number): Written {
  const equality = (): Written => ({
    kind: 'operator',
    operator: '$eq',
    argument: new JsonSlice(text, at),
  })
  if (!isObjectAt(text, at)) return equality()
  const members = membersOf(text, at)
  if (members.length === 0) return equality()
  const parts = members.map(([name, value]) => memberOf(text, name, value))
  return parts.length === 1 ? parts[0]! : { kind: '$and', parts }
}

function memberOf(text: Buffer, name: string, at: number): Written {
  const argument = new JsonSlice(text, at)
  if (!name.startsWith('$')) return { kind: 'name', name, part: operatorsOf(text, at) }
  if (name === '$and' || name === '$or' || name === '$nor') {
    if (!isArrayAt(text, at)) throw badArgument(name, argument.toString())
    return { kind: name, parts: elementsOf(text, at).map((part) => operatorsOf(text, part)) }
  }
  if (name === '$not' || HOLDING_OPERATORS.has(name)) {
    if (!isObjectAt(text, at)) throw badArgument(name, argument.toString())
    const inner = operatorsOf(text, at)
    if (name === '$not') return { kind: '$not', name, part: inner }
    return { kind: 'operator', operator: name, argument, inner }
  }
  requireArgument(name, argument)
  if (name !== '$regex') return { kind: 'operator', operator: name, argument }
  return { kind: 'operator', operator: name, argument, pattern: patternOf(argument) }
}

function requireArgument(name: string, argument: JsonSlice): void {
  const { text, at } = argument
  if (UNSUPPORTED.has(name)) throw new SelectorError('not_supported', `Unsupported operator: ${name}`)
  if (name === '$text') throw textRefusal(argument)
  const rule = Object.hasOwn(RULES, name) ? RULES[name]! : undefined
  if (rule === undefined) throw unknownOperator(name)
  if (!rule.isFine(text, at)) {
    throw rule.isOperatorsFault === true ? unknownOperator(name) : badArgument(name, argument.toString())
  }
}

function patternOf(argument: JsonSlice): TextTest {
  try {
    return compileRegex(stringAt(argument.text, argument.at))
  } catch (error) {
    throw error instanceof SyntaxError ? badArgument('$regex', argument.toString()) : error
  }
}

function unknownOperator(name: string): SelectorError {
  return new SelectorError('invalid_operator', `Invalid operator: ${name}`)
}

/** There is no search of texts: CouchDB without one takes such a condition for one that holds for everything. */
function textRefusal(argument: JsonSlice): SelectorError {
  const rank = rankAt(argument.text, argument.at)
  if (rank === 0 || rank > 3) return badArgument('$text', argument.toString())
  const shown = printPlain(`{"$default":{"$text":${argument}}}`)
  return new SelectorError('bad_field', `Invalid field normalization on selector: ${shown}`)
}

function withFields(written: Written, path: string, negated: boolean, isInner: boolean): Condition {
  switch (written.kind) {
    case 'name':
      return withFields(
        written.part,
        path === '' ? written.name : `${path}.${written.name}`,
        negated,
        isInner,
      )
    case '$not':
      if (isInner) return { kind: '$not', part: withFields(written.part, path, false, true) }
      return withFields(written.part, path, !negated, false)
    case 'operator':
      return fieldCondition(written, path, negated)
  }
  const { kind } = written
  if (isInner) return { kind, parts: written.parts.map((part) => withFields(part, path, false, true)) }
  const turned = kind === '$nor' ? !negated : negated
  const isConjunction = kind === '$or' ? negated : !negated
  const parts = written.parts.map((part) => withFields(part, path, turned, false))
  return { kind: isConjunction ? '$and' : '$or', parts }
}

function fieldCondition(
  { operator, argument, inner, pattern }: Extract<Written, { kind: 'operator' }>,
  field: string,
  negated: boolean,
): FieldCondition {
  const opposite = negated && Object.hasOwn(OPPOSITES, operator) ? OPPOSITES[operator] : undefined
  const isExistence = operator === '$exists'
  return {
    kind: 'field',
    field,
    operator: opposite ?? operator,
    isNegated: negated && opposite === undefined && !isExistence,
    argument: negated && isExistence ? flagSlice(argument.toString() !== 'true') : argument,
    inner: inner && withFields(inner, '', false, true),
    pattern,
  }
}

function flagSlice(flag: boolean): JsonSlice {
  return new JsonSlice(Buffer.from(String(flag)), 0)
}

/** The JSON text of the selector that says the same. */
export function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case 'everything':
      return '{}'
    case '$not':
      return `{"$not":${conditionText(condition.part)}}`
    case 'field': {
      const { field, operator, isNegated, argument, inner } = condition
      const shown = inner === undefined ? argument.toString() : conditionText(inner)
      const test = `{"${operator}":${shown}}`
      return `{${stringText(field)}:${isNegated ? `{"$not":${test}}` : test}}`
    }
  }
  return `{"${condition.kind}":[${condition.parts.map(conditionText).join(',')}]}`
}
