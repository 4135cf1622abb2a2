/** The figures of all threads of a server together, those that have ended included. */
import { METRIC_NAMES, METRICS, type MetricName } from '../base/metric-table.ts'
import { BIN_COUNT, KIND_BIN_COUNT, Metrics } from '../base/metrics.ts'
import { type Summary, summarize } from './summary.ts'

/** A histogram over the time that is looked back on, and all that it has ever had. */
export interface Distribution {
  readonly summary: Summary
  readonly count: number
  readonly sum: number
}

/** What all threads say at one moment: a number for a counter or a gauge. */
export type Figures = ReadonlyMap<MetricName, number | Distribution>

export class Totals {
  readonly #threads = new Set<Metrics>()
  readonly #ended = new Metrics()

  /** A thread begins to count. */
  add(thread: Metrics): void {
    this.#threads.add(thread)
  }

  /** It has ended. */
  end(thread: Metrics): void {
    if (this.#threads.delete(thread)) this.#ended.absorb(thread)
  }

  /** What each of the counters is by now; of a histogram, the number of its values. */
  sums(names: readonly MetricName[]): number[] {
    const all = this.#all()
    return names.map((name) => all.reduce((total, metrics) => total + metrics.value(name), 0))
  }

  /** All times of requests that there ever were, by kind and bin. */
  kindBins(): Float64Array {
    const bins = new Float64Array(KIND_BIN_COUNT)
    for (const metrics of this.#all()) metrics.addKindBins(bins)
    return bins
  }

  /** The values that a histogram has had in the last `seconds`. */
  bins(name: MetricName, nowMs: number, seconds: number): Float64Array {
    const bins = new Float64Array(BIN_COUNT)
    for (const metrics of this.#all()) metrics.addBins(name, bins, nowMs, seconds)
    return bins
  }

  #all(): Metrics[] {
    return [this.#ended, ...this.#threads]
  }

  /** `now` are the figures that are looked up when somebody asks. */
  figures(nowMs: number, windowSeconds: number, now: Partial<Record<MetricName, number>>): Figures {
    const all = this.#all()
    const sum = (of: (metrics: Metrics) => number): number =>
      all.reduce((total, metrics) => total + of(metrics), 0)
    const figure = (name: MetricName): number | Distribution => {
      const count = now[name] ?? sum((metrics) => metrics.value(name))
      if (METRICS.get(name)!.kind !== 'histogram') return count
      return {
        summary: summarize(this.bins(name, nowMs, windowSeconds)),
        count,
        sum: sum((metrics) => metrics.sum(name)),
      }
    }
    return new Map(METRIC_NAMES.map((name) => [name, figure(name)]))
  }
}
