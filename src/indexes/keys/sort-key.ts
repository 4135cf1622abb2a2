/** From the JSON text of a key to its sort key, as tokens.ts describes it, in one pass and without recursion. */
import { createHash } from 'node:crypto'
import { copyBytes } from '../../base/copy-bytes.ts'
import * as X from '../../json/characters.ts'
import { inOrderOfText } from '../../json/collation.ts'
import { asciiWeights, IGNORED, UNDECIDED } from './ascii-weights.ts'
import * as T from './tokens.ts'

/** Of both orders: what a tag stands for, and how a string is written. */
interface Tags {
  readonly null: number
  readonly false: number
  readonly true: number
  readonly number: number
  readonly array: number
  readonly object: number
  readonly isRaw: boolean
}

const COLLATED: Tags = {
  null: T.NULL,
  false: T.FALSE,
  true: T.TRUE,
  number: T.NUMBER,
  array: T.ARRAY,
  object: T.OBJECT,
  isRaw: false,
}

const RAW: Tags = {
  null: T.RAW_NULL,
  false: T.RAW_FALSE,
  true: T.RAW_TRUE,
  number: T.RAW_NUMBER,
  array: T.RAW_ARRAY,
  object: T.RAW_OBJECT,
  isRaw: true,
}

const { places, isUpper } = asciiWeights
/** Units of case that share a byte behind a string's places; its top bit stays 0. */
const CASES_A_BYTE = 7
/** Digits of an integer that is taken without being parsed: it fits a double, and sums of its digits do. */
const PLAIN_DIGITS = 15
const FIRST_CAPACITY = 4096
/** A longer buffer than this is not kept for the next key. */
const KEPT_CAPACITY = 1024 * 1024

let out = Buffer.allocUnsafeSlow(FIRST_CAPACITY)
let at = 0
let hasText = false

/**
 * The sort key of a JSON text, which must be well-formed, in the root collation. `partition`: the name of the
 * partition that the key is in.
 */
export function collatedKey(json: Uint8Array, partition?: Uint8Array): Buffer {
  return keyOf(json, COLLATED, partition, false)
}

/** The same in the raw order. */
export function rawKey(json: Uint8Array, partition?: Uint8Array): Buffer {
  return keyOf(json, RAW, partition, false)
}

/** Writes what `collatedKey` gives for the JSON between two places of `json`, at `to` of `target`. Returns where it ends. */
export function writeCollatedKey(
  json: Uint8Array,
  start: number,
  end: number,
  partition: Uint8Array | undefined,
  target: Uint8Array,
  to: number,
): number {
  begin(partition)
  writeTokens(json, COLLATED, start, end)
  return finishedIn(target, to)
}

/** The same in the raw order. */
export function writeRawKey(
  json: Uint8Array,
  start: number,
  end: number,
  partition: Uint8Array | undefined,
  target: Uint8Array,
  to: number,
): number {
  begin(partition)
  writeTokens(json, RAW, start, end)
  return finishedIn(target, to)
}

/**
 * What the sort keys of all arrays begin with that begin with the elements of the array `json`: the place before them;
 * with AFTER_ALL behind it, the place after them.
 */
export function collatedArrayStart(json: Uint8Array, partition?: Uint8Array): Buffer {
  return keyOf(json, COLLATED, partition, true)
}

/** The same in the raw order. */
export function rawArrayStart(json: Uint8Array, partition?: Uint8Array): Buffer {
  return keyOf(json, RAW, partition, true)
}

/** What all sort keys within a partition begin with, but for BY_TEXT. */
export function partitionStart(partition: Uint8Array): Buffer {
  const name = partition.length <= T.PARTITION_BYTES ? partition : cutPartition(partition)
  return Buffer.concat([Uint8Array.of(T.PARTITION), name, Uint8Array.of(X.COLON)])
}

function cutPartition(partition: Uint8Array): Buffer {
  const hash = createHash('sha256').update(partition).digest('hex')
  return Buffer.concat([partition.subarray(0, T.PARTITION_BYTES), Uint8Array.of(T.CUT), Buffer.from(hash)])
}

function keyOf(json: Uint8Array, tags: Tags, partition: Uint8Array | undefined, isOpen: boolean): Buffer {
  begin(partition)
  writeTokens(json, tags, 0, json.length)
  return finished(isOpen)
}

/** A value within a JSON text. */
export interface KeyPart {
  readonly text: Uint8Array
  readonly at: number
  readonly end: number
}

/** As `collatedKey`, of the array of these values; with `isOpen` as `collatedArrayStart`. */
export function collatedArray(
  values: readonly KeyPart[],
  partition: Uint8Array | undefined,
  isOpen: boolean,
): Buffer {
  begin(partition)
  take(1)
  out[at++] = COLLATED.array
  for (let i = 0; i < values.length; i++) {
    const part = values[i]!
    writeTokens(part.text, COLLATED, part.at, part.end)
  }
  take(1)
  out[at++] = T.END
  return finished(isOpen)
}

