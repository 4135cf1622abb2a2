/**
 * Selectors of CouchDB's Mango as tests of documents. What is not in its documentation but in its answers:
 * - No condition but `{"$exists":false}` holds for a field that is not there, also not a negated one.
 * - `$and`, `$or` and `$nor` of an empty list, negated or not, and the selector `{}` hold for everything; `$all` of
 *   nothing holds for nothing.
 * - Values compare as `collation.ts` says; those of `_id` by their bytes. What `$all` asks for must be there as it is
 *   written: 1.0 is not 1 there, and no integer for `$mod`.
 *
 * A selector is compiled once into closures over the stored bytes of documents, of which nothing is parsed that is not
 * compared, and compared only as far as its counterpart in the selector reaches.
 */
import { type CompareTexts, compareRawTexts, compareTexts } from '../json/text-order.ts'
import {
  advance,
  bigIntegerAt,
  elementsOf,
  enter,
  isArrayAt,
  isIntegerAt,
  isObjectAt,
  isSameText,
  isStringAt,
  numberAt,
  rankAt,
  skipString,
  skipValue,
  stringAt,
} from '../json/walk.ts'
import { SelectorBudget } from './budget.ts'
import type { Condition, FieldCondition } from './condition.ts'
import { DocumentFields, LONG_VALUE_BYTES, type StoredDocument } from './document-fields.ts'
import type { JsonSlice } from './json-slice.ts'
import { tooLong } from './modesty.ts'
import { type FieldPath, findSteps, MISSING, parsePath, pathStep } from './path.ts'

/** Whether a document is meant. Throws selectorTimeout when the budget does not suffice. */
export type Selector<Document extends StoredDocument> = (document: Document) => boolean

/** A test of the value at a place. */
type Match = (text: Buffer, at: number) => boolean

/** Of the paths of all conditions, each from the top. */
const MAX_PATH_CHARACTERS = 200_000
const TYPES = ['null', 'boolean', 'number', 'string', 'array', 'object']

/** `whole`: the text of a document with its special members. Throws SelectorError. */
export function compileSelector<Document extends StoredDocument>(
  condition: Condition,
  whole: (document: Document) => Buffer,
  budget = new SelectorBudget(),
): Selector<Document> {
  if (condition.kind === 'everything') return () => true
  const fields = new DocumentFields(whole, budget)
  const match = new Compilation(fields, budget).outer(condition)
  const nowhere = Buffer.alloc(0)
  return (document) => {
    fields.open(document)
    return budget.measure(() => match(nowhere, 0))
  }
}

class Compilation<Document extends StoredDocument> {
  readonly #fields: DocumentFields<Document>
  readonly #budget: SelectorBudget
  readonly #paths = new Map<string, FieldPath>()
  #pathCharacters = 0

  constructor(fields: DocumentFields<Document>, budget: SelectorBudget) {
    this.#fields = fields
    this.#budget = budget
  }

  /** A test of the document that is open, wherever it is asked to look. */
  outer(condition: Condition): Match {
    if (condition.kind !== 'field') return this.#combined(condition, (part) => this.outer(part))
    const field = this.#fields.field(this.#parsed(condition.field))
    const compare = condition.field === '_id' ? compareRawTexts : compareTexts
    return this.#found(
      condition,
      compare,
      () => field.find(),
      () => field.text,
    )
  }

  /** A test of a value. */
  inner(condition: Condition, compare: CompareTexts): Match {
    if (condition.kind !== 'field') return this.#combined(condition, (part) => this.inner(part, compare))
    const steps = this.#parsed(condition.field).map(pathStep)
    const own = condition.field === '_id' ? compareRawTexts : compare
    return this.#found(
      condition,
      own,
      (text, at) => findSteps(text, at, steps),
      (text) => text,
    )
  }

  #combined(condition: Exclude<Condition, FieldCondition>, compile: (part: Condition) => Match): Match {
    switch (condition.kind) {
      case 'everything':
        return () => true
      case '$not': {
        const match = compile(condition.part)
        return (text, at) => !match(text, at)
      }
    }
    const parts = condition.parts.map(compile)
    if (parts.length === 0) return () => true
    if (condition.kind === '$and') return (text, at) => parts.every((part) => part(text, at))
    if (condition.kind === '$or') return (text, at) => parts.some((part) => part(text, at))
    return (text, at) => !parts.some((part) => part(text, at))
  }

  #found(
    condition: FieldCondition,
    compare: CompareTexts,
    find: (text: Buffer, at: number) => number,
    textOf: (text: Buffer) => Buffer,
  ): Match {
    const budget = this.#budget
    if (condition.operator === '$exists') {
      const wanted = condition.argument.toString() === 'true'
      return (text, at) => {
        budget.step()
        const place = find(text, at)
        return place >= 0 ? wanted : !wanted && place === MISSING
      }
    }
    const test = this.#test(condition, compare)
    const wanted = !condition.isNegated
    return (text, at) => {
      budget.step()
      const place = find(text, at)
      return place >= 0 && test(textOf(text), place) === wanted
    }
  }

  /** The conditions of one field share its path, which may be long. */
  #parsed(path: string): FieldPath {
    const known = this.#paths.get(path)
    if (known !== undefined) return known
    this.#pathCharacters += path.length
    if (this.#pathCharacters > MAX_PATH_CHARACTERS) throw tooLong()
    const parts = path === '' ? [] : parsePath(path)
    this.#paths.set(path, parts)
    return parts
  }

  #test(condition: FieldCondition, compare: CompareTexts): Match {
    const { operator, argument, inner, pattern } = condition
    const { text: wanted, at: wantedAt } = argument
    const budget = this.#budget
    switch (operator) {
      case '$lt':
        return (text, at) => compare(text, at, wanted, wantedAt) < 0
      case '$lte':
        return (text, at) => compare(text, at, wanted, wantedAt) <= 0
      case '$eq':
        return (text, at) => compare(text, at, wanted, wantedAt) === 0
      case '$ne':
        return (text, at) => compare(text, at, wanted, wantedAt) !== 0
      case '$gte':
        return (text, at) => compare(text, at, wanted, wantedAt) >= 0
      case '$gt':
        return (text, at) => compare(text, at, wanted, wantedAt) > 0
      case '$in':
        return membership(argument, compare, budget)
      case '$nin': {
        const isIn = membership(argument, compare, budget)
        return (text, at) => !isIn(text, at)
      }
      case '$all':
        return containment(argument, budget)
      case '$type': {
        const rank = TYPES.indexOf(stringAt(wanted, wantedAt))
        return (text, at) => rankAt(text, at) === rank
      }
      case '$size': {
        const size = numberAt(wanted, wantedAt)
        return (text, at) => isArrayAt(text, at) && hasSize(text, at, size)
      }
      case '$mod':
        return division(argument)
      case '$regex':
        return (text, at) => isStringAt(text, at) && pattern!(stringAt(text, at), budget)
      case '$beginsWith': {
        const start = stringAt(wanted, wantedAt)
        return (text, at) => isStringAt(text, at) && stringAt(text, at).startsWith(start)
      }
    }
    return this.#holding(operator, this.inner(inner!, compare))
  }

  #holding(operator: string, match: Match): Match {
    const budget = this.#budget
    if (operator === '$keyMapMatch') {
      return (text, object) => {
        if (!isObjectAt(text, object)) return false
        for (let name = enter(text, object); name >= 0; ) {
          budget.step()
          if (match(text, name)) return true
          name = behind(text, skipString(text, name) + 1, budget)
        }
        return false
      }
    }
    const isAll = operator === '$allMatch'
    return (text, array) => {
      if (!isArrayAt(text, array)) return false
      const first = enter(text, array)
      for (let at = first; at >= 0; at = behind(text, at, budget)) {
        budget.step()
        if (match(text, at) !== isAll) return !isAll
      }
      return isAll && first >= 0
    }
  }
}

