/**
 * What CouchDB says of a histogram, from its bins: a value counts as the middle of its bin, and percentiles are
 * interpolated within theirs.
 */
import { BIN_COUNT, binStart } from '../base/metrics.ts'

const PERCENTILES = [50, 75, 90, 95, 99, 999] as const

/** Of 99.9 the key is 999. */
function shareOf(percentile: number): number {
  return percentile === 999 ? 0.999 : percentile / 100
}

/** A deviation below this counts as none: what is divided by its powers would be of no meaning. */
const LEAST_POWER = 1e-12

export interface Summary {
  readonly n: number
  readonly min: number
  readonly max: number
  readonly arithmetic_mean: number
  readonly geometric_mean: number
  readonly harmonic_mean: number
  readonly median: number
  readonly variance: number
  readonly standard_deviation: number
  readonly skewness: number
  readonly kurtosis: number
  readonly percentile: readonly (readonly [number, number])[]
  /** CouchDB has had nothing to say here since its histograms are of bins. */
  readonly histogram: readonly [readonly [0, 0]]
}

const EMPTY: Summary = {
  n: 0,
  min: 0,
  max: 0,
  arithmetic_mean: 0,
  geometric_mean: 0,
  harmonic_mean: 0,
  median: 0,
  variance: 0,
  standard_deviation: 0,
  skewness: 0,
  kurtosis: 0,
  percentile: PERCENTILES.map((percentile) => [percentile, 0]),
  histogram: [[0, 0]],
}

/** The values below which such shares of all lie, in the unit of the bins; 0 where there are none. */
export function quantiles(bins: Float64Array, shares: readonly number[]): number[] {
  const filled = filledOf(bins)
  if (filled.length === 0) return shares.map(() => 0)
  const n = total(filled, () => 1)
  return shares.map((share) => percentileOf(filled, n * share))
}

interface Filled {
  readonly start: number
  readonly end: number
  readonly middle: number
  readonly count: number
}

export function summarize(bins: Float64Array): Summary {
  const filled = filledOf(bins)
  if (filled.length === 0) return EMPTY
  const n = total(filled, () => 1)
  const mean = total(filled, ({ middle }) => middle) / n
  const moment = (power: number): number => total(filled, ({ middle }) => (middle - mean) ** power) / n
  const variance = moment(2)
  const deviation = Math.sqrt(variance)
  const standardized = (power: number, normal: number): number =>
    deviation ** power < LEAST_POWER ? 0 : moment(power) / deviation ** power - normal
  const percentiles = PERCENTILES.map((key) => [key, percentileOf(filled, n * shareOf(key))] as const)
  return {
    n,
    min: filled[0]!.start,
    max: filled.at(-1)!.end,
    arithmetic_mean: mean,
    geometric_mean: Math.exp(total(filled, ({ middle }) => Math.log(middle)) / n),
    harmonic_mean: n / total(filled, ({ middle }) => 1 / middle),
    median: percentiles[0]![1],
    variance,
    standard_deviation: deviation,
    skewness: standardized(3, 0),
    kurtosis: standardized(4, 3),
    percentile: percentiles,
    histogram: [[0, 0]],
  }
}

function filledOf(bins: Float64Array): Filled[] {
  const filled: Filled[] = []
  for (let bin = 0; bin < BIN_COUNT; bin++) {
    const count = bins[bin]!
    if (count === 0) continue
    const [start, end] = [binStart(bin), binStart(bin + 1)]
    filled.push({ start, end, middle: (start + end) / 2, count })
  }
  return filled
}

/** The sum of a function over all values. */
function total(filled: readonly Filled[], of: (bin: Filled) => number): number {
  return filled.reduce((sum, bin) => sum + bin.count * of(bin), 0)
}

/** The value below which `rank` of the values lie. */
function percentileOf(filled: readonly Filled[], rank: number): number {
  let left = rank
  for (const { start, end, count } of filled) {
    if (left < count) return start + (end - start) * (left / count)
    left -= count
  }
  return filled.at(-1)!.end
}
