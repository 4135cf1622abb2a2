/**
 * `_sum`: of numbers; of arrays, element by element, where a number is an array of one; of objects, member by member, whose
 * members are again any of these. What it gives for anything else is CouchDB's `builtin_reduce_error`, which it also gives for
 * what is joined with that. Doubles are added in the order of the rows within a node, and node by node.
 *
 * A summary is a scalar (scalar.ts), or TEXT and the JSON of the sum.
 */
import { sortByBytes } from '../../json/collation.ts'
import { type Lossless, printLossless } from '../../json/lossless.ts'
import { add, numericOf, numericText } from './numeric.ts'
import { BUILTIN_REDUCE_ERROR, Refusal, readStructure } from './refusal.ts'
import {
  DOUBLE,
  INTEGER,
  isNumber,
  readDouble,
  readLong,
  SCALAR_BYTES,
  shortInteger,
  writeScalar,
} from './scalar.ts'
import {
  EMPTY_SUMMARY,
  isTooLong,
  jsonSummary,
  LONG_SUMMARY,
  NOTHING,
  ROW_BOUNDS,
  type Row,
  type Rows,
  type Summarizer,
  textOf,
  textSummary,
} from './summarizer.ts'

const TEXT = 3
const ZERO = 'n0'
const REASON =
  'The _sum function requires that map values be numbers, arrays of numbers, or objects. Objects cannot be mixed with ' +
  'other data structures. Objects can be arbitrarily nested, provided that the values for all fields are themselves ' +
  'numbers, arrays of numbers, or objects.'

type Members = { [name: string]: Lossless }

export const sum: Summarizer = {
  name: 'sum',
  mustShrink: true,

  map({ value }: Row, mostBytes: number): Uint8Array {
    if (!isNumber(value)) return jsonSummary(TEXT, value, mostBytes)
    const integer = shortInteger(value)
    if (!Number.isNaN(integer)) return scalar(INTEGER, integer)
    const number = readLong(value)
    return typeof number === 'number' ? scalar(DOUBLE, number) : jsonSummary(TEXT, value, mostBytes)
  },

  mapAll({ bytes, bounds }: Rows): Uint8Array | undefined {
    let total = 0
    let type = INTEGER
    for (let at = 0; at < bounds.length; at += ROW_BOUNDS) {
      const start = bounds[at + 1]!
      const end = bounds[at + 2]!
      if (!isNumber(bytes, start)) return undefined
      let number: number | bigint = shortInteger(bytes, start, end)
      if (Number.isNaN(number)) {
        number = readLong(bytes, start, end)
        if (typeof number === 'bigint') return undefined
        type = DOUBLE
      }
      total += number
      if (type === INTEGER && !Number.isSafeInteger(total)) return undefined
    }
    return scalar(type, total)
  },

  combine(parts: readonly Uint8Array[], mostBytes: number): Uint8Array {
    if (parts.length === 0) return EMPTY_SUMMARY
    let total = 0
    let type = NOTHING
    for (const part of parts) {
      const [tag] = part
      if (tag === NOTHING) continue
      if (tag !== INTEGER && tag !== DOUBLE) return combineAny(parts, mostBytes)
      total += readDouble(part, 1)
      if (tag > type) type = tag
      // Integers stay exact.
      if (type === INTEGER && !Number.isSafeInteger(total)) return combineAny(parts, mostBytes)
    }
    return type === NOTHING ? EMPTY_SUMMARY : scalar(type, total)
  },

  result(summary: Uint8Array): string {
    return summary[0] === TEXT ? textOf(summary) : scalarText(summary)
  },
}

function scalar(type: number, value: number): Uint8Array {
  const summary = new Uint8Array(SCALAR_BYTES)
  writeScalar(summary, 0, type, value)
  return summary
}

function scalarText(summary: Uint8Array): string {
  const value = readDouble(summary, 1)
  return summary[0] === INTEGER ? String(value) : numericText(value)
}

function combineAny(parts: readonly Uint8Array[], mostBytes: number): Uint8Array {
  if (parts.some(isTooLong)) return LONG_SUMMARY
  let total: Lossless = ZERO
  try {
    for (const part of parts) {
      if (part[0] === NOTHING) continue
      total = plus(part[0] === TEXT ? readStructure(textOf(part)) : `n${scalarText(part)}`, total)
    }
  } catch (error) {
    if (error instanceof Refusal) return textSummary(TEXT, error.json, mostBytes)
    throw error
  }
  if (typeof total === 'string') {
    const number = numericOf(total.slice(1))
    if (typeof number === 'number') return scalar(DOUBLE, number)
    if (number === BigInt(Number(number)) && Number.isSafeInteger(Number(number))) {
      return scalar(INTEGER, Number(number))
    }
  }
  return textSummary(TEXT, printLossless(total), mostBytes)
}

/** What `sum_values` of couch_query_servers.erl gives for a value and what was summed up before it. */
function plus(value: Lossless, total: Lossless): Lossless {
  if (isNumeric(value)) {
    if (isNumeric(total)) return `n${numericText(add(numericOf(total.slice(1)), numericOf(value.slice(1))))}`
    if (Array.isArray(total)) return plusElements(total, [value])
  } else if (Array.isArray(value)) {
    if (isNumeric(total)) return plusElements([total], value)
    if (Array.isArray(total)) return plusElements(total, value)
  } else if (isObject(value)) {
    if (value['serror'] === `s${BUILTIN_REDUCE_ERROR}`) throw new PassedOn(value)
    if (total === ZERO) return value
    if (isObject(total)) return plusMembers(value, total)
  }
  throw new Refusal(REASON, printLossless(value))
}

function plusElements(total: readonly Lossless[], value: readonly Lossless[]): Lossless[] {
  const sums: Lossless[] = []
  for (let i = 0; i < total.length && i < value.length; i++) {
    const a = total[i]!
    const b = value[i]!
    if (!isNumeric(a) || !isNumeric(b)) throw new Refusal(REASON, printLossless(total.slice(i)))
    sums.push(plus(b, a))
  }
  const longer = total.length > value.length ? total : value
  return [...sums, ...longer.slice(sums.length)]
}

/** Members in the order of their names' bytes, as CouchDB leaves them. */
function plusMembers(value: Members, total: Members): Members {
  const names = sortByBytes([...new Set([...Object.keys(value), ...Object.keys(total)])])
  const sums: Members = {}
  for (const name of names) {
    const a = value[name]
    const b = total[name]
    sums[name] = a === undefined ? b! : b === undefined ? a : plus(a, b)
  }
  return sums
}

function isNumeric(value: Lossless): value is string {
  return typeof value === 'string' && value.startsWith('n')
}

function isObject(value: Lossless): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An error of rows further down is the error of all. */
class PassedOn extends Refusal {
  override readonly json: string

  constructor(error: Members) {
    super(REASON)
    this.json = printLossless(error)
  }
}
