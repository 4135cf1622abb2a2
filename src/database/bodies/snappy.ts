/**
 * Blocks of snappy, by https://github.com/google/snappy/blob/main/format_description.txt: the length of the plain bytes as a
 * varint, then elements. The low two bits of an element's first byte, its tag, say what it is:
 *
 * | bits | element | length | behind the tag |
 * |---|---|---|---|
 * | 0 | literal | 1 + upper six bits; from 60 on 1 + the 1 to 4 bytes that follow | the bytes |
 * | 1 | copy | 4 + bits 2 to 4 | low byte of the distance, whose bits 8 to 10 are bits 5 to 7 of the tag |
 * | 2 | copy | 1 + upper six bits | distance, u16 |
 * | 3 | copy | 1 + upper six bits | distance, u32 |
 *
 * A copy repeats what lies `distance` before, which may reach into what it makes itself. Numbers are little-endian.
 */

/** Of the plain bytes: those of a longer value are split over records, and coding them would hold others up. */
export const LONGEST_BLOCK_BYTES = 1024 * 1024

const LITERAL = 0
const COPY_SHORT = 1
const COPY_FAR = 2

const LITERAL_IN_TAG = 60
const LEAST_MATCH = 4
const LONGEST_COPY = 64
const LONGEST_SHORT_COPY = 11
const SHORT_DISTANCES = 2048
const DISTANCES = 65_536
/** Not looked at for matches: a match is read four bytes at a time, and its first step takes one more. */
const MARGIN = 8
/** After so many positions without a match the steps become longer, so that what does not compress costs little. */
const SKIP_SHIFT = 5

const HASH_BITS = 13
const HASH_FACTOR = 0x1e35a7bd
const MOST_BASE = 2 ** 30

/** Longer pieces are copied by the runtime, shorter ones a byte at a time: about where both cost the same. */
const LONG_PIECE = 48

/** Where four bytes with this hash were seen last, counted from `base`; what lies before `base` is of earlier texts. */
const table = new Int32Array(1 << HASH_BITS)
let base = 1

/** A text of `length` bytes has a block of this many at most. */
export function mostBlockBytes(length: number): number {
  return 32 + length + Math.floor(length / 6)
}

/**
 * Writes the block of `source`, of at most LONGEST_BLOCK_BYTES, into `target` from `at` on, which must have room for
 * `mostBlockBytes`. Returns where it ends.
 */
export function writeBlock(source: Uint8Array, target: Uint8Array, at: number): number {
  const length = source.length
  if (base > MOST_BASE) {
    table.fill(0)
    base = 1
  }
  let to = at
  let rest = length
  for (; rest >= 128; rest >>>= 7) target[to++] = rest | 128
  target[to++] = rest
  let literal = 0
  const last = length - MARGIN
  let from = 1
  while (from <= last) {
    let four = read32(source, from)
    let skip = 1 << SKIP_SHIFT
    let candidate: number
    for (;;) {
      const hash = Math.imul(four, HASH_FACTOR) >>> (32 - HASH_BITS)
      candidate = table[hash]! - base
      table[hash] = base + from
      if (candidate >= 0 && from - candidate < DISTANCES && read32(source, candidate) === four) break
      const step = skip++ >>> SKIP_SHIFT
      from += step
      if (from > last) {
        base += length
        return writeLiteral(source, literal, length, target, to)
      }
      four = step === 1 ? (four >>> 8) | (source[from + 3]! << 24) : read32(source, from)
    }
    // What lies before may belong to the match, too.
    while (from > literal && candidate > 0 && source[from - 1] === source[candidate - 1]) {
      from--
      candidate--
    }
    let end = from + LEAST_MATCH
    for (let other = candidate + LEAST_MATCH; end < length && source[end] === source[other]; other++) end++
    if (from > literal) to = writeLiteral(source, literal, from, target, to)
    to = writeCopies(end - from, from - candidate, target, to)
    literal = end
    from = end
    if (from <= last) {
      table[Math.imul(read32(source, from - 1), HASH_FACTOR) >>> (32 - HASH_BITS)] = base + from - 1
    }
  }
  base += length
  return literal < length ? writeLiteral(source, literal, length, target, to) : to
}

