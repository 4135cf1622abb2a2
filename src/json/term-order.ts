/**
 * The order of Erlang's terms over canonical texts: numbers, atoms (`false`, `null`, `true`), objects, arrays, strings. It is
 * the order of what the texts are made of, piece by piece: objects are lists of their members, a list that ends comes
 * before one that goes on, and strings are compared by their UTF-8. So two texts are walked side by side, on no stack, until
 * they differ.
 */
import * as X from './characters.ts'
import { compareNumbers } from './text-order.ts'
import { isSameText, skipValue, stringBetween } from './walk.ts'

const END = 0
const NUMBER = 1
const ATOM = 2
const OBJECT = 3
const ARRAY = 4
const STRING = 5

function rankOf(byte: number): number {
  switch (byte) {
    case X.CLOSE_BRACE:
    case X.CLOSE_BRACKET:
      return END
    case X.LOWER_F:
    case X.LOWER_N:
    case X.LOWER_T:
      return ATOM
    case X.OPEN_BRACE:
      return OBJECT
    case X.OPEN_BRACKET:
      return ARRAY
    case X.QUOTE:
      return STRING
  }
  return NUMBER
}

/** Negative if the value that `a` is the text of comes before that of `b`. Zero for 1 and 1.0. */
export function compareTerms(a: Buffer, b: Buffer): number {
  for (let left = 0, right = 0; ; ) {
    if (isSeparator(a[left]!)) left += 1
    if (isSeparator(b[right]!)) right += 1
    if (left >= a.length || right >= b.length) return 0
    const rank = rankOf(a[left]!)
    const difference = rank - rankOf(b[right]!)
    if (difference !== 0) return difference
    if (rank === END || rank === OBJECT || rank === ARRAY) {
      left += 1
      right += 1
      continue
    }
    const leftEnd = skipValue(a, left)
    const rightEnd = skipValue(b, right)
    const order =
      rank === STRING
        ? compareStrings(a, left, leftEnd, b, right, rightEnd)
        : rank === NUMBER
          ? compareNumbers(a, left, b, right)
          : a[left]! - b[right]!
    if (order !== 0) return order
    left = leftEnd
    right = rightEnd
  }
}

function isSeparator(byte: number): boolean {
  return byte === X.COMMA || byte === X.COLON
}

function compareStrings(a: Buffer, aAt: number, aEnd: number, b: Buffer, bAt: number, bEnd: number): number {
  if (isSameText(a, aAt, aEnd, b, bAt, bEnd)) return 0
  return Buffer.compare(utf8Of(a, aAt, aEnd), utf8Of(b, bAt, bEnd))
}

function utf8Of(text: Buffer, at: number, end: number): Buffer {
  const inner = text.subarray(at + 1, end - 1)
  return inner.includes(X.BACKSLASH) ? Buffer.from(stringBetween(text, at, end)) : inner
}
