/**
 * What happened in the last seconds, from counters that only ever grow: samples are kept, and the newest is held against the
 * oldest. While nothing happens a sample costs the reading of some counters.
 */
import type { MetricName } from '../base/metric-table.ts'
import { BIN_COUNT } from '../base/metrics.ts'
import { REQUEST_KINDS, type RequestKind } from '../base/request-kinds.ts'
import { quantiles } from './summary.ts'
import type { Totals } from './totals.ts'

/** How far it is looked back on. */
const WINDOW_MS = 10_000
const SHARES = [0.5, 0.99] as const

const COUNTED = [
  'couchdb.request_time',
  'couchdb.commits',
  'couchdb.document_writes',
  'couchdb.database_reads',
  'couchdb.bt_engine_cache.hits',
  'couchdb.bt_engine_cache.misses',
  'fsync.count',
] as const satisfies readonly MetricName[]

type Counted = (typeof COUNTED)[number]

interface Sample {
  readonly atMs: number
  readonly counts: readonly number[]
  /** Shared by samples between which no request ended. */
  readonly kinds: Float64Array
}

/** Milliseconds, and requests in a second. */
export interface KindFigures {
  readonly kind: RequestKind
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

export interface StorageFigures {
  readonly readsPerSecond: number
  readonly writesPerSecond: number
  readonly commitsPerSecond: number
  /** Documents that were durable in one commit, on the average; 0 where there was none. */
  readonly documentsPerCommit: number
  /** Milliseconds. */
  readonly syncP50: number
  readonly syncP99: number
  /** Of look-ups of pages, from 0 to 1; null where there was none. */
  readonly cacheHits: number | null
}

export class FigureWindow {
  readonly #totals: Totals
  readonly #samples: Sample[] = []

  constructor(totals: Totals) {
    this.#totals = totals
  }

  /** `atMs` as `Clock.monotonic`. */
  take(atMs: number): void {
    const counts = this.#totals.sums(COUNTED)
    const last = this.#samples.at(-1)
    const isQuiet = last !== undefined && last.counts[0] === counts[0]
    this.#samples.push({ atMs, counts, kinds: isQuiet ? last.kinds : this.#totals.kindBins() })
    while (this.#samples.length > 2 && this.#samples[1]!.atMs <= atMs - WINDOW_MS) this.#samples.shift()
  }

  /** Of the kinds of which there were requests. */
  requests(): KindFigures[] {
    const { first, last, seconds } = this.#ends()
    if (first.kinds === last.kinds) return []
    return REQUEST_KINDS.flatMap((kind, at): KindFigures[] => {
      const bins = new Float64Array(BIN_COUNT)
      const start = at * BIN_COUNT
      let count = 0
      for (let bin = 0; bin < BIN_COUNT; bin++) {
        bins[bin] = last.kinds[start + bin]! - first.kinds[start + bin]!
        count += bins[bin]!
      }
      if (count === 0) return []
      const [p50, p99] = quantiles(bins, SHARES)
      return [{ kind, perSecond: rounded(count / seconds), p50: rounded(p50!), p99: rounded(p99!) }]
    })
  }

  /** `nowMs` is the time of day. */
  storage(nowMs: number): StorageFigures {
    const { first, last, seconds } = this.#ends()
    const by = (name: Counted): number => {
      const at = COUNTED.indexOf(name)
      return last.counts[at]! - first.counts[at]!
    }
    const commits = by('couchdb.commits')
    const hits = by('couchdb.bt_engine_cache.hits')
    const lookUps = hits + by('couchdb.bt_engine_cache.misses')
    const writes = by('couchdb.document_writes')
    const [syncP50, syncP99] =
      by('fsync.count') === 0
        ? [0, 0]
        : quantiles(this.#totals.bins('fsync.time', nowMs, WINDOW_MS / 1000), SHARES)
    return {
      readsPerSecond: rounded(by('couchdb.database_reads') / seconds),
      writesPerSecond: rounded(writes / seconds),
      commitsPerSecond: rounded(commits / seconds),
      documentsPerCommit: commits === 0 ? 0 : rounded(writes / commits),
      syncP50: rounded(syncP50! / 1000),
      syncP99: rounded(syncP99! / 1000),
      cacheHits: lookUps === 0 ? null : rounded(hits / lookUps),
    }
  }

  #ends(): { first: Sample; last: Sample; seconds: number } {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined) throw new Error('no sample was taken')
    return { first, last, seconds: Math.max(1, last.atMs - first.atMs) / 1000 }
  }
}

/** Three digits are enough to be looked at; and what stays the same then needs not be sent. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
