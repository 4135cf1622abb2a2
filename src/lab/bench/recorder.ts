/** Latencies and throughput of one run of a workload. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Of the plots' curves, and of the tables. Shares of a hundred. */
export const PERCENTILES = [10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100] as const

/** An hour, in nanoseconds: what takes longer is written down as that. */
const MOST_NS = 3600e9
const NS_OF_MS = 1e6
const NS_OF_US = 1000

export const BUCKET_MS = 100

export interface Latency {
  readonly count: number
  readonly meanUs: number
  /** `[percentile, µs]`; the last one, 100, is the longest. */
  readonly percentiles: readonly (readonly [percentile: number, us: number])[]
}

/**
 * Node's own histograms are HDR histograms (https://github.com/HdrHistogram/HdrHistogram_c): here with three significant
 * figures over nanoseconds, so that neither an average nor a sample stands for the slowest.
 */
export class Recorder {
  readonly #byKind = new Map<string, RecordableHistogram>()
  readonly #buckets: number[] = []
  #total = 0

  /** One action that took `tookMs`, ended `atMs` after the beginning, and counts as so many units. */
  add(kind: string, tookMs: number, atMs: number, units: number): void {
    let histogram = this.#byKind.get(kind)
    if (histogram === undefined) {
      histogram = createHistogram({ lowest: 1, highest: MOST_NS, figures: 3 })
      this.#byKind.set(kind, histogram)
    }
    histogram.record(Math.min(MOST_NS, Math.max(1, Math.round(tookMs * NS_OF_MS))))
    const bucket = Math.floor(atMs / BUCKET_MS)
    while (this.#buckets.length <= bucket) this.#buckets.push(0)
    this.#buckets[bucket]! += units
    this.#total += units
  }

  /** Units in all. */
  get total(): number {
    return this.#total
  }

  /** Units that ended within each 100 ms; the last may be a part of one. */
  get buckets(): readonly number[] {
    return this.#buckets
  }

  /** By the kind of the action, and `all` of several kinds. */
  latencies(): Record<string, Latency> {
    const found: Record<string, Latency> = {}
    for (const [kind, histogram] of this.#byKind) found[kind] = latencyOf(histogram)
    if (this.#byKind.size > 1) {
      const all = createHistogram({ lowest: 1, highest: MOST_NS, figures: 3 })
      for (const histogram of this.#byKind.values()) all.add(histogram)
      found['all'] = latencyOf(all)
    }
    return found
  }
}

function latencyOf(histogram: RecordableHistogram): Latency {
  return {
    count: histogram.count,
    meanUs: histogram.mean / NS_OF_US,
    percentiles: PERCENTILES.map((share) => [share, histogram.percentile(share) / NS_OF_US]),
  }
}
