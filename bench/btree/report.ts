/** The tables of a run. */

import { alignedTable, shownFigure, shownSpread, type Unit } from '../../src/lab/measure/text-table.ts'
import { OURS } from '../peers/engines.ts'
import type { Results } from './results.ts'
import { UPDATE_BATCHES } from './steps/updates.ts'
import type { Verdict } from './targets.ts'

export interface Line {
  name: string
  label: string
  unit: Unit
}

const HIGHER_IS_BETTER: readonly Unit[] = ['rate']

/** A row of a table: a figure's name, how it is called and shown. */
export function line(name: string, label: string, unit: Unit): Line {
  return { name, label, unit }
}

const LINES: readonly Line[] = [
  line('load.rate', 'inserts, 1,000 a commit: documents', 'rate'),
  line('load.cpuPerDocument', '  CPU a document', 'us'),
  line('load.commit.p50', '  commit p50', 'us'),
  line('load.commit.p99', '  commit p99', 'us'),
  line('load.commit.p999', '  commit p99.9', 'us'),
  line('load.commit.worst', '  commit worst', 'us'),
  line('load.commitCpu.p50', '  CPU in a commit p50', 'us'),
  line('load.commitCpu.p999', '  CPU in a commit p99.9', 'us'),
  line('load.commitCpu.worst', '  CPU in a commit worst', 'us'),
  line('load.commitCpu.worstWarm', '  CPU in a commit worst, once warm', 'us'),
  line('load.commitThreadCpu.worst', '  CPU of the thread in a commit worst', 'us'),
  line('load.closeMs', '  close', 'ms'),
  line('load.fileBytes', '  file', 'bytes'),
  line('load.peakMemory', '  peak memory (cache 256 MiB)', 'bytes'),
  line('commits.rate', 'one document a commit: commits', 'rate'),
  line('commits.cpu', '  CPU a commit', 'us'),
  line('commits.wall.p50', '  commit p50', 'us'),
  line('commits.wall.p99', '  commit p99', 'us'),
  line('commits.wall.p999', '  commit p99.9', 'us'),
  line('commits.wall.worst', '  commit worst', 'us'),
  line('writers.rate', '64 writers: documents', 'rate'),
  line('writers.byHand.rate', '  in 64s by hand: documents', 'rate'),
  line('writers.cpuPerDocument', '  CPU a document', 'us'),
  line('writers.wall.p50', '  wait p50', 'us'),
  line('writers.wall.p99', '  wait p99', 'us'),
  line('writers.wall.worst', '  wait worst', 'us'),
  line('gets512.rate', 'random gets, 512 MiB cache', 'rate'),
  line('gets512.cpuPerGet', '  CPU a get', 'us'),
  line('gets512.peakMemory', '  peak memory', 'bytes'),
  line('gets64.rate', 'random gets, 64 MiB cache', 'rate'),
  line('gets64.cpuPerGet', '  CPU a get', 'us'),
  line('gets64.peakMemory', '  peak memory', 'bytes'),
  line('scan.id.rate', 'full scan, id order: documents', 'rate'),
  line('scan.id.cpuPerDocument', '  CPU a document', 'us'),
  line('scan.seq.rate', 'full scan, seq order: documents', 'rate'),
  line('scan.seq.cpuPerDocument', '  CPU a document', 'us'),
  line('ranges.rate', 'ranges of 100', 'rate'),
  line('ranges.cpuPerRange', '  CPU a range', 'us'),
  ...UPDATE_BATCHES.map((batch) =>
    line(`updates.${batch}.bytes`, `written an update, batches of ${batch}`, 'bytes'),
  ),
  line('kills.openMs', 'open after kill -9', 'ms'),
  line('syncs.perCommit', 'syncs a commit', 'count'),
  line('async-syncs.perCommit', '  called as by many writers', 'count'),
]

/** What is done in a second, for whoever draws it. */
export const RATES: readonly Line[] = LINES.filter(({ unit }) => unit === 'rate')

/**
 * One row for each figure that was measured: the median, the least and the most of the rounds, and how many times
 * better ours is.
 */
export function figuresTable(results: Results, engines: readonly string[]): string[] {
  const rows: string[][] = [['', ...engines.flatMap((engine) => (engine === OURS ? [engine] : [engine, '']))]]
  for (const { name, label, unit } of LINES) {
    if (engines.every((engine) => Number.isNaN(results.median(engine, name)))) continue
    const row = [label]
    for (const engine of engines) {
      row.push(spreadCell(results, engine, name, unit))
      if (engine !== OURS) row.push(advantage(results, engine, name, unit))
    }
    rows.push(row)
  }
  return alignedTable(rows)
}

/** The median, and the least and the most where there are several rounds. */
export function spreadCell(results: Results, engine: string, name: string, unit: Unit): string {
  const spread = results.spread(engine, name)
  if (unit === 'times' || spread.min === spread.max) return shownFigure(spread.median, unit)
  return shownSpread(spread, unit)
}

function advantage(results: Results, engine: string, name: string, unit: Unit): string {
  const ours = results.median(OURS, name)
  const theirs = results.median(engine, name)
  const value = HIGHER_IS_BETTER.includes(unit) ? ours / theirs : theirs / ours
  return Number.isFinite(value) && unit !== 'count' ? shownFigure(value, 'times') : ''
}

/** Figures of ours that have no counterpart: bare loops, kinds of bytes, the probe. */
export function ownTable(results: Results): string[] {
  const rows: string[][] = []
  for (const name of results.names(OURS)) {
    const unit = ownUnit(name)
    if (unit !== undefined) rows.push([`  ${name}`, spreadCell(results, OURS, name, unit)])
  }
  return alignedTable(rows)
}

function ownUnit(name: string): Unit | undefined {
  if (name.startsWith('bare.')) return name.endsWith('.rate') ? 'rate' : 'us'
  if (name === 'probe.bytes') return 'bytes'
  if (name.startsWith('probe.') || name.endsWith('.cycles')) return 'count'
  if (/^updates\.\d+\.(?!bytes$)/.test(name)) return 'bytes'
  return undefined
}

export function verdictTable(verdicts: readonly Verdict[]): string[] {
  const shown = verdicts.filter(({ figure }) => /\d/.test(figure))
  return alignedTable(
    shown.map(({ what, target, figure, met }) => [
      what,
      target,
      figure,
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ]),
  )
}
