/**
 * The order of collation.ts over canonical texts, without making values of them: recursion and time are those of the smaller
 * of the two, whatever the other holds.
 */
import { compareStringsByBytes, compareStrings as compareStringsByCollation } from './collation.ts'
import {
  advance,
  bigIntegerAt,
  enter,
  isIntegerAt,
  isSameText,
  numberAt,
  rankAt,
  skipString,
  skipValue,
  stringBetween,
} from './walk.ts'

/** Negative if the value at `at` comes before the one at `otherAt`. */
export type CompareTexts = (text: Buffer, at: number, other: Buffer, otherAt: number) => number

type CompareStrings = (a: string, b: string) => number

function compareWith(strings: CompareStrings, a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const rank = rankAt(a, aAt)
  const difference = rank - rankAt(b, bAt)
  if (difference !== 0) return difference
  switch (rank) {
    case 0:
      return 0
    case 1:
      // `false` is before `true`, as their first letters are.
      return a[aAt]! - b[bAt]!
    case 2:
      return compareNumbers(a, aAt, b, bAt)
    case 3:
      return compareStringTexts(strings, a, aAt, skipString(a, aAt), b, bAt, skipString(b, bAt))
    case 4:
      return compareArrays(strings, a, aAt, b, bAt)
  }
  return compareObjects(strings, a, aAt, b, bAt)
}

/** Integers beyond 2^53 are told apart, though as doubles they may be equal. */
export function compareNumbers(a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  const left = numberAt(a, aAt)
  const right = numberAt(b, bAt)
  if (left !== right) return left - right
  if (Number.isSafeInteger(left) || !isIntegerAt(a, aAt) || !isIntegerAt(b, bAt)) return 0
  const difference = bigIntegerAt(a, aAt) - bigIntegerAt(b, bAt)
  return difference < 0n ? -1 : Number(difference > 0n)
}

function compareStringTexts(
  strings: CompareStrings,
  a: Buffer,
  aAt: number,
  aEnd: number,
  b: Buffer,
  bAt: number,
  bEnd: number,
): number {
  if (isSameText(a, aAt, aEnd, b, bAt, bEnd)) return 0
  return strings(stringBetween(a, aAt, aEnd), stringBetween(b, bAt, bEnd))
}

function compareArrays(strings: CompareStrings, a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  let left = enter(a, aAt)
  let right = enter(b, bAt)
  while (left >= 0 && right >= 0) {
    const order = compareWith(strings, a, left, b, right)
    if (order !== 0) return order
    left = advance(a, skipValue(a, left))
    right = advance(b, skipValue(b, right))
  }
  return Number(left >= 0) - Number(right >= 0)
}

function compareObjects(strings: CompareStrings, a: Buffer, aAt: number, b: Buffer, bAt: number): number {
  let left = enter(a, aAt)
  let right = enter(b, bAt)
  while (left >= 0 && right >= 0) {
    const leftEnd = skipString(a, left)
    const rightEnd = skipString(b, right)
    const order =
      compareStringTexts(strings, a, left, leftEnd, b, right, rightEnd) ||
      compareWith(strings, a, leftEnd + 1, b, rightEnd + 1)
    if (order !== 0) return order
    left = advance(a, skipValue(a, leftEnd + 1))
    right = advance(b, skipValue(b, rightEnd + 1))
  }
  return Number(left >= 0) - Number(right >= 0)
}

/** By the collation of strings. */
export const compareTexts: CompareTexts = (a, aAt, b, bAt) =>
  compareWith(compareStringsByCollation, a, aAt, b, bAt)

/** With strings in the order of their UTF-8, as ids of documents go. */
export const compareRawTexts: CompareTexts = (a, aAt, b, bAt) =>
  compareWith(compareStringsByBytes, a, aAt, b, bAt)
