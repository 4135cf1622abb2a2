/**
 * A row's value in the tree: a number of one to four bytes (seven bits each, lowest first, the high bit set on all but the
 * last), which is the length of the key; the key's JSON; the value's JSON. The key is kept as it was emitted, since the order
 * does not tell all of it.
 */

import { copyBytes } from '../../base/copy-bytes.ts'

const CONTINUES = 0x80
const LOW_BITS = 0x7f
export const MOST_HEAD_BYTES = 4

function headBytes(keyLength: number): number {
  if (keyLength < 1 << 7) return 1
  if (keyLength < 1 << 14) return 2
  return keyLength < 1 << 21 ? 3 : 4
}

/** Both are ranges of `source`. */
export function encodeRowValue(
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): Buffer {
  const keyLength = keyEnd - keyStart
  const head = headBytes(keyLength)
  const bytes = Buffer.allocUnsafe(head + keyLength + valueEnd - valueStart)
  writeRowValue(bytes, 0, source, keyStart, keyEnd, valueStart, valueEnd)
  return bytes
}

/** Writes the same at `start` of `target`. Returns where it ends. */
export function writeRowValue(
  target: Uint8Array,
  start: number,
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): number {
  const keyLength = keyEnd - keyStart
  const keyAt = start + headBytes(keyLength)
  let rest = keyLength
  for (let at = start; at < keyAt; at++) {
    target[at] = at === keyAt - 1 ? rest : (rest & LOW_BITS) | CONTINUES
    rest >>>= 7
  }
  const valueAt = keyAt + keyLength
  copyBytes(source, keyStart, target, keyAt, keyLength)
  copyBytes(source, valueStart, target, valueAt, valueEnd - valueStart)
  return valueAt + valueEnd - valueStart
}

/** Where the key's JSON begins and the value's, in bytes that `encodeRowValue` made, which begin at `start`. */
export function rowValueParts(bytes: Uint8Array, start = 0): { keyStart: number; valueStart: number } {
  let at = start
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!
    length |= (byte & LOW_BITS) << shift
    if (byte < CONTINUES) return { keyStart: at, valueStart: at + length }
  }
}
