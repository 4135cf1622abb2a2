/** The figures of all threads of a server together, those that have ended included. */
import { METRIC_NAMES, METRICS, type MetricName } from '../base/metric-table.ts'
import { BIN_COUNT, Metrics } from '../base/metrics.ts'
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

  /** `now` are the figures that are looked up when somebody asks. */
  figures(nowMs: number, windowSeconds: number, now: Partial<Record<MetricName, number>>): Figures {
    const all = [this.#ended, ...this.#threads]
    const sum = (of: (metrics: Metrics) => number): number =>
      all.reduce((total, metrics) => total + of(metrics), 0)
    const figure = (name: MetricName): number | Distribution => {
      const count = now[name] ?? sum((metrics) => metrics.value(name))
      if (METRICS.get(name)!.kind !== 'histogram') return count
      const bins = new Float64Array(BIN_COUNT)
      for (const metrics of all) metrics.addBins(name, bins, nowMs, windowSeconds)
      return { summary: summarize(bins), count, sum: sum((metrics) => metrics.sum(name)) }
    }
    return new Map(METRIC_NAMES.map((name) => [name, figure(name)]))
  }
}
