/**
 * A look at the top level of a body without parsing it. The input is canonical JSON, as it is stored: an
 * object without white space, strings escaped in one way only, so a member's name has one spelling.
 */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPENING = new Set([0x7b, 0x5b])
const CLOSING = new Set([0x7d, 0x5d])

/** Position after the string that begins at `at`. */
function endOfString(body: Uint8Array, at: number): number {
  let position = at + 1
  while (body[position] !== QUOTE) position += body[position] === BACKSLASH ? 2 : 1
  return position + 1
}

/** True when the object has the member `name` (which needs no escape) at its top level. */
export function hasMember(body: Uint8Array, name: string): boolean {
  const wanted = Buffer.from(`"${name}"`)
  let depth = 0
  let nameFollows = true
  let position = 0
  while (position < body.length) {
    const byte = body[position]!
    if (byte === QUOTE) {
      const end = endOfString(body, position)
      if (depth === 1 && nameFollows && wanted.equals(body.subarray(position, end))) return true
      nameFollows = false
      position = end
      continue
    }
    if (OPENING.has(byte)) depth += 1
    else if (CLOSING.has(byte)) depth -= 1
    else if (byte === COMMA && depth === 1) nameFollows = true
    position += 1
  }
  return false
}
