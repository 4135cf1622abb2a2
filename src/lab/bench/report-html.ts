/** A run as one page that stands by itself: it has no script, and asks nobody for anything. */
import { escapeHtml } from '../../base/page-text.ts'
import { median } from '../measure/statistics.ts'
import { shownFigure } from '../measure/text-table.ts'
import { type BenchFile, type BenchWorkload, figureSpread, kindsOf, percentileRounds } from './bench-file.ts'
import { type Axis, barPlot, colourClass, linePlot, plotStyle, type Series } from './plots.ts'
import { PERCENTILES } from './recorder.ts'
import { aboutLines, medianRound, noteLines, SHOWN_PERCENTILES, sizesOf, workloadsOf } from './report-text.ts'

const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f27;--soft:#5b6472;--paper:#fff;--line:#dfe3ea}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaf0;--soft:#9aa3b2;--paper:#14161b;--line:#2c313b}}
*{box-sizing:border-box}body{margin:0 auto;padding:24px;max-width:1180px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;margin:40px 0 2px}h3{font-size:13px;margin:12px 0 0;font-weight:600;color:var(--soft)}p{margin:6px 0}
.soft{color:var(--soft)}.bad{font-weight:600}code{font:13px ui-monospace,monospace}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:8px 24px}.plot{width:100%;height:auto;display:block}
.wide{overflow-x:auto}table{border-collapse:collapse}th,td{text-align:right;padding:3px 0 3px 20px;border-bottom:1px solid var(--line);white-space:nowrap;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left;padding-left:0}th{font-weight:600}
.swatch{display:inline-block;width:12px;height:12px;border-radius:3px;margin:0 6px 0 0}.key{display:flex;flex-wrap:wrap;gap:4px 20px;margin:12px 0}`

export function reportHtml(file: BenchFile): string {
  const [first = '', ...others] = aboutLines(file)
  const about = others.map(
    (line) => `<p class="${line.startsWith('BUSY') ? 'bad' : 'soft'}">${escapeHtml(line)}</p>`,
  )
  const notes = noteLines(file).map((line) => `<p>${escapeHtml(line)}</p>`)
  const workloads = workloadsOf(file).map((found) => workloadPart(file, found))
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>davenport lab bench</title><style>${STYLE}${plotStyle()}</style></head><body>
<h1>${escapeHtml(file.stores.map(({ label }) => label).join(', '))}</h1>
<p class="soft">${escapeHtml(first)}</p>${about.join('')}
<div class="key">${file.stores.map(({ name, version, label }, index) => keyPart(`${label} ${version ?? ''}`.trim(), name, index)).join('')}</div>
<main>${workloads.join('')}<h2>Sizes and times</h2>${sizesPart(file)}</main>${notes.join('')}
</body></html>
`
}

function keyPart(label: string, title: string, index: number): string {
  const swatch = `<svg class="swatch" viewBox="0 0 1 1"><rect class="${colourClass(index)}" width="1" height="1"/></svg>`
  return `<span title="${escapeHtml(title)}">${swatch}${escapeHtml(label)}</span>`
}

type Found = ReturnType<typeof workloadsOf>[number]

function workloadPart(file: BenchFile, { name, about, stores }: Found): string {
  const rated = stores.filter(({ workload }) => !Number.isNaN(figureSpread(workload, 'rate').median))
  if (rated.length === 0) return ''
  const indexOf = (label: string): number => file.stores.findIndex((store) => store.label === label)
  const bars = rated.map(({ store, workload }) => {
    const { median: value, min, max } = figureSpread(workload, 'rate')
    const text = shownFigure(value, 'rate')
    return { label: store.label, index: indexOf(store.label), value, text, least: min, most: max }
  })
  const lines = (points: (workload: BenchWorkload) => Series['points']): Series[] =>
    rated.map(({ store, workload }) => ({
      label: store.label,
      index: indexOf(store.label),
      points: points(workload),
    }))
  return `<section><h2>${escapeHtml(name)}</h2><p class="soft">${escapeHtml(about)}</p><div class="plots">
<div><h3>${rated[0]!.workload.unit} in a second</h3>${barPlot(`${name}: rates`, bars)}</div>
<div><h3>latency by percentile</h3>${latencyPlot(name, lines(latencyPoints))}</div>
<div><h3>in a second, every ${file.bucketMs} ms, median round</h3>${throughputPlot(
    name,
    lines((workload) => throughputPoints(workload, file.bucketMs)),
  )}</div>
</div>${latencyTable(rated)}</section>`
}

