/**
 * Texts of JSON as JavaScript's engine writes them, made canonical: they differ from what is stored elsewhere in numbers with
 * an exponent and in escapes.
 */
import { BACKSLASH, LOWER_E, LOWER_U, MINUS, NINE, PLUS, ZERO } from '../json/characters.ts'
import { canonicalize } from '../json/documents.ts'

/** Where a row's key and its value are. */
export interface RowText {
  readonly source: Uint8Array
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
}

/** The row itself where it is canonical already. */
export function canonicalRow(
  source: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
): RowText {
  if (!mayDiffer(source, keyStart, valueEnd)) return { source, keyStart, keyEnd, valueStart, valueEnd }
  const key = Buffer.from(canonicalize(source.subarray(keyStart, keyEnd)))
  const value = canonicalize(source.subarray(valueStart, valueEnd))
  const both = Buffer.concat([key, value])
  return { source: both, keyStart: 0, keyEnd: key.length, valueStart: key.length, valueEnd: both.length }
}

/** Whether what lies between two places could be other texts than the canonical ones: false for those. */
export function mayDiffer(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte === BACKSLASH) {
      at += 1
      if (bytes[at] === LOWER_U) return true
    } else if (byte === LOWER_E && isExponent(bytes, at)) return true
  }
  return false
}

function isExponent(bytes: Uint8Array, at: number): boolean {
  const before = bytes[at - 1] ?? 0
  const after = bytes[at + 1]
  return before >= ZERO && before <= NINE && (after === PLUS || after === MINUS)
}
