/** Selectors said plainly, over documents as values, and such documents and selectors at random. */
import { jsonOf, type KeyValue, Members, plainCollated } from '../../test/support/arbitrary-keys.ts'
import type { Random } from '../../test/support/random.ts'

export type Content = ReadonlyMap<string, KeyValue>

/** What is asked of one field. */
interface FieldTest {
  readonly kind: 'field'
  readonly field: string
  readonly operator: string
  readonly argument: KeyValue
}

export type ModelSelector =
  | FieldTest
  | { readonly kind: '$and' | '$or' | '$nor'; readonly parts: readonly ModelSelector[] }
  | { readonly kind: '$not'; readonly part: ModelSelector }

export const FIELDS = ['a', 'b', 'c', 'd.x', 'e.0', 'é']
const SCALARS: readonly KeyValue[] = [
  null,
  true,
  false,
  0,
  1,
  2,
  3,
  10,
  -1,
  2.5,
  1e21,
  '',
  'a',
  'A',
  'ab',
  'b',
  'ä',
  'a b',
  'x\ny',
  '😀',
]
const TYPES = ['null', 'boolean', 'number', 'string', 'array', 'object']
const PATTERNS = ['^a', 'b$', '.', '[A-Z]']
const COMPARISONS = ['$lt', '$lte', '$eq', '$ne', '$gte', '$gt']

export function arbitraryValue(random: Random): KeyValue {
  if (random.bool(0.75)) return random.pick(SCALARS)
  if (random.bool(0.6)) return Array.from({ length: random.int(4) }, () => random.pick(SCALARS))
  const names = ['x', 'y', '0'].filter(() => random.bool())
  return new Members(names.map((name) => [name, random.pick(SCALARS)] as const))
}

export function arbitraryContent(random: Random): Content {
  const content = new Map<string, KeyValue>()
  for (const name of ['a', 'b', 'c', 'é']) if (random.bool(0.7)) content.set(name, arbitraryValue(random))
  if (random.bool(0.6)) content.set('d', new Members([['x', arbitraryValue(random)]]))
  if (random.bool(0.4)) content.set('e', [arbitraryValue(random), 1])
  return content
}

export function arbitrarySelector(random: Random, levels = 2): ModelSelector {
  if (levels > 0 && random.bool(0.45)) {
    if (random.bool(0.15)) return { kind: '$not', part: arbitrarySelector(random, levels - 1) }
    const parts = Array.from({ length: 1 + random.int(3) }, () => arbitrarySelector(random, levels - 1))
    return { kind: random.pick(['$and', '$and', '$or', '$or', '$nor']), parts }
  }
  const operator = random.bool(0.6) ? random.pick(COMPARISONS) : random.pick(Object.keys(ARGUMENTS))
  const argument = ARGUMENTS[operator]?.(random) ?? arbitraryValue(random)
  return { kind: 'field', field: random.pick(FIELDS), operator, argument }
}

const list = (random: Random): KeyValue => Array.from({ length: random.int(4) }, () => arbitraryValue(random))
const comparison = (random: Random): KeyValue =>
  new Members([[random.pick(COMPARISONS), random.pick(SCALARS)]])
const ARGUMENTS: Readonly<Record<string, (random: Random) => KeyValue>> = {
  $in: list,
  $nin: list,
  $all: list,
  $exists: (random) => random.bool(),
  $type: (random) => random.pick(TYPES),
  $size: (random) => random.int(4),
  $mod: (random) => [random.pick([1, 2, 3, -2]), random.int(2)],
  $regex: (random) => random.pick(PATTERNS),
  $beginsWith: (random) => random.pick(['', 'a', 'x']),
  $elemMatch: comparison,
  $allMatch: comparison,
  $keyMapMatch: comparison,
}

export function selectorText(selector: ModelSelector): string {
  switch (selector.kind) {
    case '$not':
      return `{"$not":${selectorText(selector.part)}}`
    case 'field':
      return `{${JSON.stringify(selector.field)}:{"${selector.operator}":${jsonOf(selector.argument)}}}`
  }
  return `{"${selector.kind}":[${selector.parts.map(selectorText).join(',')}]}`
}

