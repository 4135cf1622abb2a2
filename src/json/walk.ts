/**
 * Values of canonical texts where they stand: no value is parsed that nobody asks for. Positions are those of the first byte
 * of a value; what is behind a value is `,`, a closing bracket or the end of the text. Texts must be canonical: there is no
 * white space, and no check.
 */
import * as X from './characters.ts'

/** Of brackets and braces alike, which differ in one bit. */
const BRACKET_BIT = 0x20
const MOST_EXACT_DIGITS = 15
const SHORT_STRING_BYTES = 32

/** Position behind the string that begins at `at`. */
export function skipString(text: Buffer, at: number): number {
  let end = at + 1
  for (const far = end + SHORT_STRING_BYTES; end < far; ) {
    const byte = text[end]!
    if (byte === X.QUOTE) return end + 1
    end += byte === X.BACKSLASH ? 2 : 1
  }
  // The engine's own search costs a call, and is much faster on the way.
  for (const start = end; ; ) {
    end = text.indexOf(X.QUOTE, end)
    let slashes = 0
    while (end - slashes > start && text[end - 1 - slashes] === X.BACKSLASH) slashes += 1
    end += 1
    if (slashes % 2 === 0) return end
  }
}

/** Position behind the value that begins at `at`. */
export function skipValue(text: Buffer, at: number): number {
  const first = text[at]!
  if (first === X.QUOTE) return skipString(text, at)
  if ((first | BRACKET_BIT) !== X.OPEN_BRACE) return skipScalar(text, at)
  let depth = 0
  let end = at
  for (;;) {
    const byte = text[end]!
    if (byte === X.QUOTE) {
      end = skipString(text, end)
      continue
    }
    end += 1
    const bracket = byte | BRACKET_BIT
    if (bracket === X.OPEN_BRACE) depth += 1
    else if (bracket === X.CLOSE_BRACE) {
      depth -= 1
      if (depth === 0) return end
    }
  }
}

function skipScalar(text: Buffer, at: number): number {
  let end = at + 1
  while (end < text.length) {
    const byte = text[end]!
    if (byte === X.COMMA || (byte | BRACKET_BIT) === X.CLOSE_BRACE) return end
    end += 1
  }
  return end
}

/** Position of the first element or name; -1 where there is none. */
export function enter(text: Buffer, container: number): number {
  const at = container + 1
  return (text[at]! | BRACKET_BIT) === X.CLOSE_BRACE ? -1 : at
}

/** Position of what follows an element or member that ends at `end`; -1 where it was the last. */
export function advance(text: Buffer, end: number): number {
  return text[end] === X.COMMA ? end + 1 : -1
}

export function isObjectAt(text: Buffer, at: number): boolean {
  return text[at] === X.OPEN_BRACE
}

export function isArrayAt(text: Buffer, at: number): boolean {
  return text[at] === X.OPEN_BRACKET
}

export function isStringAt(text: Buffer, at: number): boolean {
  return text[at] === X.QUOTE
}

export function isNumberAt(text: Buffer, at: number): boolean {
  const byte = text[at]!
  return byte === X.MINUS || (byte >= X.ZERO && byte <= X.NINE)
}

/** Null, false and true, numbers, strings, arrays, objects: their order, and that of nothing else. */
export function rankAt(text: Buffer, at: number): number {
  switch (text[at]) {
    case X.LOWER_N:
      return 0
    case X.LOWER_F:
    case X.LOWER_T:
      return 1
    case X.QUOTE:
      return 3
    case X.OPEN_BRACKET:
      return 4
    case X.OPEN_BRACE:
      return 5
  }
  return 2
}

/** What the string says that stands between `at` and `end`, quotes included. */
export function stringBetween(text: Buffer, at: number, end: number): string {
  let isAscii = true
  for (let i = at + 1; i < end - 1; i++) {
    const byte = text[i]!
    if (byte === X.BACKSLASH) return JSON.parse(text.toString('utf8', at, end)) as string
    if (byte >= 0x80) isAscii = false
  }
  return isAscii ? text.toString('latin1', at + 1, end - 1) : text.toString('utf8', at + 1, end - 1)
}

export function stringAt(text: Buffer, at: number): string {
  return stringBetween(text, at, skipString(text, at))
}

export function numberAt(text: Buffer, at: number): number {
  let value = 0
  const isNegative = text[at] === X.MINUS
  const start = isNegative ? at + 1 : at
  let end = start
  for (; end < text.length; end++) {
    const byte = text[end]!
    if (byte < X.ZERO || byte > X.NINE) break
    value = value * 10 + (byte - X.ZERO)
  }
  const next = end < text.length ? text[end]! : X.COMMA
  if (end - start <= MOST_EXACT_DIGITS && (next === X.COMMA || (next | BRACKET_BIT) === X.CLOSE_BRACE)) {
    return isNegative ? -value : value
  }
  return Number(text.toString('latin1', at, skipScalar(text, at)))
}

/** Whether the number at `at` is written without point and exponent. */
export function isIntegerAt(text: Buffer, at: number): boolean {
  if (!isNumberAt(text, at)) return false
  for (let end = at + 1; end < text.length; end++) {
    const byte = text[end]!
    if (byte < X.ZERO || byte > X.NINE) return byte === X.COMMA || (byte | BRACKET_BIT) === X.CLOSE_BRACE
  }
  return true
}

/** Of a number that is an integer. */
export function bigIntegerAt(text: Buffer, at: number): bigint {
  return BigInt(text.toString('latin1', at, skipScalar(text, at)))
}

/** Whether two stretches have the same bytes. */
export function isSameText(
  a: Buffer,
  aStart: number,
  aEnd: number,
  b: Buffer,
  bStart: number,
  bEnd: number,
): boolean {
  const length = aEnd - aStart
  if (bEnd - bStart !== length) return false
  if (length > 64) return a.compare(b, bStart, bEnd, aStart, aEnd) === 0
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}

/** Positions of the elements of an array. */
export function elementsOf(text: Buffer, array: number): number[] {
  const elements: number[] = []
  for (let at = enter(text, array); at >= 0; at = advance(text, skipValue(text, at))) elements.push(at)
  return elements
}

/** Names and positions of an object's members, in their order. */
export function membersOf(text: Buffer, object: number): [name: string, value: number][] {
  const members: [string, number][] = []
  for (let name = enter(text, object); name >= 0; ) {
    const nameEnd = skipString(text, name)
    members.push([stringBetween(text, name, nameEnd), nameEnd + 1])
    name = advance(text, skipValue(text, nameEnd + 1))
  }
  return members
}
