/**
 * `_stats`: sum, count, smallest, largest and sum of squares of numbers; of arrays, element by element, which have to be of one
 * length; of objects with these five members, as they were found before. CouchDB gives up the whole view for anything else;
 * here the rows that it is part of have an error.
 *
 * A summary is five scalars (FIVE, a byte of bits that are set for doubles, and the doubles), or TEXT and the JSON of the
 * result.
 */
import { type Lossless, printLossless } from '../../json/lossless.ts'
import { add, greater, lesser, type Numeric, numericOf, numericText, square } from './numeric.ts'
import { Refusal, readStructure } from './refusal.ts'
import { isNumber, readDouble, readLong, readNumber, shortInteger, writeDouble } from './scalar.ts'
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

const FIVE = 1
const TEXT = 3
/** An error, with which nothing is joined any more. */
const REFUSED = 4
/** What of the five is a double. */
const SUM_BIT = 1
const COUNT_BIT = 2
const MIN_BIT = 4
const MAX_BIT = 8
const SQUARES_BIT = 16
const FIVE_BYTES = 2 + 5 * 8
/** Of integers up to here the square is exact as a double. */
const MOST_SQUARED = 94_906_265

const MEMBERS = ['sum', 'count', 'min', 'max', 'sumsqr'] as const
type Member = (typeof MEMBERS)[number]
type Five = Record<Member, Numeric>
type Stats = Five | Stats[]

export const stats: Summarizer = {
  name: 'stats',
  mustShrink: false,

  map({ value }: Row, mostBytes: number): Uint8Array {
    if (!isNumber(value)) return jsonSummary(TEXT, value, mostBytes)
    const integer = shortInteger(value)
    if (Number.isNaN(integer) || Math.abs(integer) > MOST_SQUARED) {
      return summaryOf(fiveOf(readNumber(value)), mostBytes)
    }
    const summary = new Uint8Array(FIVE_BYTES)
    summary[0] = FIVE
    writeDouble(summary, 2, integer)
    writeDouble(summary, 10, 1)
    writeDouble(summary, 18, integer)
    writeDouble(summary, 26, integer)
    writeDouble(summary, 34, integer * integer)
    return summary
  },

  mapAll({ bytes, bounds }: Rows): Uint8Array | undefined {
    let [sum, least, most, squares] = [0, 0, 0, 0]
    let doubles = 0
    for (let at = 0; at < bounds.length; at += ROW_BOUNDS) {
      const start = bounds[at + 1]!
      const end = bounds[at + 2]!
      if (!isNumber(bytes, start)) return undefined
      let number: number | bigint = shortInteger(bytes, start, end)
      const isDouble = Number.isNaN(number)
      if (isDouble) {
        number = readLong(bytes, start, end)
        if (typeof number === 'bigint') return undefined
        doubles |= SUM_BIT | SQUARES_BIT
      } else if (Math.abs(number) > MOST_SQUARED) return undefined
      sum += number
      squares += number * number
      if (at === 0 || number <= least) {
        least = number
        doubles = isDouble ? doubles | MIN_BIT : doubles & ~MIN_BIT
      }
      if (at === 0 || number >= most) {
        most = number
        doubles = isDouble ? doubles | MAX_BIT : doubles & ~MAX_BIT
      }
      if ((doubles & SUM_BIT) === 0 && !(Number.isSafeInteger(sum) && Number.isSafeInteger(squares))) {
        return undefined
      }
    }
    return writeFive([sum, bounds.length / ROW_BOUNDS, least, most, squares], doubles)
  },

  combine(parts: readonly Uint8Array[], mostBytes: number): Uint8Array {
    return combineShort(parts) ?? combineAny(parts, mostBytes)
  },

  result(summary: Uint8Array): string {
    return summary[0] === FIVE ? textOfStats(readFive(summary)) : textOf(summary)
  },
}

/** Undefined where there is anything but short numbers whose sums are exact, or doubles. */
function combineShort(parts: readonly Uint8Array[]): Uint8Array | undefined {
  let [sum, count, least, most, squares] = [0, 0, 0, 0, 0]
  let doubles = 0
  let isFirst = true
  for (const part of parts) {
    if (part[0] === NOTHING) continue
    if (part[0] !== FIVE) return undefined
    const min = readDouble(part, 18)
    const max = readDouble(part, 26)
    const bits = part[1]!
    sum += readDouble(part, 2)
    count += readDouble(part, 10)
    squares += readDouble(part, 34)
    // Of equal ones the later.
    if (isFirst || min <= least) {
      least = min
      doubles = (doubles & ~MIN_BIT) | (bits & MIN_BIT)
    }
    if (isFirst || max >= most) {
      most = max
      doubles = (doubles & ~MAX_BIT) | (bits & MAX_BIT)
    }
    isFirst = false
    doubles |= bits & (SUM_BIT | COUNT_BIT | SQUARES_BIT)
    const isExact =
      ((doubles & SUM_BIT) !== 0 || Number.isSafeInteger(sum)) &&
      ((doubles & COUNT_BIT) !== 0 || Number.isSafeInteger(count)) &&
      ((doubles & SQUARES_BIT) !== 0 || Number.isSafeInteger(squares))
    if (!isExact) return undefined
  }
  return isFirst ? EMPTY_SUMMARY : writeFive([sum, count, least, most, squares], doubles)
}

