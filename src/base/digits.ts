/** Numbers as decimal digits, written to bytes without a string between. */
const ZERO = 0x30
/** Below it all steps are of small integers, which cost a fraction. */
const SMALL = 2 ** 30

/** Writes a whole number from 0 on, at most 16 digits. Returns where they end. */
export function writeDigits(value: number, bytes: Uint8Array, at: number): number {
  if (value >= SMALL) {
    const upper = Math.floor(value / 1_000_000)
    const end = writeDigits(upper, bytes, at)
    let lower = value - upper * 1_000_000
    for (let to = end + 5; to >= end; to--) {
      bytes[to] = ZERO + (lower % 10)
      lower = (lower / 10) | 0
    }
    return end + 6
  }
  let digits = 1
  for (let bound = 10; value >= bound; bound *= 10) digits++
  let rest = value
  for (let to = at + digits - 1; to >= at; to--) {
    bytes[to] = ZERO + (rest % 10)
    rest = (rest / 10) | 0
  }
  return at + digits
}
