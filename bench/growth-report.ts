/** The tables of `bench -- growth`: a column for each size. */

import { alignedTable, shownFigure } from '../src/lab/measure/text-table.ts'
import { type Line, line, spreadCell } from './btree/report.ts'
import type { Results } from './btree/results.ts'
import { UPDATE_BATCHES } from './btree/steps/updates.ts'
import {
  holds,
  MEMORY_TARGET_BYTES,
  OPEN_TARGET_MS,
  updateTargets,
  type Verdict,
  verdict,
} from './btree/targets.ts'

const LINES: readonly Line[] = [
  line('load.rate', 'load: documents', 'rate'),
  line('load.cpuPerDocument', '  CPU a document', 'us'),
  line('load.commitCpu.worst', '  CPU in a commit worst', 'us'),
  line('load.commit.p999', '  commit p99.9', 'us'),
  line('load.fileBytes', '  file', 'bytes'),
  line('load.peakMemory', '  peak memory', 'bytes'),
  line('inserts.rate', 'inserts, 1,000 a commit', 'rate'),
  line('inserts.cpu', '  CPU a document', 'us'),
  line('updates.rate', 'random updates, 1,000 a commit', 'rate'),
  line('updates.cpu', '  CPU a document', 'us'),
  line('updates.commit.p99', '  commit p99', 'us'),
  line('batches.peakMemory', '  peak memory', 'bytes'),
  line('getsShare.rate', 'random gets, cache of 5 % of the file', 'rate'),
  line('getsShare.cpuPerGet', '  CPU a get', 'us'),
  line('gets256.rate', 'random gets, cache of 256 MiB', 'rate'),
  line('gets256.cpuPerGet', '  CPU a get', 'us'),
  line('gets256.peakMemory', '  peak memory', 'bytes'),
  line('scan.id.rate', 'scan, id order: documents', 'rate'),
  line('scan.seq.rate', 'scan, seq order: documents', 'rate'),
  line('scan.peakMemory', '  peak memory', 'bytes'),
  ...UPDATE_BATCHES.map((batch) =>
    line(`updates.${batch}.bytes`, `written an update, batches of ${batch}`, 'bytes'),
  ),
  ...UPDATE_BATCHES.map((batch) =>
    line(`updates.${batch}.filled`, `  to make room ahead, batches of ${batch}`, 'bytes'),
  ),
  line('kills.openMs', 'open after kill -9', 'ms'),
  line('kills.peakMemory', '  peak memory', 'bytes'),
]

export function growthTable(results: Results, sizes: readonly number[]): string[] {
  const rows: string[][] = [['entries', ...sizes.map((size) => size.toLocaleString('en'))]]
  for (const { name, label, unit } of LINES) {
    if (sizes.every((size) => Number.isNaN(results.median(String(size), name)))) continue
    rows.push([label, ...sizes.map((size) => spreadCell(results, String(size), name, unit))])
  }
  return alignedTable(rows)
}

const SMALL = 100_000
const MILLION = 1_000_000
const LARGE = 10_000_000

export function growthTargets(results: Results): Verdict[] {
  return [
    ...updateTargets(results, String(MILLION), 3, 6).map((one) => ({ ...one, what: `10^6: ${one.what}` })),
    ...updateTargets(results, String(LARGE), 12, 12).map((one) => ({ ...one, what: `10^7: ${one.what}` })),
    worst('10^7: open after kill -9, worst', results, ['kills.openMs'], 'ms', OPEN_TARGET_MS),
    worst('10^7: peak memory', results, MEMORY_FIGURES, 'bytes', MEMORY_TARGET_BYTES),
    getCost('cost of a get at 10^7 against 10^5, cache of 5 %', results, 'getsShare.rate', 2),
    getCost('cost of a get at 10^7 against 10^5, cache of 256 MiB', results, 'gets256.rate', 4),
  ]
}

const MEMORY_FIGURES = LINES.filter(({ name }) => name.endsWith('.peakMemory')).map(({ name }) => name)

/** Of all rounds and of all these figures at the largest size. */
function worst(
  what: string,
  results: Results,
  names: readonly string[],
  unit: 'ms' | 'bytes',
  most: number,
): Verdict {
  const values = names.flatMap((name) => results.values(String(LARGE), name))
  const value = values.length === 0 ? Number.NaN : Math.max(...values)
  const met = holds(value, (measured) => measured <= most)
  return verdict(what, `at most ${shownFigure(most, unit)}`, shownFigure(value, unit), met)
}

function getCost(what: string, results: Results, name: string, most: number): Verdict {
  const value = results.median(String(SMALL), name) / results.median(String(LARGE), name)
  const met = holds(value, (measured) => measured <= most)
  return verdict(what, `at most ${most}x`, shownFigure(value, 'times'), met)
}
