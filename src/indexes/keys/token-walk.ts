/** Sort keys taken apart again: where they end, and what the first elements of an array are. */
import * as X from '../../json/characters.ts'
import * as T from './tokens.ts'

/** A position at which a key has been cut, or is at its end. */
export function isCutAt(key: Uint8Array, at: number): boolean {
  return at >= T.SORT_KEY_BYTES || at >= key.length
}

/** Where the value begins: behind the partition, if there is one. */
export function valueStart(key: Uint8Array): number {
  if ((key[0]! & ~T.BY_TEXT) !== T.PARTITION) return 0
  return key.indexOf(X.COLON, 1) + 1
}

/** A string's end in weights: behind its places, and behind its cases. */
export function placesEnd(key: Uint8Array, from: number): number {
  let at = from
  while (!isCutAt(key, at) && key[at]! > 1) at += 1
  return at
}

/** The end of a string in weights whose places begin at `from` and end at `end`. */
export function casesEnd(key: Uint8Array, from: number, end: number): number {
  return key[end] === 1 ? end + 1 + Math.ceil((end - from) / 7) : end + 1
}

/** The head of a text, read. */
export class TextHead {
  units = 0
  unitBytes = 1
  start = 0

  /** Reads the head that begins at `from`; one that has been cut names no units. */
  read(key: Uint8Array, from: number): this {
    let at = from
    let head = 0
    for (let scale = 1; ; scale *= 128) {
      if (isCutAt(key, at)) {
        head = 0
        break
      }
      const byte = key[at++]!
      head += (byte & 127) * scale
      if (byte < 128) break
    }
    this.units = Math.floor(head / 2)
    this.unitBytes = 1 + (head % 2)
    this.start = at
    return this
  }

  get end(): number {
    return this.start + this.units * this.unitBytes
  }
}

const head = new TextHead()

function numberEnd(key: Uint8Array, at: number): number {
  const end = at + 9
  if (isCutAt(key, at + 2) || !T.hasRest(key[at + 1]!, key[at + 2]!)) return end
  return isCutAt(key, end) ? end + 1 : end + 1 + Math.abs(key[end]! - T.REST_ZERO)
}

/** The end of the token at `at`; beyond the cut when it lies there. */
export function tokenEnd(key: Uint8Array, at: number): number {
  switch (key[at]) {
    case T.NUMBER:
    case T.RAW_NUMBER:
      return numberEnd(key, at)
    case T.STRING: {
      const end = placesEnd(key, at + 1)
      return isCutAt(key, end) ? end : casesEnd(key, at + 1, end)
    }
    case T.TEXT:
      return head.read(key, at + 1).end
    case T.RAW_STRING:
      return key.indexOf(0, at + 1) + 1 || key.length
    default:
      return at + 1
  }
}

/** How many containers the token at `at`, the first with its bit or not, opens, or -1 where it closes one. */
export function depthChange(tag: number): number {
  switch (tag) {
    case T.ARRAY:
    case T.OBJECT:
    case T.ARRAY | T.BY_TEXT:
    case T.OBJECT | T.BY_TEXT:
    case T.RAW_ARRAY:
    case T.RAW_OBJECT:
      return 1
    case T.END:
      return -1
    default:
      return 0
  }
}

/** The end of the sort key that `key` begins with, behind the hash where it was cut. */
export function sortKeyEnd(key: Uint8Array): number {
  const end = valueEnd(key, valueStart(key))
  return end < 0 ? T.SORT_KEY_BYTES + 1 + T.HASH_BYTES : end
}

/** The end of the value whose first token is at `from`; -1 where the key is cut before. */
function valueEnd(key: Uint8Array, from: number): number {
  let at = from
  for (let depth = 0; ; ) {
    if (isCutAt(key, at)) return -1
    const tag = key[at]!
    depth += depthChange(tag)
    at = tokenEnd(key, at)
    if (at > T.SORT_KEY_BYTES) return -1
    if (depth <= 0) return at
  }
}

/**
 * Where the first `count` elements of the array end that `key` begins with. Undefined: it is none, has less of them, or
 * was cut before they end.
 */
export function elementsEnd(key: Uint8Array, count: number): number | undefined {
  let at = valueStart(key)
  const tag = key[at]! & ~T.BY_TEXT
  if (tag !== T.ARRAY && tag !== T.RAW_ARRAY) return undefined
  at += 1
  for (let i = 0; i < count; i++) {
    if (isCutAt(key, at) || key[at] === T.END) return undefined
    at = valueEnd(key, at)
    if (at < 0) return undefined
  }
  return at
}

/** Whether there is a text among the tokens from the value's start to `end`. */
export function hasTextBefore(key: Uint8Array, end: number): boolean {
  if ((key[0]! & T.BY_TEXT) === 0) return false
  const start = valueStart(key)
  // The first byte has the bit for the key's sake: a value that is one text and nothing else shows it all the same.
  if (start === 0 && key[0] === T.TEXT) return true
  for (let at = Math.max(start, 1); at < end; at = tokenEnd(key, at)) if (key[at] === T.TEXT) return true
  return false
}