/** Undefined: nothing is there; null instead of a place: there is nothing to look into. */
function placeOf(content: Content, field: string): { value: KeyValue | undefined } | null {
  const [first, ...rest] = field.split('.')
  let value = content.get(first!)
  for (const name of rest) {
    if (value === undefined) return { value }
    if (value instanceof Members) value = value.pairs.find(([each]) => each === name)?.[1]
    else if (Array.isArray(value) && /^\d+$/.test(name)) {
      if (Number(name) >= value.length) return null
      value = value[Number(name)]
    } else return null
  }
  return { value }
}

export function fieldValue(content: Content, field: string): KeyValue | undefined {
  return placeOf(content, field)?.value
}

/** Negations go down to the fields, and say nothing of those that are not there. */
export function isMeant(selector: ModelSelector, content: Content, isNegated = false): boolean {
  switch (selector.kind) {
    case '$not':
      return isMeant(selector.part, content, !isNegated)
    case 'field':
      return holdsOf(selector, content, isNegated)
  }
  const { kind, parts } = selector
  const turned = kind === '$nor' ? !isNegated : isNegated
  const isEach = kind === '$or' ? isNegated : !isNegated
  return isEach
    ? parts.every((part) => isMeant(part, content, turned))
    : parts.some((part) => isMeant(part, content, turned))
}

function holdsOf({ field, operator, argument }: FieldTest, content: Content, isNegated: boolean): boolean {
  const place = placeOf(content, field)
  if (operator === '$exists') {
    const wanted = isNegated ? !argument : argument === true
    return wanted ? place?.value !== undefined : place !== null && place.value === undefined
  }
  if (place?.value === undefined) return false
  return holds(operator, place.value, argument) !== isNegated
}

function holds(operator: string, value: KeyValue, argument: KeyValue): boolean {
  switch (operator) {
    case '$in':
      return isIn(value, argument)
    case '$nin':
      return !isIn(value, argument)
    case '$all':
      return hasAll(value, argument as readonly KeyValue[])
    case '$type':
      return typeOf(value) === argument
    case '$size':
      return Array.isArray(value) && value.length === argument
    case '$mod': {
      const [divisor, remainder] = argument as readonly number[]
      return isInteger(value) && (value % divisor!) + 0 === remainder
    }
    case '$regex':
      return (
        typeof value === 'string' &&
        new RegExp(argument as string).test(Buffer.from(value).toString('latin1'))
      )
    case '$beginsWith':
      return typeof value === 'string' && value.startsWith(argument as string)
    case '$elemMatch':
      return Array.isArray(value) && value.some((each) => isCompared(each, argument))
    case '$allMatch':
      return Array.isArray(value) && value.length > 0 && value.every((each) => isCompared(each, argument))
    case '$keyMapMatch':
      return value instanceof Members && value.pairs.some(([name]) => isCompared(name, argument))
  }
  return compares(operator, plainCollated(value, argument))
}

/** A number that is written without a point or an exponent. */
function isInteger(value: KeyValue): value is number {
  return typeof value === 'number' && /^-?\d+$/.test(jsonOf(value))
}

function isCompared(value: KeyValue, comparison: KeyValue): boolean {
  const [[operator, argument]] = (comparison as Members).pairs as [readonly [string, KeyValue]]
  return compares(operator, plainCollated(value, argument))
}

function compares(operator: string, order: number): boolean {
  switch (operator) {
    case '$lt':
      return order < 0
    case '$lte':
      return order <= 0
    case '$eq':
      return order === 0
    case '$ne':
      return order !== 0
    case '$gte':
      return order >= 0
    default:
      return order > 0
  }
}

function isIn(value: KeyValue, wanted: KeyValue): boolean {
  const isWanted = (one: KeyValue): boolean =>
    (wanted as readonly KeyValue[]).some((each) => plainCollated(one, each) === 0)
  return Array.isArray(value) ? value.some(isWanted) : isWanted(value)
}

function hasAll(value: KeyValue, wanted: readonly KeyValue[]): boolean {
  if (!Array.isArray(value) || wanted.length === 0) return false
  const texts = value.map(jsonOf)
  if (wanted.every((each) => texts.includes(jsonOf(each)))) return true
  return wanted.length === 1 && jsonOf(wanted[0]!) === jsonOf(value)
}

function typeOf(value: KeyValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return value instanceof Members ? 'object' : typeof value
}
