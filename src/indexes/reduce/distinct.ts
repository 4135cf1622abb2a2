/**
 * `_approx_count_distinct`: how many different keys there are, by HyperLogLog of precision 11, whose standard error is 2.3 %.
 * Registers are CouchDB's, for a key is hashed as it is there: SHA-1 of its external term. So is what is estimated
 * up to 1,800 keys (linear counting) and beyond 10,240. In between the raw estimate is too large, and CouchDB takes off
 * what a table of measurements says; here it is put right by what the registers of so many keys are expected to be, which
 * differs by some tenths of a percent.
 */
import { createHash } from 'node:crypto'
import { termOf } from '../../json/documents.ts'
import { listOrPack, oneRegister, REGISTERS, raise } from './registers.ts'
import { EMPTY_SUMMARY, isTooLong, LONG_SUMMARY, NOTHING, type Row, type Summarizer } from './summarizer.ts'

/** Behind it stands a term: `term_to_binary`. */
const TERM_VERSION = Uint8Array.of(131)
/** The first 11 bits of 64 say which register. */
const INDEX_BITS = 11
const WORD_BITS = 32
const MOST_RUN = 64 - INDEX_BITS
/** Linear counting is better up to here. */
const MOST_LINEAR = 1800
/** A raw estimate beyond that needs no correction. */
const MOST_CORRECTED = 5 * REGISTERS
const ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)

const registers = new Uint8Array(REGISTERS)

export const distinct: Summarizer = {
  name: 'distinct',
  mustShrink: false,

  map({ key }: Row): Uint8Array {
    const hash = createHash('sha1').update(TERM_VERSION).update(termOf(key)).digest()
    const high = hash.readUInt32BE(0)
    const run = Math.clz32(high << INDEX_BITS)
    const zeros =
      run < WORD_BITS - INDEX_BITS ? run : WORD_BITS - INDEX_BITS + Math.clz32(hash.readUInt32BE(4))
    return oneRegister(high >>> (WORD_BITS - INDEX_BITS), Math.min(zeros, MOST_RUN) + 1)
  },

  combine(parts: readonly Uint8Array[], mostBytes: number): Uint8Array {
    registers.fill(0)
    let isEmpty = true
    for (const part of parts) {
      if (isTooLong(part)) return LONG_SUMMARY
      if (part[0] === NOTHING) continue
      isEmpty = false
      raise(registers, part)
    }
    if (isEmpty) return EMPTY_SUMMARY
    const summary = listOrPack(registers)
    return summary.length <= mostBytes ? summary : LONG_SUMMARY
  },

  result(summary: Uint8Array): string {
    registers.fill(0)
    raise(registers, summary)
    return String(Math.round(estimate(registers)))
  },
}

function estimate(registers: Uint8Array): number {
  let sum = 0
  let zeros = 0
  for (let i = 0; i < REGISTERS; i++) {
    const value = registers[i]!
    sum += 2 ** -value
    if (value === 0) zeros += 1
  }
  const linear = zeros === 0 ? Number.POSITIVE_INFINITY : REGISTERS * Math.log(REGISTERS / zeros)
  if (linear <= MOST_LINEAR) return linear
  const raw = (ALPHA * REGISTERS * REGISTERS) / sum
  return raw > MOST_CORRECTED ? raw : corrected(raw)
}

/** The number of keys for which the raw estimate is expected to be `raw`: it grows with the number. */
function corrected(raw: number): number {
  let low = 0
  let high = raw
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2
    if (expectedRaw(middle) < raw) low = middle
    else high = middle
  }
  return low
}

/** Where each register is hit `keys / REGISTERS` times on average. */
function expectedRaw(keys: number): number {
  const rate = keys / REGISTERS
  let mean = Math.exp(-rate)
  for (let value = 1; value <= MOST_RUN + 1; value++) {
    const reached = Math.exp(-rate * 2 ** -value) - Math.exp(-rate * 2 ** (1 - value))
    mean += reached * 2 ** -value
  }
  return (ALPHA * REGISTERS) / mean
}
