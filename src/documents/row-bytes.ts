/**
 * Parts of rows, written to bytes straight from where they are stored. Each writer takes where it is to begin and returns where it
 * ended; there must be room, which `MOST_...` and lengths bound.
 */
import { writeDigits } from '../base/digits.ts'
import type { StoredRow } from '../database/api/database.ts'
import { REVISION_ID_SIZE } from '../database/revisions/revision-id.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SPACE = 0x20
const TILDE = 0x7e
const DASH = 0x2d
const HEX = Buffer.from('0123456789abcdef')
/** Longer pieces are copied by the runtime, shorter ones a byte at a time: about where both cost the same. */
const LONG_PIECE = 96

/** Of a revision as text that `writeRevision` writes: 16 digits, a dash and 32 hexadecimal digits. */
export const MOST_REVISION_BYTES = 16 + 1 + 2 * REVISION_ID_SIZE

/** Whether the row's id and revision are written as `writeId` and `writeRevision` do; others need to be looked into. */
export function isPlainRow(row: StoredRow): boolean {
  if (row.revisionEnd - row.revisionStart !== REVISION_ID_SIZE || row.generation < 0) return false
  const { idBytes, idEnd } = row
  for (let i = row.idStart; i < idEnd; i++) {
    const byte = idBytes[i]!
    if (byte < SPACE || byte > TILDE || byte === QUOTE || byte === BACKSLASH) return false
  }
  return true
}

/** The id without quotes, of printable ASCII: its JSON is itself. */
export function writeId(row: StoredRow, target: Uint8Array, at: number): number {
  return put(row.idBytes, row.idStart, row.idEnd, target, at)
}

/** `N-hex`. */
export function writeRevision(row: StoredRow, target: Uint8Array, at: number): number {
  const { revisionBytes, revisionStart } = row
  let to = writeDigits(row.generation, target, at)
  target[to++] = DASH
  for (let i = 0; i < REVISION_ID_SIZE; i++) {
    const byte = revisionBytes[revisionStart + i]!
    target[to++] = HEX[byte >>> 4]!
    target[to++] = HEX[byte & 15]!
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

/** All of `text`. */
export function putAll(text: Uint8Array, target: Uint8Array, at: number): number {
  const length = text.length
  for (let i = 0; i < length; i++) target[at + i] = text[i]!
  return at + length
}