/** Position of what follows a value that is walked over; -1 where it was the last. Throws selectorTimeout. */
function behind(text: Buffer, at: number, budget: SelectorBudget): number {
  const end = skipValue(text, at)
  if (end - at >= LONG_VALUE_BYTES) budget.requireTime()
  return advance(text, end)
}

/** Whether a value is among those wanted; a list is if one of its elements is. */
function membership(argument: JsonSlice, compare: CompareTexts, budget: SelectorBudget): Match {
  const { text: wantedText } = argument
  const wanted = elementsOf(wantedText, argument.at)
  // Equal texts are equal in every order, and by their bytes no others are: long lists of ids need no comparison.
  const texts = new Set(
    wanted.filter((at) => isStringAt(wantedText, at)).map((at) => stringAt(wantedText, at)),
  )
  const isWanted: Match = (text, at) => {
    budget.step()
    if (isStringAt(text, at) && texts.size > 0) {
      const isKnown = texts.has(stringAt(text, at))
      if (isKnown || compare === compareRawTexts) return isKnown
    }
    return wanted.some((wantedAt) => {
      budget.step()
      return compare(text, at, wantedText, wantedAt) === 0
    })
  }
  return (text, at) => {
    if (!isArrayAt(text, at)) return isWanted(text, at)
    for (let each = enter(text, at); each >= 0; each = behind(text, each, budget)) {
      if (isWanted(text, each)) return true
    }
    return false
  }
}

/** Whether all wanted values are elements of a list, or the only one, a list, is the value. */
function containment(argument: JsonSlice, budget: SelectorBudget): Match {
  const { text: wantedText } = argument
  const wanted = elementsOf(wantedText, argument.at).map((at) => ({ at, end: skipValue(wantedText, at) }))
  const isThat = (text: Buffer, at: number, end: number, one: { at: number; end: number }): boolean => {
    budget.step()
    return isSameText(text, at, end, wantedText, one.at, one.end)
  }
  return (text, array) => {
    if (!isArrayAt(text, array) || wanted.length === 0) return false
    const missing = new Set(wanted)
    for (let at = enter(text, array); at >= 0 && missing.size > 0; ) {
      const end = skipValue(text, at)
      for (const one of missing) if (isThat(text, at, end, one)) missing.delete(one)
      at = advance(text, end)
    }
    if (missing.size === 0) return true
    return wanted.length === 1 && compareRawTexts(text, array, wantedText, wanted[0]!.at) === 0
  }
}

function hasSize(text: Buffer, array: number, size: number): boolean {
  let count = 0
  for (let at = enter(text, array); at >= 0; at = advance(text, skipValue(text, at))) {
    count += 1
    if (count > size) return false
  }
  return count === size
}

function division(argument: JsonSlice): Match {
  const { text: wantedText } = argument
  const [divisor, remainder] = elementsOf(wantedText, argument.at).map((at) => bigIntegerAt(wantedText, at))
  return (text, at) => {
    if (!isIntegerAt(text, at)) return false
    const value = numberAt(text, at)
    if (!Number.isSafeInteger(value)) return bigIntegerAt(text, at) % divisor! === remainder
    // Plus 0, for a remainder of -0 is none.
    return (value % Number(divisor)) + 0 === Number(remainder)
  }
}
