import { type Compare, compareRaw } from '../json/collation.ts'
import type { SelectorBudget } from './budget.ts'
import { badArgument, SelectorError } from './errors.ts'
import { compileRegex } from './regex.ts'

/** Operators that look at one value and hold no selectors. */
export type Test = (value: unknown, compare: Compare) => boolean

/** Operators whose negation is another one: those match no document that lacks the field. */
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

type Maker = (argument: unknown, refuse: () => never, budget: SelectorBudget) => Test

function listOf(argument: unknown, refuse: () => never): unknown[] {
  return Array.isArray(argument) ? argument : refuse()
}

/** Whether a value is among those wanted; a list is if one of its elements is. */
function membership(wanted: readonly unknown[], budget: SelectorBudget): Test {
  // Equal texts are equal in every order, and by their bytes no others are: long lists of ids need no comparison.
  const texts = new Set(wanted.filter((one) => typeof one === 'string'))
  const isWanted = (each: unknown, compare: Compare): boolean => {
    budget.step()
    if (typeof each === 'string' && (texts.has(each) || compare === compareRaw)) return texts.has(each)
    return wanted.some((one) => {
      budget.step()
      return compare(each, one) === 0
    })
  }
  return (value, compare) => {
    const values = Array.isArray(value) ? value : [value]
    return values.some((each) => isWanted(each, compare))
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function memberOf(value: object, name: string): unknown {
  return (value as Record<string, unknown>)[name]
}

/** The same value, members in the same order. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.keys(a)
  const right = Object.keys(b)
  if (left.length !== right.length) return false
  return left.every((name, at) => name === right[at] && isSame(memberOf(a, name), memberOf(b, name)))
}

const MAKERS: Readonly<Record<string, Maker>> = {
  $lt: (wanted) => (value, compare) => compare(value, wanted) < 0,
  $lte: (wanted) => (value, compare) => compare(value, wanted) <= 0,
  $eq: (wanted) => (value, compare) => compare(value, wanted) === 0,
  $ne: (wanted) => (value, compare) => compare(value, wanted) !== 0,
  $gte: (wanted) => (value, compare) => compare(value, wanted) >= 0,
  $gt: (wanted) => (value, compare) => compare(value, wanted) > 0,
  $in: (argument, refuse, budget) => membership(listOf(argument, refuse), budget),
  $nin: (argument, refuse, budget) => {
    const isIn = membership(listOf(argument, refuse), budget)
    return (value, compare) => !isIn(value, compare)
  },
  $all: (argument, refuse, budget) => {
    const wanted = listOf(argument, refuse)
    const has = (value: readonly unknown[], one: unknown): boolean =>
      value.some((each) => {
        budget.step()
        return isSame(each, one)
      })
    return (value) => {
      if (!Array.isArray(value) || wanted.length === 0) return false
      if (wanted.every((one) => has(value, one))) return true
      return wanted.length === 1 && isSame(wanted[0], value)
    }
  },
  $type: (argument, refuse) => {
    if (typeof argument !== 'string') return refuse()
    return (value) => typeOf(value) === argument
  },
  $size: (argument, refuse) => {
    if (!Number.isInteger(argument) || (argument as number) < 0) return refuse()
    return (value) => Array.isArray(value) && value.length === argument
  },
  $mod: (argument, refuse) => {
    const [divisor, remainder, ...rest] = listOf(argument, refuse)
    if (!Number.isInteger(divisor) || !Number.isInteger(remainder) || rest.length > 0) return refuse()
    if (divisor === 0) return refuse()
    // Plus 0, for a remainder of -0 is none.
    return (value) => Number.isInteger(value) && ((value as number) % (divisor as number)) + 0 === remainder
  },
  $regex: (argument, refuse, budget) => {
    if (typeof argument !== 'string') return refuse()
    try {
      const test = compileRegex(argument, budget)
      return (value) => typeof value === 'string' && test(value)
    } catch (error) {
      return error instanceof SyntaxError ? refuse() : raise(error)
    }
  },
  $beginsWith: (argument) => {
    if (typeof argument !== 'string') throw unknownOperator('$beginsWith')
    return (value) => typeof value === 'string' && value.startsWith(argument)
  },
}

function raise(error: unknown): never {
  throw error
}

export function unknownOperator(name: string): SelectorError {
  return new SelectorError('invalid_operator', `Invalid operator: ${name}`)
}

/** Throws SelectorError for an operator that is not known, or an argument that it does not take. */
export function makeTest(name: string, argument: unknown, budget: SelectorBudget): Test {
  const maker = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined
  if (maker === undefined) throw unknownOperator(name)
  const refuse = (): never => {
    throw badArgument(name, argument)
  }
  return maker(argument, refuse, budget)
}