function read32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function writeLiteral(source: Uint8Array, from: number, end: number, target: Uint8Array, at: number): number {
  const length = end - from
  let to = at
  let rest = length - 1
  if (rest < LITERAL_IN_TAG) {
    target[to++] = (rest << 2) | LITERAL
  } else {
    const bytes = rest < 0x100 ? 1 : rest < 0x1_0000 ? 2 : 3
    target[to++] = ((LITERAL_IN_TAG - 1 + bytes) << 2) | LITERAL
    for (let i = 0; i < bytes; i++, rest >>>= 8) target[to++] = rest
  }
  if (length >= LONG_PIECE) {
    target.set(source.subarray(from, end), to)
    return to + length
  }
  for (let i = from; i < end; i++) target[to++] = source[i]!
  return to
}

function writeCopies(length: number, distance: number, target: Uint8Array, at: number): number {
  let to = at
  let left = length
  while (left > 0) {
    if (left >= LEAST_MATCH && left <= LONGEST_SHORT_COPY && distance < SHORT_DISTANCES) {
      target[to++] = COPY_SHORT | ((left - LEAST_MATCH) << 2) | ((distance >>> 8) << 5)
      target[to++] = distance
      return to
    }
    // What is left behind a whole copy should be long enough for a short one.
    const bytes =
      left <= LONGEST_COPY
        ? left
        : left < LONGEST_COPY + LEAST_MATCH
          ? LONGEST_COPY - LEAST_MATCH
          : LONGEST_COPY
    target[to++] = COPY_FAR | ((bytes - 1) << 2)
    target[to++] = distance
    target[to++] = distance >>> 8
    left -= bytes
  }
  return to
}

/**
 * The length of the plain bytes of the block in `source` from `at` on. -1 when it says none, or one that no block of so few
 * bytes can have: a copy of three bytes makes 64.
 */
export function plainBytesOf(source: Uint8Array, at: number): number {
  let length = 0
  for (let i = 0; i < 3; i++) {
    const byte = source[at + i]
    if (byte === undefined) return -1
    length |= (byte & 127) << (7 * i)
    if (byte < 128) {
      const most = Math.ceil(((source.length - at) * LONGEST_COPY) / 3)
      return length <= LONGEST_BLOCK_BYTES && length <= most ? length : -1
    }
  }
  return -1
}

/**
 * Unpacks the block in `source` from `at` to its end into `target`, which must be as long as `plainBytesOf` says. Reads and writes
 * nothing outside of them. False for bytes that are no block of that length.
 */
export function readBlock(source: Uint8Array, at: number, target: Uint8Array): boolean {
  const end = source.length
  const most = target.length
  let from = at
  while (from < end && source[from]! >= 128) from++
  from++
  let to = 0
  while (from < end) {
    const tag = source[from++]!
    const kind = tag & 3
    if (kind === LITERAL) {
      let length = (tag >>> 2) + 1
      if (length > LITERAL_IN_TAG) {
        const bytes = length - LITERAL_IN_TAG
        if (from + bytes > end) return false
        length = 1
        let weight = 1
        for (let i = 0; i < bytes; i++, weight *= 256) length += source[from++]! * weight
      }
      if (from + length > end || to + length > most) return false
      if (length >= LONG_PIECE) {
        target.set(source.subarray(from, from + length), to)
        from += length
        to += length
      } else {
        for (const stop = from + length; from < stop; ) target[to++] = source[from++]!
      }
      continue
    }
    let length = (tag >>> 2) + 1
    let distance: number
    if (kind === COPY_SHORT) {
      if (from >= end) return false
      length = ((tag >>> 2) & 7) + LEAST_MATCH
      distance = ((tag >>> 5) << 8) | source[from++]!
    } else if (kind === COPY_FAR) {
      if (from + 2 > end) return false
      distance = source[from]! | (source[from + 1]! << 8)
      from += 2
    } else {
      if (from + 4 > end) return false
      distance = read32(source, from) >>> 0
      from += 4
    }
    if (distance === 0 || distance > to || to + length > most) return false
    const start = to - distance
    if (length >= LONG_PIECE && distance >= length) {
      target.copyWithin(to, start, start + length)
      to += length
    } else {
      for (let i = start, stop = start + length; i < stop; i++) target[to++] = target[i]!
    }
  }
  return to === most
}
