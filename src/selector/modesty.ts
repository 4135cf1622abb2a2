/** How much of a selector is taken in: what bounds the recursion over it, and the time that it takes to read one. */
import * as X from '../json/characters.ts'
import { skipString } from '../json/walk.ts'
import { SelectorError } from './errors.ts'

/** Nesting of a selector: it bounds the recursion of whatever reads it, and of comparisons. */
const MAX_DEPTH = 500
const MAX_VALUES = 100_000
const MAX_OBJECTS = 10_000
const MAX_BYTES = 4_000_000
const BRACKET_BIT = 0x20

/** `text` is canonical. Throws SelectorError. */
export function requireModest(text: Buffer): void {
  if (text.length > MAX_BYTES) throw tooLong()
  let depth = 0
  let values = 0
  let objects = 0
  for (let at = 0; at < text.length; ) {
    const byte = text[at]!
    if (byte === X.QUOTE) {
      at = skipString(text, at)
      continue
    }
    at += 1
    const bracket = byte | BRACKET_BIT
    if (byte === X.COMMA) values += 1
    else if (bracket === X.CLOSE_BRACE) depth -= 1
    else if (bracket === X.OPEN_BRACE) {
      depth += 1
      values += 1
      if (byte === X.OPEN_BRACE) objects += 1
      if (depth > MAX_DEPTH) {
        throw new SelectorError('invalid_selector', 'The selector is nested too deeply.')
      }
    }
    if (values > MAX_VALUES || objects > MAX_OBJECTS) throw tooLong()
  }
}

export function tooLong(): SelectorError {
  return new SelectorError('invalid_selector', 'The selector is too long.')
}
