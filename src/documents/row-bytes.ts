/**
 * Parts of rows, written to bytes straight from where they are stored. Each writer takes where it is to begin and returns where it
 * ended; there must be room, which `MOST_...` and lengths bound.
 */
import { writeDigits } from '../base/digits.ts'
import type { StoredRow } from '../database/api/database.ts'
import { REVISION_ID_SIZE } from '../database/revisions/revision-id.ts'
import type { Chunk } from './gathered.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const TILDE = 0x7e
const DASH = 0x2d
/** By byte: its two hexadecimal digits, as they lie in memory when they are written with the lower half first. */
const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => {
  const digits = Buffer.from([byte]).toString('hex')
  return digits.charCodeAt(0) | (digits.charCodeAt(1) << 8)
})
/** Longer pieces are copied by the runtime, shorter ones a byte at a time: about where both cost the same. */
const LONG_PIECE = 96

/** Whether the row's id and revision are written as `writeId` and `writeRevision` do; others need to be looked into. */
export function isPlainRow(row: StoredRow): boolean {
  return isUsualRevision(row) && isPlain(row.idBytes, row.idStart, row.idEnd)
}

/** The same of the revision alone. */
export function isUsualRevision(row: StoredRow): boolean {
  return row.revisionEnd - row.revisionStart === REVISION_ID_SIZE && row.generation >= 0
}

/** Whether bytes `start` to `end` are printable ASCII of which JSON escapes nothing. */
export function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte < SPACE || byte > TILDE || byte === QUOTE || byte === BACKSLASH) return false
  }
  return true
}

/** The same, written to `target`; -1 where they are not such, whatever was written. */
export function writePlain(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): number {
  let to = at
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte < SPACE || byte > TILDE || byte === QUOTE || byte === BACKSLASH) return -1
    target[to++] = byte
  }
  return to
}

/** The id without quotes, of printable ASCII: its JSON is itself. */
export function writeId(row: StoredRow, target: Uint8Array, at: number): number {
  return put(row.idBytes, row.idStart, row.idEnd, target, at)
}

/** `N-hex`. */
export function writeRevision(row: StoredRow, { bytes, view }: Chunk, at: number): number {
  const { revisionBytes, revisionStart } = row
  let to = writeDigits(row.generation, bytes, at)
  bytes[to++] = DASH
  for (let i = revisionStart; i < revisionStart + REVISION_ID_SIZE; i += 2) {
    const four = HEX_PAIRS[revisionBytes[i]!]! | (HEX_PAIRS[revisionBytes[i + 1]!]! << 16)
    view.setUint32(to, four, true)
    to += 4
  }
  return to
}

/** Bytes `start` to `end` of `source`, which may be the target itself where they lie before `at`. */
export function put(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  const length = end - start
  if (length > LONG_PIECE) target.set(source.subarray(start, end), at)
  else for (let i = 0; i < length; i++) target[at + i] = source[start + i]!
  return at + length
}

/** Writes bytes `start` to `end` of the same memory once more from `at` on, which lies behind them: up to three bytes behind are overwritten, too. */
export function repeat({ bytes, view }: Chunk, start: number, end: number, at: number): number {
  const length = end - start
  if (length > LONG_PIECE) bytes.copyWithin(at, start, end)
  else for (let i = 0; i < length; i += 4) view.setUint32(at + i, view.getUint32(start + i, true), true)
  return at + length
}

/** Bytes that are written over behind a fixed text. */
export const SPARE_BYTES = 7

/** A text of ASCII that is written very often, eight bytes at once: up to `SPARE_BYTES` bytes behind it are overwritten, too. */
export class FixedText {
  readonly text: string
  /** As numbers. None is NaN, whose bits may change: its seventh byte is no ASCII. */
  readonly #words: Float64Array
  readonly #length: number

  constructor(text: string) {
    this.text = text
    this.#length = text.length
    this.#words = Float64Array.from({ length: Math.ceil(text.length / 8) }, (_, word) => {
      const eight = Buffer.alloc(8)
      eight.write(text.slice(8 * word, 8 * word + 8), 'latin1')
      return eight.readDoubleLE()
    })
  }

  /** Beyond what the text needs there must be room for `SPARE_BYTES` more. */
  write(view: DataView, at: number): number {
    const words = this.#words
    for (let i = 0; i < words.length; i++) view.setFloat64(at + 8 * i, words[i]!, true)
    return at + this.#length
  }
}
