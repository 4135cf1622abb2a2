/**
 * What rows are, in 16 bytes: the sum of a hash of each, which says whether two ranges have the same rows without reading them.
 * Kept in trees that functions reduce, so that what a function gave for a range can be found again. It is no
 * protection from somebody who looks for rows that are hashed alike: all that he could confuse is his own view.
 */
import { EMPTY_SUMMARY, NOTHING, type Row, type Rows, type Summarizer } from './summarizer.ts'

const HASH = 1
const LANES = 4
const SUMMARY_BYTES = 1 + LANES * 4
/** Odd, one for each lane: the constants of xxHash. */
const PRIMES = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f] as const
const MIX = 0x165667b1

const lanes = new Uint32Array(LANES)
const sums = new Uint32Array(LANES)

export const fingerprint: Summarizer = {
  name: 'rows',
  mustShrink: false,

  map({ place, key, value }: Row): Uint8Array {
    sums.fill(0)
    begin(place!.length)
    take(place!, 0, place!.length)
    take(key, 0, key.length)
    take(value, 0, value.length)
    end()
    return summary()
  },

  mapAll({ bytes, bounds, entries }: Rows): Uint8Array {
    sums.fill(0)
    for (let row = 0; row * 4 < entries.length; row++) {
      const placeStart = entries[4 * row]!
      const placeEnd = entries[4 * row + 1]!
      begin(placeEnd - placeStart)
      take(bytes, placeStart, placeEnd)
      take(bytes, bounds[3 * row]!, bounds[3 * row + 1]!)
      take(bytes, bounds[3 * row + 1]!, bounds[3 * row + 2]!)
      end()
    }
    return summary()
  },

  combine(parts: readonly Uint8Array[]): Uint8Array {
    sums.fill(0)
    let isEmpty = true
    for (const part of parts) {
      if (part[0] === NOTHING) continue
      isEmpty = false
      for (let lane = 0; lane < LANES; lane++) sums[lane]! += wordAt(part, 1 + lane * 4)
    }
    return isEmpty ? EMPTY_SUMMARY : summary()
  },

  result(): string {
    throw new Error('a fingerprint is no reduction')
  },
}

function begin(length: number): void {
  for (let lane = 0; lane < LANES; lane++) lanes[lane] = PRIMES[lane]! ^ length
}

function take(bytes: Uint8Array, start: number, end: number): void {
  let [a, b, c, d] = [lanes[0]!, lanes[1]!, lanes[2]!, lanes[3]!]
  let at = start
  for (; at < end; at += 4) {
    // What lies behind the end, where there are no four bytes left, is not looked at.
    const word = at + 4 <= end ? wordAt(bytes, at) : restAt(bytes, at, end)
    a = Math.imul(rotated(a ^ word, 13), PRIMES[0])
    b = Math.imul(rotated(b + word, 17), PRIMES[1])
    c = Math.imul(rotated(c ^ Math.imul(word, MIX), 11), PRIMES[2])
    d = Math.imul(rotated(d + Math.imul(word, PRIMES[0]), 19), PRIMES[3])
  }
  // Where one text ends and the next begins is part of the hash.
  lanes[0] = a ^ (end - start)
  lanes[1] = b
  lanes[2] = c + (end - start)
  lanes[3] = d
}

/** Adds the hash, of which every bit depends on all that was taken in. */
function end(): void {
  for (let lane = 0; lane < LANES; lane++) {
    let hash = lanes[lane]! ^ rotated(lanes[(lane + 1) % LANES]!, 7)
    hash = Math.imul(hash ^ (hash >>> 15), PRIMES[1])
    hash = Math.imul(hash ^ (hash >>> 13), PRIMES[2])
    sums[lane]! += hash ^ (hash >>> 16)
  }
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function restAt(bytes: Uint8Array, start: number, end: number): number {
  let word = 0
  for (let at = end - 1; at >= start; at--) word = (word << 8) | bytes[at]!
  return word
}

function summary(): Uint8Array {
  const bytes = new Uint8Array(SUMMARY_BYTES)
  bytes[0] = HASH
  for (let lane = 0; lane < LANES; lane++) {
    const word = sums[lane]!
    for (let i = 0; i < 4; i++) bytes[1 + lane * 4 + i] = word >>> (8 * i)
  }
  return bytes
}
