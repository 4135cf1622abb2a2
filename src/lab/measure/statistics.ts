/** Figures of samples and of rounds. */

/** NaN for no values. Does not change them. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export interface Spread {
  median: number
  min: number
  max: number
}

/** Of the figures of all rounds; rounds without a figure (NaN) are left out. */
export function spreadOf(values: readonly number[]): Spread {
  const known = values.filter((value) => !Number.isNaN(value))
  return {
    median: median(known),
    min: known.length === 0 ? Number.NaN : Math.min(...known),
    max: known.length === 0 ? Number.NaN : Math.max(...known),
  }
}

/** Nearest rank: the smallest value that `share` (0 to 1) of all values do not exceed. `sorted` ascends. */
export function rankedValue(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN
  const rank = Math.ceil(sorted.length * share)
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1]!
}

/** Takes up to a fixed number of samples without making garbage. */
export class Samples {
  readonly #values: Float64Array
  #count = 0

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity)
  }

  /** Throws RangeError beyond the capacity. */
  add(value: number): void {
    if (this.#count === this.#values.length) throw new RangeError(`more than ${this.#count} samples`)
    this.#values[this.#count++] = value
  }

  get count(): number {
    return this.#count
  }

  get sum(): number {
    let sum = 0
    for (let i = 0; i < this.#count; i++) sum += this.#values[i]!
    return sum
  }

  /** The largest of all but the first `skipped`. */
  worstAfter(skipped: number): number {
    const values = this.#values.subarray(skipped, this.#count)
    return values.length === 0 ? Number.NaN : values.reduce((most, value) => Math.max(most, value))
  }

  /** `prefix.p50`, `.p99`, `.p999` and `.worst`. */
  figures(prefix: string): Record<string, number> {
    const sorted = this.#values.slice(0, this.#count).sort()
    return {
      [`${prefix}.p50`]: rankedValue(sorted, 0.5),
      [`${prefix}.p99`]: rankedValue(sorted, 0.99),
      [`${prefix}.p999`]: rankedValue(sorted, 0.999),
      [`${prefix}.worst`]: rankedValue(sorted, 1),
    }
  }
}