function begin(partition: Uint8Array | undefined): void {
  at = 0
  hasText = false
  if (partition === undefined) return
  const start = partitionStart(partition)
  take(start.length)
  out.set(start, 0)
  at = start.length
}

/** The key that was written. */
function finished(isOpen: boolean): Buffer {
  if (hasText) out[0] = out[0]! | T.BY_TEXT
  // Without the END of the array. What is cut leaves the place before, and that after, all that agree so far.
  if (isOpen) at = Math.min(at - 1, T.SORT_KEY_BYTES)
  const key = at <= T.SORT_KEY_BYTES ? copyOf(at) : cutKey()
  if (out.length > KEPT_CAPACITY) out = Buffer.allocUnsafeSlow(FIRST_CAPACITY)
  return key
}

function finishedIn(target: Uint8Array, to: number): number {
  if (at > T.SORT_KEY_BYTES) {
    const key = finished(false)
    target.set(key, to)
    return to + key.length
  }
  if (hasText) out[0] = out[0]! | T.BY_TEXT
  copyBytes(out, 0, target, to, at)
  return to + at
}

function copyOf(length: number): Buffer {
  const copy = Buffer.allocUnsafe(length)
  out.copy(copy, 0, 0, length)
  return copy
}

function cutKey(): Buffer {
  const hash = createHash('sha256').update(out.subarray(0, at)).digest()
  return Buffer.concat([out.subarray(0, T.SORT_KEY_BYTES), Uint8Array.of(T.CUT), hash])
}

/** Makes room for so many bytes. */
function take(bytes: number): void {
  if (at + bytes <= out.length) return
  const longer = Buffer.allocUnsafeSlow(Math.max(out.length * 2, at + bytes))
  out.copy(longer, 0, 0, at)
  out = longer
}

/** Of bytes `start` to `end` of the text. */
function writeTokens(json: Uint8Array, tags: Tags, start: number, end: number): void {
  for (let from = start; from < end; ) {
    const byte = json[from]!
    if (byte === X.QUOTE) {
      from = tags.isRaw ? writeRawString(json, from + 1) : writeString(json, from + 1)
      continue
    }
    if (byte === X.MINUS || (byte >= X.ZERO && byte <= X.NINE)) {
      from = writeNumber(json, from, tags.number)
      continue
    }
    from += writeMark(byte, tags)
  }
}

/** Writes what begins with `byte`, and is a word, a bracket, or nothing to the order. Returns its length. */
function writeMark(byte: number, tags: Tags): number {
  take(1)
  switch (byte) {
    case X.OPEN_BRACKET:
      out[at++] = tags.array
      return 1
    case X.OPEN_BRACE:
      out[at++] = tags.object
      return 1
    case X.CLOSE_BRACKET:
    case X.CLOSE_BRACE:
      out[at++] = T.END
      return 1
    case X.LOWER_N:
      out[at++] = tags.null
      return 4
    case X.LOWER_T:
      out[at++] = tags.true
      return 4
    case X.LOWER_F:
      out[at++] = tags.false
      return 5
    default:
      return 1
  }
}

/** Returns where the number's text ends. */
function writeNumber(json: Uint8Array, from: number, tag: number): number {
  const isNegative = json[from] === X.MINUS
  const first = isNegative ? from + 1 : from
  let value = 0
  let end = first
  for (; end < json.length; end++) {
    const digit = json[end]! - X.ZERO
    if (!(digit >= 0 && digit <= 9)) break
    value = value * 10 + digit
  }
  if (isNegative) value = -value
  const next = json[end]
  if (end - first > PLAIN_DIGITS || next === X.POINT || next === X.LOWER_E || next === X.UPPER_E) {
    while (end < json.length && isOfNumber(json[end]!)) end += 1
    const text = decoded(json, 'latin1', from, end)
    value = Number(text)
    writeDouble(value, tag)
    if (T.hasRest(out[at - 8]!, out[at - 7]!)) writeRest(value, text)
  } else {
    writeDouble(value, tag)
  }
  return end
}

/** What the integer in `text` is more than its double; nothing for other numbers. */
function writeRest(double: number, text: string): void {
  const rest = /^-?\d+$/.test(text) ? BigInt(text) - BigInt(double) : 0n
  const magnitude = rest < 0n ? -rest : rest
  const hex = magnitude === 0n ? '' : magnitude.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  take(1 + bytes.length)
  out[at++] = T.REST_ZERO + (rest < 0n ? -bytes.length : bytes.length)
  for (const byte of bytes) out[at++] = rest < 0n ? byte ^ 0xff : byte
}

