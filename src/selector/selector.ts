/**
 * Selectors: which documents a query or a filter means. Written after CouchDB's mango_selector and what its
 * recorded answers show:
 * - A selector is brought down to conditions on fields first, and negations to the conditions, so that
 *   `{"a":{"$not":{"$gt":1}}}` is `a <= 1`. No condition but `{"$exists":false}` holds for a field that is not
 *   there, also not a negated one.
 * - Inside of `$elemMatch`, `$allMatch` and `$keyMapMatch` negations stay as they are written.
 * - Several members of one object must all hold. A value that is no operator, `{}` included, means equality.
 * - `$and`, `$or` and `$nor` of an empty list, negated or not, and the selector `{}` hold for everything; `$all` of
 *   nothing holds for nothing.
 * - Values compare as `collation.ts` says; those of `_id` by their bytes.
 * Numbers are doubles: integers beyond 2^53 are equal to their neighbours, and 1.0 is the integer 1.
 */
import { type Compare, compareRaw, compareValues } from '../json/collation.ts'
import { SelectorBudget } from './budget.ts'
import { badArgument, printPlain, SelectorError } from './errors.ts'
import { makeTest, OPPOSITES, type Test } from './operators.ts'
import { type FieldPath, findPath, parsePath } from './path.ts'

/** A compiled selector: whether a parsed document, `_id` and `_rev` included, is meant. */
export type Selector = (document: unknown) => boolean

type Match = (value: unknown, compare: Compare) => boolean

/** Nesting of a selector: it bounds the recursion here and in comparisons. */
const MAX_DEPTH = 500
/** They bound the time that it takes to read a selector, and of one comparison. */
const MAX_VALUES = 100_000
const MAX_OBJECTS = 10_000
/** Of names and texts. */
const MAX_CHARACTERS = 2_000_000
/** Of the paths of all conditions, each from the top. */
const MAX_PATH_CHARACTERS = 200_000

const COMBINATIONS: ReadonlySet<string> = new Set(['$and', '$or', '$nor'])

/** The answer throws selectorTimeout when the budget does not suffice. Throws SelectorError. */
export function compileSelector(selector: unknown, budget = new SelectorBudget()): Selector {
  if (!isObject(selector)) {
    const reason = `Selector must be a JSON object, not: ${printPlain(selector)}`
    throw new SelectorError('invalid_selector_json', reason)
  }
  requireModest(selector)
  if (Object.keys(selector).length === 0) return () => true
  const match = new SelectorBuilder(budget).build(selector, '', false, false)
  requireField(selector)
  return (document) => budget.measure(() => match(document, compareValues))
}

/** So many levels of a document a selector looks into at most: what lies deeper is the same to it, empty or not. */
export function levelsOf(selector: unknown): number {
  let levels = 2
  for (let level = [selector]; level.length > 0; levels++) {
    const next: unknown[] = []
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue
      // A name may be a path of several levels.
      if (!Array.isArray(value))
        levels += Object.keys(value).reduce((sum, name) => sum + name.split('.').length - 1, 0)
      for (const member of Object.values(value)) next.push(member)
    }
    level = next
  }
  return levels
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function requireModest(selector: unknown): void {
  let values = 0
  let objects = 0
  let characters = 0
  const requireShort = (more: number): void => {
    if (values + more <= MAX_VALUES && objects <= MAX_OBJECTS && characters <= MAX_CHARACTERS) return
    throw tooLong()
  }
  let level: unknown[] = [selector]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new SelectorError('invalid_selector', 'The selector is nested too deeply.')
    const next: unknown[] = []
    for (const value of level) {
      if (typeof value === 'string') characters += value.length
      if (typeof value !== 'object' || value === null) continue
      if (!Array.isArray(value)) {
        objects += 1
        for (const name of Object.keys(value)) characters += name.length
      }
      for (const member of Object.values(value)) next.push(member)
      requireShort(next.length)
    }
    values += level.length
    requireShort(next.length)
    level = next
  }
}

function tooLong(): SelectorError {
  return new SelectorError('invalid_selector', 'The selector is too long.')
}

/** A selector that comes down to one condition must say of which field. */
function requireField(selector: unknown): void {
  let value = selector
  while (isObject(value)) {
    const [name, ...more] = Object.keys(value)
    if (name === undefined || (name !== '' && name !== '$not')) {
      if (more.length > 0 || !name?.startsWith('$') || COMBINATIONS.has(name)) return
      break
    }
    if (more.length > 0) return
    value = value[name]
  }
  throw new SelectorError('invalid_selector', 'One or more conditions is missing a field name.')
}

