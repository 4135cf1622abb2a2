/**
 * xoshiro128** (Blackman and Vigna, https://prng.di.unimi.it/xoshiro128starstar.c), its state filled from a
 * 32-bit seed by splitmix32. The same seed gives the same run on every platform: only 32-bit integer
 * arithmetic is used.
 */
function splitmix32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

export class Random {
  /** What to print so that the run can be repeated. */
  readonly seed: number
  private a: number
  private b: number
  private c: number
  private d: number

  constructor(seed: number) {
    this.seed = seed >>> 0
    const fill = splitmix32(this.seed)
    this.a = fill()
    this.b = fill()
    this.c = fill()
    this.d = fill()
  }

  /** A uniform 32-bit unsigned integer. */
  next(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.b, 5), 7), 9) >>> 0
    const t = this.b << 9
    this.c ^= this.a
    this.d ^= this.b
    this.b ^= this.c
    this.a ^= this.d
    this.c ^= t
    this.d = rotateLeft(this.d, 11)
    return result
  }

  /** A number in [0, 1) with 32 bits of randomness. */
  float(): number {
    return this.next() / 2 ** 32
  }

  /** An integer in [0, limit), for a limit up to 2^53; 0 when the limit is below 1. */
  int(limit: number): number {
    if (limit <= 1) return 0
    if (limit <= 2 ** 32) return Math.floor((this.next() / 2 ** 32) * limit)
    const wide = (this.next() >>> 11) * 2 ** 32 + this.next()
    return wide % limit
  }

  /** An integer in [from, to], both included. */
  between(from: number, to: number): number {
    return from + this.int(to - from + 1)
  }

  /** True with this probability. */
  bool(probability = 0.5): boolean {
    return this.float() < probability
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[this.int(items.length)] as T
  }

  bytes(length: number): Uint8Array {
    const target = new Uint8Array(length)
    this.fill(target)
    return target
  }

  fill(target: Uint8Array): void {
    let word = 0
    for (let i = 0; i < target.length; i++) {
      if ((i & 3) === 0) word = this.next()
      target[i] = word & 0xff
      word >>>= 8
    }
  }

  /** Shuffles in place and returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1)
      const held = items[i] as T
      items[i] = items[j] as T
      items[j] = held
    }
    return items
  }

  /** A generator of its own, so that one consumer's draws do not shift another's. */
  fork(): Random {
    return new Random(this.next())
  }
}

/** A seed made of another and a number; well mixed, and the same everywhere. */
export function derivedSeed(seed: number, number: number): number {
  let hash = (seed ^ Math.imul(number + 1, 0x9e37_79b9)) >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
