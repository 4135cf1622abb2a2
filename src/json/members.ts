/**
 * The members of an object's canonical text, one by one and in their order, values unparsed. `JSON.parse`
 * would put names that are numbers first and make a string of every value, however long.
 */
import { copyBytes } from '../base/copy-bytes.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
/** Up to here a string's end is looked for byte by byte: a call of `indexOf` costs as much. */
const NEAR_BYTES = 40
/** Of brackets and braces alike, which differ in one bit. */
const BRACKET_BIT = 0x20
const OPENING = 0x7b
const CLOSING = 0x7d

/** Position behind the string that begins at `at`. */
function endOfString(text: Uint8Array, at: number): number {
  const near = Math.min(at + NEAR_BYTES, text.length)
  let quote = at + 1
  for (; quote < near; quote++) {
    const byte = text[quote]!
    if (byte === QUOTE) return quote + 1
    if (byte === BACKSLASH) quote += 1
  }
  // Not the byte behind a backslash.
  quote -= 1
  for (;;) {
    quote = text.indexOf(QUOTE, quote + 1)
    let slashes = 0
    while (text[quote - 1 - slashes] === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return quote + 1
  }
}

function endOfValue(text: Uint8Array, start: number): number {
  let depth = 0
  let at = start
  for (;;) {
    const byte = text[at]!
    if (byte === QUOTE) {
      at = endOfString(text, at)
      continue
    }
    const bracket = byte | BRACKET_BIT
    if (bracket === OPENING) depth += 1
    else if (depth === 0 && (byte === COMMA || bracket === CLOSING)) return at
    else if (bracket === CLOSING) depth -= 1
    at += 1
  }
}

/**
 * Calls `visit` with the positions of each member of the canonical object that begins at `start`, without making
 * anything of them: `name` to `nameEnd` is the name's text, quotes included, `value` to `valueEnd` the value's.
 */
export function walkMembers(
  text: Buffer,
  start: number,
  visit: (name: number, nameEnd: number, value: number, valueEnd: number) => void,
): void {
  let at = start + 1
  while (text[at] !== CLOSING) {
    const nameEnd = endOfString(text, at)
    const valueEnd = endOfValue(text, nameEnd + 1)
    visit(at, nameEnd, nameEnd + 1, valueEnd)
    at = text[valueEnd] === COMMA ? valueEnd + 1 : valueEnd
  }
}

/**
 * Copies those members of the canonical object from `start` to `end` of `text` whose names, texts with their quotes, are among
 * `names`, each with a comma before it, to `to` of `target`, which must have room for all of the object. Returns where they end.
 */
export function pickMembers(
  text: Uint8Array,
  start: number,
  end: number,
  names: readonly Buffer[],
  target: Uint8Array,
  to: number,
): number {
  let pickedEnd = to
  let left = names.length
  for (let at = start + 1; left > 0 && at < end - 1; ) {
    const nameEnd = endOfString(text, at)
    const valueEnd = endOfValue(text, nameEnd + 1)
    if (isOneOf(names, text, at, nameEnd)) {
      target[pickedEnd++] = COMMA
      copyBytes(text, at, target, pickedEnd, valueEnd - at)
      pickedEnd += valueEnd - at
      left -= 1
    }
    at = valueEnd + 1
  }
  return pickedEnd
}

function isOneOf(names: readonly Buffer[], text: Uint8Array, start: number, end: number): boolean {
  for (const name of names) {
    if (name.length !== end - start) continue
    let i = 0
    while (i < name.length && name[i] === text[start + i]) i += 1
    if (i === name.length) return true
  }
  return false
}

/** `text` must be a canonical object. Values are views of it. */
export function* objectMembers(text: Buffer): Generator<[name: string, value: Buffer]> {
  let at = 1
  while (at < text.length - 1) {
    const nameEnd = endOfString(text, at)
    const valueEnd = endOfValue(text, nameEnd + 1)
    yield [JSON.parse(text.toString('utf8', at, nameEnd)) as string, text.subarray(nameEnd + 1, valueEnd)]
    at = valueEnd + 1
  }
}

/** The canonical text of the array's first elements, as an array; the text itself where it is no longer one, or none. */
export function firstElements(text: Buffer, elements: number): Buffer {
  if (text[0] !== OPEN_BRACKET || text[1] === CLOSE_BRACKET) return text
  let end = 1
  for (let count = 0; count < elements; count++) {
    if (count > 0) end += 1
    end = endOfValue(text, end)
    if (text[end] !== COMMA) return text
  }
  const cut = Buffer.allocUnsafe(end + 1)
  text.copy(cut, 0, 0, end)
  cut[end] = CLOSE_BRACKET
  return cut
}