class SelectorBuilder {
  readonly #budget: SelectorBudget
  readonly #paths = new Map<string, FieldPath>()
  #pathCharacters = 0

  constructor(budget: SelectorBudget) {
    this.#budget = budget
  }

  /** `path` is the field that operators speak of, '' for the value itself. */
  build(condition: unknown, path: string, negated: boolean, inner: boolean): Match {
    if (!isObject(condition)) return this.#leaf('$eq', condition, path, negated)
    const members = Object.entries(condition)
    if (members.length === 0) return this.#leaf('$eq', condition, path, negated)
    if (members.length > 1) {
      const parts = members.map(([name, argument]) => this.#member(name, argument, path, negated, inner))
      return negated ? any(parts) : all(parts)
    }
    const [name, argument] = members[0]!
    return this.#member(name, argument, path, negated, inner)
  }

  #member(name: string, argument: unknown, path: string, negated: boolean, inner: boolean): Match {
    if (COMBINATIONS.has(name)) return this.#combination(name, argument, path, negated, inner)
    if (name === '$not') {
      if (!isObject(argument)) throw badArgument(name, argument)
      if (!inner) return this.build(argument, path, !negated, inner)
      const match = this.build(argument, path, negated, inner)
      return (value, compare) => !match(value, compare)
    }
    if (name.startsWith('$')) return this.#leaf(name, argument, path, negated)
    return this.build(argument, path === '' ? name : `${path}.${name}`, negated, inner)
  }

  #combination(name: string, argument: unknown, path: string, negated: boolean, inner: boolean): Match {
    if (!Array.isArray(argument)) throw badArgument(name, argument)
    if (argument.length === 0) return () => true
    if (name === '$nor' && inner) {
      const match = any(argument.map((part) => this.build(part, path, negated, inner)))
      return (value, compare) => !match(value, compare)
    }
    const turned = name === '$nor' ? !negated : negated
    const parts = argument.map((part) => this.build(part, path, turned, inner))
    const conjunction = name === '$or' ? negated : !negated
    return conjunction ? all(parts) : any(parts)
  }

  #leaf(name: string, argument: unknown, path: string, negated: boolean): Match {
    if (name === '$exists') {
      if (typeof argument !== 'boolean') throw badArgument(name, argument)
      return this.#existence(path, argument !== negated)
    }
    const opposite = negated ? OPPOSITES[name] : undefined
    const test = this.#testOf(opposite ?? name, argument)
    return this.#onField(
      path,
      negated && opposite === undefined ? (value, compare) => !test(value, compare) : test,
    )
  }

  #existence(path: string, wanted: boolean): Match {
    if (path === '') return () => wanted
    const parts = this.#parsed(path)
    return (value) => {
      this.#budget.step()
      const found = findPath(value, parts)
      return found === 'astray' ? false : (found !== 'missing') === wanted
    }
  }

  #onField(path: string, test: Test): Match {
    const parts = path === '' ? [] : this.#parsed(path)
    return (value, compare) => {
      this.#budget.step()
      const found = findPath(value, parts)
      if (typeof found === 'string') return false
      return test(found.value, path === '_id' ? compareRaw : compare)
    }
  }

  /** The conditions of one field share its path, which may be long. */
  #parsed(path: string): FieldPath {
    const known = this.#paths.get(path)
    if (known !== undefined) return known
    this.#pathCharacters += path.length
    if (this.#pathCharacters > MAX_PATH_CHARACTERS) throw tooLong()
    const parts = parsePath(path)
    this.#paths.set(path, parts)
    return parts
  }

  /** The operators that hold a selector, and the others. */
  #testOf(name: string, argument: unknown): Test {
    if (name !== '$elemMatch' && name !== '$allMatch' && name !== '$keyMapMatch') {
      return makeTest(name, argument, this.#budget)
    }
    if (!isObject(argument)) throw badArgument(name, argument)
    const match = this.build(argument, '', false, true)
    if (name === '$keyMapMatch') {
      return (value, compare) => isObject(value) && Object.keys(value).some((key) => match(key, compare))
    }
    if (name === '$elemMatch') {
      return (value, compare) => Array.isArray(value) && value.some((each) => match(each, compare))
    }
    return (value, compare) =>
      Array.isArray(value) && value.length > 0 && value.every((each) => match(each, compare))
  }
}

function all(parts: readonly Match[]): Match {
  return (value, compare) => parts.every((part) => part(value, compare))
}

function any(parts: readonly Match[]): Match {
  return (value, compare) => parts.some((part) => part(value, compare))
}
