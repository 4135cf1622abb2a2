/**
 * Which record comes next, as YCSB draws it: uniform, zipfian with its popular items scattered, or the latest ones.
 *
 * Cooper, Silberstein, Tam, Ramakrishnan, Sears: Benchmarking Cloud Serving Systems with YCSB, SoCC 2010, and its source,
 * https://github.com/brianfrankcooper/YCSB (core/src/main/java/site/ycsb/generator). The zipfian draw is that of Gray et
 * al., Quickly Generating Billion-Record Synthetic Databases, SIGMOD 1994.
 */
import type { Random } from '../random.ts'

/** YCSB's `ZIPFIAN_CONSTANT`. */
export const ZIPFIAN_CONSTANT = 0.99

/** Items that YCSB draws from before it scatters them (`ITEM_COUNT`), and their zeta (`ZETAN`). */
const SCATTERED_ITEMS = 10_000_000_000
const SCATTERED_ZETA = 26.46902820178302

export const DISTRIBUTIONS = ['zipfian', 'uniform', 'latest'] as const
export type Distribution = (typeof DISTRIBUTIONS)[number]

/** The sum of 1 / i^theta for i from `from` + 1 to `to`, added to `sum`. */
export function zeta(to: number, theta = ZIPFIAN_CONSTANT, from = 0, sum = 0): number {
  let total = sum
  for (let i = from; i < to; i++) total += 1 / (i + 1) ** theta
  return total
}

/** Draws numbers from 0 on, of which 0 is the most popular. The number of items may grow. */
export class Zipfian {
  readonly #theta = ZIPFIAN_CONSTANT
  readonly #zetaOfTwo = zeta(2)
  #items: number
  #zeta: number
  #eta: number

  /** @param zetaOfItems where it is known, so that it need not be added up. */
  constructor(items: number, zetaOfItems = zeta(items)) {
    this.#items = items
    this.#zeta = zetaOfItems
    this.#eta = this.#etaOf()
  }

  #etaOf(): number {
    return (1 - (2 / this.#items) ** (1 - this.#theta)) / (1 - this.#zetaOfTwo / this.#zeta)
  }

  /** @param items as many as before, or more. */
  next(random: Random, items = this.#items): number {
    if (items > this.#items) {
      this.#zeta = zeta(items, this.#theta, this.#items, this.#zeta)
      this.#items = items
      this.#eta = this.#etaOf()
    }
    const u = random.float()
    const uz = u * this.#zeta
    if (uz < 1) return 0
    if (uz < 1 + 0.5 ** this.#theta) return Math.min(1, this.#items - 1)
    const drawn = Math.floor(this.#items * (this.#eta * u - this.#eta + 1) ** (1 / (1 - this.#theta)))
    return Math.min(drawn, this.#items - 1)
  }
}

const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n
const FNV_PRIME = 1_099_511_628_211n

/**
 * YCSB's `Utils.fnvhash64`: FNV-1a over the eight bytes of the number, the lowest first, as a signed number without its sign.
 * @param value a whole number below 2^53.
 */
export function fnvHash64(value: number): bigint {
  let rest = value
  let hash = FNV_OFFSET
  for (let i = 0; i < 8; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(rest % 256)) * FNV_PRIME)
    rest = Math.floor(rest / 256)
  }
  const signed = BigInt.asIntN(64, hash)
  return signed < 0n ? -signed : signed
}

/** Draws numbers of records; `last` is the highest that there is when it is asked. */
export interface Chooser {
  next(random: Random, last: number): number
}

/** @param records that were loaded, and those that may be inserted while it is drawn. */
export function chooserOf(distribution: Distribution, records: number): Chooser {
  if (distribution === 'uniform') return { next: (random, last) => random.int(last + 1) }
  if (distribution === 'latest') {
    const zipfian = new Zipfian(1)
    return { next: (random, last) => last - zipfian.next(random, last + 1) }
  }
  const zipfian = new Zipfian(SCATTERED_ITEMS, SCATTERED_ZETA)
  const items = BigInt(records)
  return {
    next(random, last) {
      for (;;) {
        const number = Number(fnvHash64(zipfian.next(random)) % items)
        if (number <= last) return number
      }
    },
  }
}
