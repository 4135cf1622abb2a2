/**
 * Numbers as CouchDB's reduces have them: an integer of any length, exact, or a double, which any sum is that a double is
 * in. Here a bigint or a number. What it fails on, a double beyond the largest, is Infinity here; in JSON it is written
 * as a number that is too large for a double.
 */
import { floatText } from '../../json/float-text.ts'

export type Numeric = bigint | number

const FLOAT = /[.eE]/
const BEYOND_DOUBLES = '1.0e999'

/** Reads a number of JSON. */
export function numericOf(text: string): Numeric {
  return FLOAT.test(text) ? Number(text) : BigInt(text)
}

/** The canonical text; a double's has a point. */
export function numericText(value: Numeric): string {
  if (typeof value === 'bigint') return value.toString()
  if (Number.isFinite(value)) return floatText(value)
  if (Number.isNaN(value)) return 'null'
  return value < 0 ? `-${BEYOND_DOUBLES}` : BEYOND_DOUBLES
}

export function add(a: Numeric, b: Numeric): Numeric {
  return typeof a === 'bigint' && typeof b === 'bigint' ? a + b : Number(a) + Number(b)
}

export function square(a: Numeric): Numeric {
  return typeof a === 'bigint' ? a * a : a * a
}

/** The smaller one; of equal ones `a`. */
export function lesser(a: Numeric, b: Numeric): Numeric {
  return b < a ? b : a
}

/** The larger one; of equal ones `a`. */
export function greater(a: Numeric, b: Numeric): Numeric {
  return b > a ? b : a
}
