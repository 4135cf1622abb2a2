/**
 * The order of row keys of which one has a text: token by token, texts and strings by the collator. A key that has been
 * cut stands for the tokens that are left of it, what is left of a string or a number included; the cut comes after every
 * other token. So there is one order of all keys, and among those without a text it is that of their bytes.
 */
import { collator } from '../../json/collation.ts'
import { asciiWeights } from './ascii-weights.ts'
import { decoded } from './sort-key.ts'
import { casesEnd, depthChange, isCutAt, placesEnd, TextHead, tokenEnd, valueStart } from './token-walk.ts'
import * as T from './tokens.ts'

const { characters } = asciiWeights
const EMPTY = Buffer.alloc(0)

/** Of keys in the root collation, complete ones and bounds. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  if (isByBytes(a) && isByBytes(b)) return Buffer.compare(a, b)
  left.begin(a)
  right.begin(b)
  return compareBytes(a, 1, left.at, b, 1, right.at) || compareTokens(left, right)
}

function isByBytes(key: Uint8Array): boolean {
  return key.length === 0 || key[0]! < T.BY_TEXT || key[0]! >= T.CUT
}

class Side {
  key: Uint8Array = EMPTY
  at = 0
  readonly #head = new TextHead()

  begin(key: Uint8Array): void {
    this.key = key
    this.at = key.length === 0 ? 0 : valueStart(key)
  }

  /** The tag of the next token, CUT, AFTER_ALL, or -1 at the end of a bound. */
  tag(): number {
    const tag = this.key[this.at]
    if (tag === undefined) return -1
    return tag >= T.CUT ? tag : tag & ~T.BY_TEXT
  }

  isText(): boolean {
    return this.key[this.at] === T.TEXT
  }

  /** The string at hand, or what is left of it; goes on behind it. */
  string(): string {
    return this.isText() ? this.#text() : this.#weighed()
  }

  #text(): string {
    const { units, unitBytes, start, end } = this.#head.read(this.key, this.at + 1)
    const limit = Math.min(end, T.SORT_KEY_BYTES, this.key.length)
    this.at = end > limit ? T.SORT_KEY_BYTES : end
    const left = end > limit ? Math.max(0, Math.floor((limit - start) / unitBytes)) : units
    const encoding = unitBytes === 2 ? 'utf16le' : 'latin1'
    return decoded(this.key, encoding, start, start + left * unitBytes)
  }

  #weighed(): string {
    const { key } = this
    const from = this.at + 1
    const end = placesEnd(key, from)
    const last = isCutAt(key, end) ? end : casesEnd(key, from, end)
    const hasCases = !isCutAt(key, end) && key[end] === 1
    const text = Buffer.allocUnsafe(end - from)
    for (let i = from; i < end; i++) {
      const index = i - from
      const cases = end + 1 + Math.floor(index / 7)
      const isUpper = hasCases && !isCutAt(key, cases) && ((key[cases]! >> (6 - (index % 7))) & 1) === 1
      text[index] = characters[key[i]! + (isUpper ? 128 : 0)]!
    }
    this.at = last > T.SORT_KEY_BYTES || isCutAt(key, end) ? T.SORT_KEY_BYTES : last
    return text.toString('latin1')
  }
}

const left = new Side()
const right = new Side()

function compareTokens(a: Side, b: Side): number {
  for (let depth = 0; ; ) {
    const tag = a.tag()
    const difference = tag - b.tag()
    if (difference !== 0) return difference
    if (tag < 0) return 0
    if (tag >= T.CUT) break
    const order = tag === T.STRING ? compareStrings(a, b) : compareOthers(a, b)
    if (order !== 0) return order
    depth += depthChange(tag)
    if (depth <= 0) break
  }
  return compareBytes(a.key, a.at, a.key.length, b.key, b.at, b.key.length)
}

function compareStrings(a: Side, b: Side): number {
  if (!a.isText() && !b.isText()) {
    const endOfA = tokenEnd(a.key, a.at)
    const endOfB = tokenEnd(b.key, b.at)
    if (endOfA <= T.SORT_KEY_BYTES && endOfB <= T.SORT_KEY_BYTES) return compareOthers(a, b)
  }
  return collator.compare(a.string(), b.string())
}

/** Tokens whose bytes are in their order. What has been cut off counts as zeros. */
function compareOthers(a: Side, b: Side): number {
  const endOfA = tokenEnd(a.key, a.at)
  const endOfB = tokenEnd(b.key, b.at)
  // The first byte of a key may have BY_TEXT; the tags are known to be equal.
  const from = a.at + 1
  const shift = b.at - a.at
  for (let at = from; at < endOfA; at++) {
    const difference =
      (isCutAt(a.key, at) ? 0 : a.key[at]!) - (isCutAt(b.key, at + shift) ? 0 : b.key[at + shift]!)
    if (difference !== 0) return difference
  }
  a.at = Math.min(endOfA, T.SORT_KEY_BYTES)
  b.at = Math.min(endOfB, T.SORT_KEY_BYTES)
  return 0
}

function compareBytes(
  a: Uint8Array,
  startOfA: number,
  endOfA: number,
  b: Uint8Array,
  startOfB: number,
  endOfB: number,
): number {
  const length = Math.min(endOfA - startOfA, endOfB - startOfB)
  for (let i = 0; i < length; i++) {
    const difference = a[startOfA + i]! - b[startOfB + i]!
    if (difference !== 0) return difference
  }
  return endOfA - startOfA - (endOfB - startOfB)
}