function isOfNumber(byte: number): boolean {
  return (
    (byte >= X.ZERO && byte <= X.NINE) ||
    byte === X.POINT ||
    byte === X.LOWER_E ||
    byte === X.UPPER_E ||
    byte === X.PLUS ||
    byte === X.MINUS
  )
}

function writeDouble(value: number, tag: number): void {
  take(9)
  out[at] = tag
  // Adding zero makes the negative zero positive: the two are equal.
  out.writeDoubleBE(value + 0, at + 1)
  if (value < 0) for (let i = at + 1; i < at + 9; i++) out[i] = ~out[i]!
  else out[at + 1] = out[at + 1]! ^ 0x80
  at += 9
}

/** Writes the string whose text begins at `from`, behind its quote. Returns where it ends, behind the other quote. */
function writeString(json: Uint8Array, from: number): number {
  let end = from
  let isPlain = true
  for (; json[end] !== X.QUOTE; end++) {
    const byte = json[end]!
    if (byte < 128 && byte !== X.BACKSLASH) continue
    isPlain = false
    if (byte === X.BACKSLASH) end += 1
  }
  if (isPlain && writeWeights(json, from, end)) return end + 1
  const text = textOf(json, from, end)
  const ascii = isAscii(text) ? Buffer.from(text, 'latin1') : undefined
  if (ascii === undefined || !writeWeights(ascii, 0, ascii.length)) writeText(inOrderOfText(text))
  return end + 1
}

/** Writes the string that the ASCII in `text` makes. False, and nothing is written: not all of it is decided. */
function writeWeights(text: Uint8Array, from: number, end: number): boolean {
  const start = at
  take(3 + (end - from) + (end - from) / CASES_A_BYTE)
  let hasUpper = 0
  out[at++] = T.STRING
  for (let i = from; i < end; i++) {
    const place = places[text[i]!]!
    if (place > UNDECIDED) {
      out[at++] = place
      hasUpper |= isUpper[text[i]!]!
    } else if (place === UNDECIDED) {
      at = start
      return false
    }
  }
  out[at++] = hasUpper
  if (hasUpper === 1) writeCases(text, from, end)
  return true
}

/** Behind the places of a string that has upper case: which of its characters are, the first in the highest bit. */
function writeCases(text: Uint8Array, from: number, end: number): void {
  let count = 0
  let bits = 0
  for (let i = from; i < end; i++) {
    if (places[text[i]!] === IGNORED) continue
    bits = bits * 2 + isUpper[text[i]!]!
    count += 1
    if (count < CASES_A_BYTE) continue
    out[at++] = bits
    count = 0
    bits = 0
  }
  if (count > 0) out[at++] = bits << (CASES_A_BYTE - count)
}

function writeText(text: string): void {
  const isWide = hasWideUnits(text)
  take(8 + text.length * 2)
  hasText = true
  out[at++] = T.TEXT
  let head = text.length * 2 + (isWide ? 1 : 0)
  for (; head >= 128; head = Math.floor(head / 128)) out[at++] = (head & 127) | 128
  out[at++] = head
  at += out.write(text, at, isWide ? 'utf16le' : 'latin1')
}

function writeRawString(json: Uint8Array, from: number): number {
  let end = from
  let isPlain = true
  for (; json[end] !== X.QUOTE; end++) {
    if (json[end] !== X.BACKSLASH) continue
    isPlain = false
    end += 1
  }
  if (isPlain) writeBytes(json, from, end)
  else {
    const bytes = Buffer.from(textOf(json, from, end))
    writeBytes(bytes, 0, bytes.length)
  }
  return end + 1
}

function writeBytes(bytes: Uint8Array, from: number, end: number): void {
  take(2 + 2 * (end - from))
  out[at++] = T.RAW_STRING
  at = writeEscaped(out, at, bytes, from, end)
  out[at++] = 0
}

/** Bytes such that a zero behind them ends them, in their order. Returns where they end. */
export function writeEscaped(
  to: Uint8Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  end: number,
): number {
  for (let i = from; i < end; i++) {
    const byte = bytes[i]!
    if (byte > 1) to[at++] = byte
    else {
      to[at++] = 1
      to[at++] = byte + 1
    }
  }
  return at
}

/** The string between two quotes. */
function textOf(json: Uint8Array, from: number, end: number): string {
  return JSON.parse(decoded(json, 'utf8', from - 1, end + 1)) as string
}

export function decoded(bytes: Uint8Array, encoding: BufferEncoding, from: number, end: number): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString(encoding, from, end)
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 128) return false
  return true
}

function hasWideUnits(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 256) return true
  return false
}
