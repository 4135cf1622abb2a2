/** A run as text for a terminal. */
import { describeMachine } from '../measure/machine.ts'
import { median } from '../measure/statistics.ts'
import { alignedTable, shownFigure, shownSpread, type Unit } from '../measure/text-table.ts'
import {
  type BenchFile,
  type BenchStore,
  type BenchWorkload,
  figureSpread,
  kindsOf,
  percentileRounds,
  roundsOf,
} from './bench-file.ts'
import type { FigureName, RunResult } from './job.ts'

export const SHOWN_PERCENTILES = [50, 90, 99, 99.9, 100] as const

const HEAD = [
  '',
  'in a second',
  'CPU',
  'p50',
  'p90',
  'p99',
  'p99.9',
  'longest',
  'memory',
  'least…most of 100 ms',
]

/** Columns of a line of throughput against time. */
const SPARK_COLUMNS = 24
const SPARKS = '▁▂▃▄▅▆▇█'

/** Others than the lab on so many processors for each of the machine's change the figures. */
const BUSY_SHARE = 0.1

/** Figures that are not of one action, with how they are called. */
const SIZES: readonly (readonly [FigureName, string, Unit])[] = [
  ['writeAmplification', 'given to write(), a byte of the user’s', 'times'],
  ['deviceAmplification', 'sent to the device, a byte of the user’s', 'times'],
  ['spaceAmplification', 'room on disk, a byte that is there', 'times'],
  ['closeMs', 'close', 'ms'],
  ['openMs', 'open', 'ms'],
  ['firstReadMs', 'first get', 'ms'],
  ['syncsPerCommit', 'syncs a commit', 'count'],
]

export function reportText(file: BenchFile): string {
  const lines = [...aboutLines(file), '']
  const rows: string[][] = [HEAD]
  const headings = new Map<number, string>()
  for (const { name, about, stores } of workloadsOf(file)) {
    const measured = stores.filter(({ workload }) => !Number.isNaN(figureSpread(workload, 'rate').median))
    if (measured.length === 0) continue
    headings.set(rows.length, `${name}: ${about}`)
    for (const { store, workload } of measured) rows.push(...workloadRows(store, workload))
  }
  for (const [index, line] of alignedTable(rows).entries()) {
    const heading = headings.get(index)
    if (heading !== undefined) lines.push('', heading)
    lines.push(line)
  }
  lines.push('', ...sizesTable(file), ...noteLines(file))
  return `${lines.join('\n')}\n`
}

/** What was asked for, on what machine, and whether others used it. */
export function aboutLines({ asked, machine, date, seconds, othersCores }: BenchFile): string[] {
  const { records, rounds, cacheBytes, durable } = asked
  const mebibytes = Number(cacheBytes) / 2 ** 20
  return [
    `${date}, ${seconds} s: ${records} records, ${rounds} rounds, cache of ${mebibytes} MiB, ` +
      `${durable === true ? 'every write durable' : 'writes not durable'}; medians (least..most) of the rounds`,
    describeMachine(machine),
    ...busyLines(machine.cores, othersCores),
  ]
}

function busyLines(cores: number, othersCores: number | null): string[] {
  if (othersCores === null) return ['whether others used the machine is not told here']
  const text = `others than the lab kept up to ${othersCores.toFixed(1)} of ${cores} processors busy`
  return othersCores > cores * BUSY_SHARE ? [`BUSY: ${text}: these figures are not to be relied on`] : [text]
}

/** By workload, with the stores that have it. */
export function workloadsOf(
  file: BenchFile,
): { name: string; about: string; stores: { store: BenchStore; workload: BenchWorkload }[] }[] {
  const names = new Set(file.stores.flatMap(({ workloads }) => Object.keys(workloads)))
  const asked = Array.isArray(file.asked['workloads']) ? (file.asked['workloads'] as string[]) : []
  return asked
    .filter((name) => names.has(name))
    .map((name) => {
      const stores = file.stores.flatMap((store) => {
        const workload = store.workloads[name]
        return workload === undefined ? [] : [{ store, workload }]
      })
      return { name, about: stores[0]?.workload.about ?? '', stores }
    })
}

function workloadRows({ label }: BenchStore, workload: BenchWorkload): string[][] {
  const [first = 'all', ...others] = kindsOf(workload)
  const cell = (name: FigureName, unit: Exclude<Unit, 'times'>): string =>
    shownFigure(figureSpread(workload, name).median, unit)
  const rate = figureSpread(workload, 'rate')
  const shown = rate.min === rate.max ? shownFigure(rate.median, 'rate') : shownSpread(rate, 'rate')
  return [
    [
      `  ${label}`,
      shown,
      cell('cpuUs', 'us'),
      ...latencyCells(workload, first),
      cell('peakMemoryBytes', 'bytes'),
      sparkline(medianRound(workload)?.buckets ?? []),
    ],
    ...others.map((kind) => [`    ${kind}`, '', '', ...latencyCells(workload, kind)]),
  ]
}

function latencyCells(workload: BenchWorkload, kind: string): string[] {
  return SHOWN_PERCENTILES.map((share) => shownFigure(median(percentileRounds(workload, kind, share)), 'us'))
}

/** The round whose rate is the median's, or the one below it. */
export function medianRound(workload: BenchWorkload): RunResult | undefined {
  const sorted = [...workload.rounds].sort((a, b) => (a.figures.rate ?? 0) - (b.figures.rate ?? 0))
  return sorted[(sorted.length - 1) >> 1]
}

/** The least of each column's buckets, so that a stall is not averaged away. The last one is a part of a bucket. */
function sparkline(buckets: readonly number[]): string {
  const whole = buckets.length > 1 ? buckets.slice(0, -1) : buckets
  const columns = Math.min(SPARK_COLUMNS, whole.length)
  const least = Array.from({ length: columns }, (_, column) =>
    Math.min(
      ...whole.slice(
        Math.floor((column * whole.length) / columns),
        Math.floor(((column + 1) * whole.length) / columns),
      ),
    ),
  )
  const most = Math.max(...least, 1)
  return least.map((value) => SPARKS[Math.round((value / most) * (SPARKS.length - 1))]).join('')
}

function sizesTable(file: BenchFile): string[] {
  const rows = sizesOf(file)
  return rows.length === 0 ? [] : alignedTable([['', ...file.stores.map(({ label }) => label)], ...rows])
}

/** A row for each of the figures of each workload, with a cell for each store; those that nobody has are left out. */
export function sizesOf(file: BenchFile): string[][] {
  const rows: string[][] = []
  for (const { name, stores } of workloadsOf(file)) {
    for (const [figure, label, unit] of SIZES) {
      const cells = file.stores.map(({ label: wanted }) => {
        const found = stores.find(({ store }) => store.label === wanted)
        return shownFigure(median(roundsOf(found?.workload, figure)), unit)
      })
      if (cells.some((cell) => cell !== '-')) rows.push([`${name}: ${label}`, ...cells])
    }
  }
  return rows
}

/** What was left out, and what failed. */
export function noteLines(file: BenchFile): string[] {
  return file.stores.flatMap(({ label, leftOut, failures }) => [
    ...leftOut.map(({ workload, reason }) => `left out: ${workload} of ${label}: ${reason}`),
    ...failures.map(
      ({ workload, round, message }) => `FAILED: ${workload} of ${label}, round ${round + 1}: ${message}`,
    ),
  ])
}
