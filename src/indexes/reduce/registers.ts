/**
 * The 2,048 registers of a HyperLogLog, and as summaries. Few are listed: SPARSE, and of each that is not 0 its index u16
 * and its value u8. Many are packed: DENSE, a base u8, three bits each (the value less the base, the lowest bits first;
 * ESCAPE for what is below the base or too far above it), and u8 each the values that were escaped, in their order. At any
 * number of keys about nineteen of twenty lie within seven values, so that all take less than 950 bytes.
 */
export const REGISTERS = 2048

const SPARSE = 1
const DENSE = 2
/** Beyond that the packed form is shorter. */
const MOST_LISTED = 300
const ENTRY_BYTES = 3
const ESCAPE = 7
const PACKED_BYTES = (REGISTERS * 3) / 8
const HEAD_BYTES = 2
const MOST_VALUE = 64

/** Of one key. */
export function oneRegister(index: number, value: number): Uint8Array {
  return Uint8Array.of(SPARSE, index, index >>> 8, value)
}

/** Raises `registers` to what the summary has. */
export function raise(registers: Uint8Array, summary: Uint8Array): void {
  if (summary[0] === SPARSE) {
    for (let at = 1; at < summary.length; at += ENTRY_BYTES) {
      const index = summary[at]! | (summary[at + 1]! << 8)
      const value = summary[at + 2]!
      if (value > registers[index]!) registers[index] = value
    }
  } else if (summary[0] === DENSE) raisePacked(registers, summary)
}

function raisePacked(registers: Uint8Array, summary: Uint8Array): void {
  const base = summary[1]!
  let escaped = HEAD_BYTES + PACKED_BYTES
  let at = HEAD_BYTES
  for (let first = 0; first < REGISTERS; first += 8, at += 3) {
    const bits = summary[at]! | (summary[at + 1]! << 8) | (summary[at + 2]! << 16)
    for (let i = 0; i < 8; i++) {
      const code = (bits >>> (i * 3)) & 7
      const value = code === ESCAPE ? summary[escaped++]! : base + code
      if (value > registers[first + i]!) registers[first + i] = value
    }
  }
}

/** The registers as a summary. */
export function listOrPack(registers: Uint8Array): Uint8Array {
  const counts = new Uint16Array(MOST_VALUE)
  for (let i = 0; i < REGISTERS; i++) counts[registers[i]!]! += 1
  const set = REGISTERS - counts[0]!
  if (set > MOST_LISTED) return pack(registers, counts)
  const summary = new Uint8Array(1 + set * ENTRY_BYTES)
  summary[0] = SPARSE
  let at = 1
  for (let i = 0; i < REGISTERS; i++) {
    const value = registers[i]!
    if (value === 0) continue
    summary[at] = i
    summary[at + 1] = i >>> 8
    summary[at + 2] = value
    at += ENTRY_BYTES
  }
  return summary
}

function pack(registers: Uint8Array, counts: Uint16Array): Uint8Array {
  let base = 0
  let most = -1
  for (let from = 0; from < MOST_VALUE; from++) {
    let within = 0
    for (let value = from; value < from + ESCAPE && value < MOST_VALUE; value++) within += counts[value]!
    if (within > most) {
      most = within
      base = from
    }
  }
  const summary = new Uint8Array(HEAD_BYTES + PACKED_BYTES + REGISTERS - most)
  summary[0] = DENSE
  summary[1] = base
  let escaped = HEAD_BYTES + PACKED_BYTES
  let at = HEAD_BYTES
  for (let first = 0; first < REGISTERS; first += 8, at += 3) {
    let bits = 0
    for (let i = 0; i < 8; i++) {
      const value = registers[first + i]!
      const code = value - base
      if (code >= 0 && code < ESCAPE) bits |= code << (i * 3)
      else {
        bits |= ESCAPE << (i * 3)
        summary[escaped++] = value
      }
    }
    summary[at] = bits
    summary[at + 1] = bits >>> 8
    summary[at + 2] = bits >>> 16
  }
  return summary
}