function writeFive(numbers: readonly number[], doubles: number): Uint8Array {
  const summary = new Uint8Array(FIVE_BYTES)
  summary[0] = FIVE
  summary[1] = doubles
  for (let i = 0; i < 5; i++) writeDouble(summary, 2 + i * 8, numbers[i]!)
  return summary
}

function readFive(summary: Uint8Array): Five {
  const [sum, count, min, max, sumsqr] = MEMBERS.map((_, i) => {
    const value = readDouble(summary, 2 + i * 8)
    return (summary[1]! & (1 << i)) !== 0 ? value : BigInt(value)
  }) as [Numeric, Numeric, Numeric, Numeric, Numeric]
  return { sum, count, min, max, sumsqr }
}

function combineAny(parts: readonly Uint8Array[], mostBytes: number): Uint8Array {
  if (parts.some(isTooLong)) return LONG_SUMMARY
  const refused = parts.find((part) => part[0] === REFUSED)
  if (refused !== undefined) return refused.length < mostBytes ? refused : LONG_SUMMARY
  try {
    let total: Stats | undefined
    for (const part of parts) {
      if (part[0] === NOTHING) continue
      const stats = part[0] === FIVE ? readFive(part) : statsOf(readStructure(textOf(part)))
      total = total === undefined ? stats : join(stats, total)
    }
    return total === undefined ? EMPTY_SUMMARY : summaryOf(total, mostBytes)
  } catch (error) {
    if (error instanceof Refusal) return textSummary(REFUSED, error.json, mostBytes)
    throw error
  }
}

function summaryOf(stats: Stats, mostBytes: number): Uint8Array {
  if (!Array.isArray(stats)) {
    const numbers = MEMBERS.map((name) => stats[name])
    const fits = numbers.every((number) => typeof number === 'number' || Number.isSafeInteger(Number(number)))
    if (fits) {
      const doubles = numbers.reduce<number>(
        (bits, number, i) => bits | (typeof number === 'number' ? 1 << i : 0),
        0,
      )
      return writeFive(numbers.map(Number), doubles)
    }
  }
  return textSummary(TEXT, textOfStats(stats), mostBytes)
}

function fiveOf(number: Numeric): Five {
  return { sum: number, count: 1n, min: number, max: number, sumsqr: square(number) }
}

/** Of a row's value, or of what TEXT holds. */
function statsOf(value: Lossless): Stats {
  if (typeof value === 'string' && value.startsWith('n')) return fiveOf(numericOf(value.slice(1)))
  if (Array.isArray(value)) return value.map(statsOf)
  if (typeof value !== 'object' || value === null) throw refusal(value)
  const five: Partial<Five> = {}
  for (const name of MEMBERS) {
    const member = Object.hasOwn(value, `s${name}`) ? value[`s${name}`] : undefined
    if (member === undefined) {
      throw new Refusal(`user _stats input missing required field ${name}`, printLossless(value))
    }
    if (typeof member !== 'string' || !member.startsWith('n')) {
      throw new Refusal(`non-numeric _stats input received for ${name}`, printLossless(member))
    }
    five[name] = numericOf(member.slice(1))
  }
  return five as Five
}

function join(stats: Stats, total: Stats): Stats {
  if (Array.isArray(stats) && Array.isArray(total) && stats.length === total.length) {
    return stats.map((each, i) => join(each, total[i]!))
  }
  if (Array.isArray(stats) || Array.isArray(total)) {
    throw new Refusal('The _stats function requires that arrays be of one length, and not mixed with numbers')
  }
  return {
    sum: add(total.sum, stats.sum),
    count: add(total.count, stats.count),
    min: lesser(stats.min, total.min),
    max: greater(stats.max, total.max),
    sumsqr: add(total.sumsqr, stats.sumsqr),
  }
}

function refusal(value: Lossless): Refusal {
  const reason = 'The _stats function requires that map values be numbers or arrays of numbers'
  return new Refusal(reason, printLossless(value))
}

function textOfStats(stats: Stats): string {
  if (Array.isArray(stats)) return `[${stats.map(textOfStats).join(',')}]`
  return `{${MEMBERS.map((name) => `"${name}":${numericText(stats[name])}`).join(',')}}`
}