/** 90 is at 1, 99 at 2, 99.9 at 3; the longest behind all of them. */
function placeOf(percentile: number): number {
  return percentile === 100 ? LAST_PLACE : -Math.log10(1 - percentile / 100)
}

const LAST_PLACE = 4.6

function latencyPoints(workload: BenchWorkload): Series['points'] {
  const kind = kindsOf(workload)[0] ?? 'all'
  return PERCENTILES.flatMap((percentile): [number, number][] => {
    const us = median(percentileRounds(workload, kind, percentile))
    return us > 0 ? [[placeOf(percentile), Math.log10(us)]] : []
  })
}

function latencyPlot(name: string, series: readonly Series[]): string {
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y))
  const from = Math.floor(Math.min(...ys))
  const to = Math.max(Math.ceil(Math.max(...ys)), from + 1)
  const ticks = Array.from({ length: to - from + 1 }, (_, step): [number, string] => [
    from + step,
    decadeText(from + step),
  ])
  const x: Axis = {
    label: 'percentile',
    from: 0,
    to: LAST_PLACE,
    ticks: [50, 90, 99, 99.9, 99.99, 100].map((share) => [
      placeOf(share),
      share === 100 ? 'longest' : String(share),
    ]),
  }
  return linePlot(`${name}: latency by percentile`, series, x, { label: '', from, to, ticks })
}

function decadeText(power: number): string {
  const units = [' µs', ' ms', ' s'] as const
  const unit = Math.min(Math.max(Math.floor(power / 3), 0), 2)
  return `${Number((10 ** (power - unit * 3)).toPrecision(1))}${units[unit]}`
}

/** In a second; the last one, a part of a bucket, is left out. */
function throughputPoints(workload: BenchWorkload, bucketMs: number): Series['points'] {
  const buckets = medianRound(workload)?.buckets ?? []
  const whole = buckets.length > 1 ? buckets.slice(0, -1) : buckets
  return whole.map((count, index) => [((index + 0.5) * bucketMs) / 1000, (count * 1000) / bucketMs])
}

function throughputPlot(name: string, series: readonly Series[]): string {
  const points = series.flatMap((each) => each.points)
  const most = Math.max(...points.map(([, y]) => y), 1)
  const longest = Math.max(...points.map(([x]) => x), 0.1)
  const quarters = [0, 0.25, 0.5, 0.75, 1]
  const y: Axis = {
    label: '',
    from: 0,
    to: most,
    ticks: quarters.map((share) => [share * most, share === 0 ? '0' : shownFigure(share * most, 'rate')]),
  }
  const x: Axis = {
    label: 'seconds',
    from: 0,
    to: longest,
    ticks: quarters.map((share) => [
      share * longest,
      (share * longest).toFixed(longest < 1 ? 2 : longest < 4 ? 1 : 0),
    ]),
  }
  return linePlot(`${name}: throughput against time`, series, x, y)
}

function latencyTable(rated: Found['stores']): string {
  const head = [
    '',
    'CPU',
    'memory',
    ...SHOWN_PERCENTILES.map((share) => (share === 100 ? 'longest' : `p${share}`)),
  ]
  const rows = rated.flatMap(({ store, workload }) =>
    kindsOf(workload).map((kind, index) => {
      const of = (figure: 'cpuUs' | 'peakMemoryBytes', unit: 'us' | 'bytes'): string =>
        index === 0 ? shownFigure(figureSpread(workload, figure).median, unit) : ''
      const label = kindsOf(workload).length === 1 ? store.label : `${store.label}: ${kind}`
      const latencies = SHOWN_PERCENTILES.map((share) =>
        shownFigure(median(percentileRounds(workload, kind, share)), 'us'),
      )
      return [label, of('cpuUs', 'us'), of('peakMemoryBytes', 'bytes'), ...latencies]
    }),
  )
  return table(head, rows)
}

function sizesPart(file: BenchFile): string {
  return table(['', ...file.stores.map(({ label }) => label)], sizesOf(file))
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="wide"><table>${line(head, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table></div>`
}
