/** `davenport lab compare`. */
import {
  type BenchFile,
  type BenchStore,
  type BenchWorkload,
  kindsOf,
  percentileRounds,
  readBenchFile,
  roundsOf,
} from '../bench/bench-file.ts'
import { CONFIDENCE, type Ratio, ratioOf } from '../bench/interval.ts'
import type { FigureName } from '../bench/job.ts'
import { aboutLines, workloadsOf } from '../bench/report-text.ts'
import type { LabConsole, LabStatus } from '../console.ts'
import { LabError } from '../lab-error.ts'
import { median } from '../measure/statistics.ts'
import { alignedTable, shownFigure, type Unit } from '../measure/text-table.ts'

/** What is compared, whether more is better, and how it is shown. */
const FIGURES: readonly (readonly [FigureName, string, boolean, Unit])[] = [
  ['rate', 'in a second', true, 'rate'],
  ['cpuUs', 'CPU', false, 'us'],
  ['peakMemoryBytes', 'memory', false, 'bytes'],
  ['writeAmplification', 'given to write()', false, 'times'],
  ['deviceAmplification', 'sent to the device', false, 'times'],
  ['spaceAmplification', 'room on disk', false, 'times'],
  ['openMs', 'open', false, 'ms'],
  ['firstReadMs', 'first get', false, 'ms'],
  ['closeMs', 'close', false, 'ms'],
]
const PERCENTILES = [50, 99, 99.9] as const

/** Tells for each figure how many times the first file's the second file's is. */
export async function compare(before: string, after: string, console: LabConsole): Promise<LabStatus> {
  const [a, b] = await Promise.all([readBenchFile(before), readBenchFile(after)])
  const pairs = pairsOf(a, b)
  if (pairs.length === 0) throw new LabError(`${before} and ${after} have no store in common`)
  console.out(`A  ${before}\n${indented(aboutLines(a))}B  ${after}\n${indented(aboutLines(b))}`)
  for (const name of ['records', 'seconds', 'cacheBytes', 'durable', 'distribution', 'seed'] as const) {
    if (a.asked[name] !== b.asked[name]) {
      console.out(`UNLIKE: ${name} was ${String(a.asked[name])} in A and ${String(b.asked[name])} in B\n`)
    }
  }
  console.out(
    `\nB / A with its ${CONFIDENCE * 100} % interval over the rounds (Welch's, of their logarithms; an interval takes two rounds ` +
      'a side).\nOne figure in twenty lies outside of it by chance alone.\n',
  )
  for (const [first, second] of pairs) {
    const rows = workloadsOf(a).flatMap(({ name }) => rowsOf(name, first, second))
    const title = first.label === second.label ? first.label : `${first.label} (A), ${second.label} (B)`
    console.out(`\n${title}\n`)
    for (const line of alignedTable([['', 'A', 'B', 'B / A', 'interval', ''], ...rows]))
      console.out(`${line}\n`)
  }
  return 0
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `   ${line}\n`).join('')
}

/** Those of one label; of files with one store each, these. */
function pairsOf(a: BenchFile, b: BenchFile): [BenchStore, BenchStore][] {
  const [onlyOfA, onlyOfB] = [a.stores[0], b.stores[0]]
  if (a.stores.length === 1 && b.stores.length === 1 && onlyOfA !== undefined && onlyOfB !== undefined) {
    return [[onlyOfA, onlyOfB]]
  }
  return a.stores.flatMap((store): [BenchStore, BenchStore][] => {
    const other = b.stores.find(({ label }) => label === store.label)
    return other === undefined ? [] : [[store, other]]
  })
}

function rowsOf(name: string, first: BenchStore, second: BenchStore): string[][] {
  const [a, b] = [first.workloads[name], second.workloads[name]]
  if (a === undefined || b === undefined) return []
  const rows = FIGURES.map(([figure, label, isMoreBetter, unit]) =>
    row(`${name}: ${label}`, roundsOf(a, figure), roundsOf(b, figure), isMoreBetter, unit),
  )
  const kind = kindOf(a)
  for (const share of PERCENTILES) {
    const [of, at] = [percentileRounds(a, kind, share), percentileRounds(b, kind, share)]
    rows.push(row(`${name}: p${share}`, of, at, false, 'us'))
  }
  return rows.filter((found): found is string[] => found !== undefined)
}

function kindOf(workload: BenchWorkload): string {
  return kindsOf(workload)[0] ?? 'all'
}

function row(
  label: string,
  before: readonly number[],
  after: readonly number[],
  isMoreBetter: boolean,
  unit: Unit,
): string[] | undefined {
  if ([...before, ...after].some((value) => value <= 0) || before.length === 0 || after.length === 0) {
    return undefined
  }
  const found = ratioOf(before, after)
  const interval = found.interval?.map((end) => end.toFixed(2)).join(' to ') ?? '-'
  const shown = (values: readonly number[]): string => shownFigure(median(values), unit)
  return [
    label,
    shown(before),
    shown(after),
    `${found.ratio.toFixed(2)}x`,
    interval,
    verdict(found, isMoreBetter),
  ]
}

/** Nothing where the interval has 1 in it. */
function verdict({ interval }: Ratio, isMoreBetter: boolean): string {
  if (interval === undefined || (interval[0] <= 1 && interval[1] >= 1)) return ''
  return interval[0] > 1 === isMoreBetter ? 'better' : 'worse'
}
