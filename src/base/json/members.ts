/**
 * The members of an object's canonical text, one by one and in their order, values unparsed. `JSON.parse`
 * would put names that are numbers first and make a string of every value, however long.
 */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPENING = new Set([0x7b, 0x5b])
const CLOSING = new Set([0x7d, 0x5d])

/** Position behind the string that begins at `at`. */
function endOfString(text: Buffer, at: number): number {
  let quote = at
  for (;;) {
    quote = text.indexOf(QUOTE, quote + 1)
    let slashes = 0
    while (text[quote - 1 - slashes] === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return quote + 1
  }
}

function endOfValue(text: Buffer, start: number): number {
  let depth = 0
  let at = start
  for (;;) {
    const byte = text[at]!
    if (byte === QUOTE) {
      at = endOfString(text, at)
      continue
    }
    if (OPENING.has(byte)) depth += 1
    else if (depth === 0 && (byte === COMMA || CLOSING.has(byte))) return at
    else if (CLOSING.has(byte)) depth -= 1
    at += 1
  }
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
