import type { Compare } from '../collation.ts'
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

type Maker = (argument: unknown, refuse: () => never) => Test

function listOf(argument: unknown, refuse: () => never): unknown[] {
  return Array.isArray(argument) ? argument : refuse()
}

/** A list holds what one of its elements is. */
function isIn(value: unknown, wanted: readonly unknown[], compare: Compare): boolean {
  const values = Array.isArray(value) ? value : [value]
  return wanted.some((one) => values.some((each) => compare(each, one) === 0))
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** The same value, members in the same order. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a)
  const right = Object.entries(b)
  return (
    left.length === right.length &&
    left.every(([name, value], at) => name === right[at]![0] && isSame(value, right[at]![1]))
  )
}

const MAKERS: Readonly<Record<string, Maker>> = {
  $lt: (wanted) => (value, compare) => compare(value, wanted) < 0,
  $lte: (wanted) => (value, compare) => compare(value, wanted) <= 0,
  $eq: (wanted) => (value, compare) => compare(value, wanted) === 0,
  $ne: (wanted) => (value, compare) => compare(value, wanted) !== 0,
  $gte: (wanted) => (value, compare) => compare(value, wanted) >= 0,
  $gt: (wanted) => (value, compare) => compare(value, wanted) > 0,
  $in: (argument, refuse) => {
    const wanted = listOf(argument, refuse)
    return (value, compare) => isIn(value, wanted, compare)
  },
  $nin: (argument, refuse) => {
    const wanted = listOf(argument, refuse)
    return (value, compare) => !isIn(value, wanted, compare)
  },
  $all: (argument, refuse) => {
    const wanted = listOf(argument, refuse)
    return (value) => {
      if (!Array.isArray(value) || wanted.length === 0) return false
      if (wanted.every((one) => value.some((each) => isSame(each, one)))) return true
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
  $regex: (argument, refuse) => {
    if (typeof argument !== 'string') return refuse()
    try {
      const test = compileRegex(argument)
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
export function makeTest(name: string, argument: unknown): Test {
  const maker = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined
  if (maker === undefined) throw unknownOperator(name)
  return maker(argument, () => {
    throw badArgument(name, argument)
  })
}
