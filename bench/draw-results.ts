/** Saved results as plots. */
import { type Axis, type Bar, barPlot, linePlot, type Series } from '../src/lab/bench/plots.ts'
import { type Spread, spreadOf } from '../src/lab/measure/statistics.ts'
import { shownFigure } from '../src/lab/measure/text-table.ts'
import { RATES } from './btree/report.ts'

export interface Drawing {
  /** What it shows, as a part of a file's name. */
  readonly name: string
  readonly svg: string
}

interface HttpFigure {
  readonly workload: string
  readonly target: string
  readonly rounds: readonly { readonly requestsPerSecond: number }[]
}

/** By name, as `btree` and `growth` save them. */
type Figures = Readonly<Record<string, Spread>>

interface Saved {
  readonly benchmark?: unknown
  /** Of `http`. */
  readonly figures?: readonly HttpFigure[]
  /** Of `btree` by engine, of `growth` by entries. */
  readonly results?: Readonly<Record<string, Figures>>
}

/** What `growth` says of a size, in µs of CPU each. */
const GROWTH: readonly (readonly [name: string, label: string])[] = [
  ['load.cpuPerDocument', 'load, from nothing'],
  ['inserts.cpu', 'inserts, 1,000 a commit'],
  ['updates.cpu', 'random updates, 1,000 a commit'],
  ['gets256.cpuPerGet', 'random gets, cache of 256 MiB'],
  ['getsShare.cpuPerGet', 'random gets, cache of 5 % of the file'],
]
const TICKS = 5
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact' })

/** What `npm run bench` saved of `http`, `btree` or `growth`. Throws RangeError for anything else. */
export function drawingsOf(saved: unknown): Drawing[] {
  const { benchmark, figures, results } = (saved ?? {}) as Saved
  if (Array.isArray(figures)) return httpDrawings(figures)
  if (benchmark === 'btree' && results !== undefined) return engineDrawings(results)
  if (benchmark === 'growth' && results !== undefined) return [growthDrawing(results)]
  throw new RangeError('the file has no results of http, btree or growth')
}

/** A plot for each workload, a bar for each server. */
function httpDrawings(figures: readonly HttpFigure[]): Drawing[] {
  const workloads = [...new Set(figures.map(({ workload }) => workload))]
  const targets = [...new Set(figures.map(({ target }) => target))]
  return workloads.map((name) => {
    const bars = figures
      .filter(({ workload }) => workload === name)
      .map(({ target, rounds }) => {
        const rates = rounds.map(({ requestsPerSecond }) => requestsPerSecond)
        return rateBar(target, targets.indexOf(target), spreadOf(rates))
      })
    return { name, svg: barPlot(`${name}, requests a second`, bars, 'file') }
  })
}

/** A plot for each rate, a bar for each engine that has it. */
function engineDrawings(results: Readonly<Record<string, Figures>>): Drawing[] {
  const engines = Object.keys(results)
  return RATES.flatMap(({ name, label }) => {
    const bars = engines.flatMap((engine, index) => {
      const figure = results[engine]![name]
      return figure === undefined ? [] : [rateBar(engine, index, figure)]
    })
    if (bars.length === 0) return []
    return [{ name: name.replace(/\.?rate$/, ''), svg: barPlot(`${label.trim()}, a second`, bars, 'file') }]
  })
}

function rateBar(label: string, index: number, { median, min, max }: Spread): Bar {
  return { label, index, value: median, text: shownFigure(median, 'rate'), least: min, most: max }
}

/** Lines over the number of entries, which grows tenfold from step to step. */
function growthDrawing(results: Readonly<Record<string, Figures>>): Drawing {
  const sizes = Object.keys(results).map(Number)
  const series = GROWTH.map(([name, label], index): Series => {
    const points = sizes.flatMap((size): [number, number][] => {
      const figure = results[size]![name]
      return figure === undefined ? [] : [[Math.log10(size), figure.median]]
    })
    return { label, index, points }
  })
  const most = Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y)))
  const step = stepFor(most / TICKS)
  const top = Math.ceil(most / step) * step
  const y: Axis = {
    label: 'µs of CPU each',
    from: 0,
    to: top,
    ticks: Array.from({ length: top / step + 1 }, (_, at) => [at * step, `${at * step} µs`] as const),
  }
  const powers = sizes.map((size) => Math.log10(size))
  const x: Axis = {
    label: 'entries',
    from: Math.min(...powers),
    to: Math.max(...powers),
    ticks: sizes.map((size) => [Math.log10(size), COMPACT.format(size)] as const),
  }
  return {
    name: 'cpu',
    svg: linePlot('µs of CPU an operation, by the number of entries', series, x, y, 'file'),
  }
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function stepFor(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least)!
}
