/**
 * One number in nine bytes, read and written without a text: a byte that says whether it is an integer or a double, and
 * its value as a double, the lowest byte first. Integers beyond 53 bits do not fit.
 */
import { type Numeric, numericOf } from './numeric.ts'

export const SCALAR_BYTES = 9
export const INTEGER = 1
export const DOUBLE = 2

const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
/** Integers of so many digits are exact as doubles. */
const EXACT_DIGITS = 15
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => Number(`1e${power}`))

const value = new Float64Array(1)
const bytes = new Uint8Array(value.buffer)

/** Whether the text of JSON that begins at `start` is a number's. */
export function isNumber(text: Uint8Array, start = 0): boolean {
  const first = text[start]!
  return first === MINUS || (first >= ZERO && first <= ZERO + 9)
}

/** What a number's text says; NaN where it is no integer of at most `EXACT_DIGITS` digits. */
export function shortInteger(text: Uint8Array, start = 0, end = text.length): number {
  const isNegative = text[start] === MINUS
  const first = isNegative ? start + 1 : start
  if (end - first > EXACT_DIGITS) return Number.NaN
  let sum = 0
  for (let at = first; at < end; at++) {
    const digit = text[at]! - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    sum = sum * 10 + digit
  }
  // Not -0, which is no integer.
  return isNegative && sum !== 0 ? -sum : sum
}

/** What a number's text says. */
export function readNumber(text: Uint8Array, start = 0, end = text.length): Numeric {
  const integer = shortInteger(text, start, end)
  return Number.isNaN(integer) ? readLong(text, start, end) : BigInt(integer)
}

/**
 * What a text of digits with a point among them says, as a double; NaN where it is anything else, or has more than
 * `EXACT_DIGITS`: of fewer, their integer and its power of ten are exact, and so one division rounds as reading the text does.
 */
function shortDecimal(text: Uint8Array, start: number, end: number): number {
  const isNegative = text[start] === MINUS
  const first = isNegative ? start + 1 : start
  if (end - first > EXACT_DIGITS + 1) return Number.NaN
  let digits = 0
  let point = -1
  for (let at = first; at < end; at++) {
    const digit = text[at]! - ZERO
    if (digit >= 0 && digit <= 9) digits = digits * 10 + digit
    else if (text[at] === POINT && point < 0) point = at
    else return Number.NaN
  }
  if (point < 0) return Number.NaN
  const number = digits / POWERS_OF_TEN[end - point - 1]!
  return isNegative ? -number : number
}

/** What the text of a number says that is no short integer. */
export function readLong(text: Uint8Array, start = 0, end = text.length): Numeric {
  const decimal = shortDecimal(text, start, end)
  if (!Number.isNaN(decimal)) return decimal
  return numericOf(Buffer.from(text.buffer, text.byteOffset + start, end - start).toString('latin1'))
}

export function writeScalar(target: Uint8Array, at: number, type: number, number: number): void {
  target[at] = type
  writeDouble(target, at + 1, number)
}

export function writeDouble(target: Uint8Array, at: number, number: number): void {
  value[0] = number
  for (let i = 0; i < 8; i++) target[at + i] = bytes[i]!
}

export function readDouble(source: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) bytes[i] = source[at + i]!
  return value[0]!
}
