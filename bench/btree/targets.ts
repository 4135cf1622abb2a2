/** What was promised, against what was measured. */

import { DOCUMENT_BYTES } from '../../src/lab/measure/documents.ts'
import { shownFigure, type Unit } from '../../src/lab/measure/text-table.ts'
import { OURS } from '../peers/engines.ts'
import { USUAL_CACHE_BYTES } from './plan.ts'
import type { Results } from './results.ts'
import { BARE } from './step.ts'
import { BARE_STYLES } from './steps/commits.ts'
import { UPDATE_BATCHES } from './steps/updates.ts'

export interface Verdict {
  what: string
  target: string
  figure: string
  /** Undefined when something that it needs was not measured. */
  met: boolean | undefined
}

const PEERS = ['lmdb', 'classic-level', 'better-sqlite3']

export function btreeTargets(results: Results): Verdict[] {
  return [
    ...inserts(results),
    ...writers(results),
    singleCommit(results),
    ratio('random gets, 512 MB', 'gets512.rate', 'lmdb', 'gets512.rate', 0.8, results),
    ratio('random gets, 64 MB', 'gets64.rate', 'lmdb', 'gets64.rate', 0.6, results),
    bestScan('full scan, id order', 'scan.id.rate', 0.8, results),
    bestScan('full scan, seq order', 'scan.seq.rate', 1.5, results),
    ...updateTargets(results, OURS, 3, 6),
    atMost('worst open after kill -9', 'kills.openMs', 'ms', OPEN_TARGET_MS, results),
    commitCpu(results),
    beside('p99.9 of a commit of 1,000 beside the bare loop', 'load.commit.p999', results),
    ...[OURS, ...PEERS].map((engine) => durability(engine, results)),
  ]
}

export function verdict(what: string, target: string, figure: string, met: boolean | undefined): Verdict {
  return { what, target, figure, met }
}

/** `limit` holds; undefined when the value is not known. */
export function holds(value: number, test: (value: number) => boolean): boolean | undefined {
  return Number.isNaN(value) ? undefined : test(value)
}

function ratio(
  what: string,
  name: string,
  peer: string,
  peerName: string,
  least: number,
  results: Results,
): Verdict {
  const value = results.median(OURS, name) / results.median(peer, peerName)
  const met = holds(value, (measured) => measured >= least)
  return verdict(what, `${least}x ${peer}`, shownFigure(value, 'times'), met)
}

function inserts(results: Results): Verdict[] {
  const name = 'load.rate'
  return [
    ratio('inserts, 1,000 a commit, against lmdb', name, 'lmdb', name, 2.5, results),
    insertsOrCpu('better-sqlite3', 3, 0.6, results),
    ratio('inserts, 1,000 a commit, against classic-level', name, 'classic-level', name, 1.3, results),
  ]
}

/** At least so many times a peer's rate, or at most so much of its CPU for each document. */
function insertsOrCpu(peer: string, least: number, cpuShare: number, results: Results): Verdict {
  const rate = results.median(OURS, 'load.rate') / results.median(peer, 'load.rate')
  const share = results.median(OURS, 'load.cpuPerDocument') / results.median(peer, 'load.cpuPerDocument')
  return verdict(
    `inserts, 1,000 a commit, against ${peer}`,
    `${least}x or ${cpuShare}x its CPU`,
    `${shownFigure(rate, 'times')}, ${shownFigure(share, 'times')} its CPU`,
    holds(rate, (measured) => measured >= least || share <= cpuShare),
  )
}

function writers(results: Results): Verdict[] {
  const what = '64 writers, each durable'
  return [
    ratio(what, 'writers.rate', 'lmdb', 'writers.rate', 3, results),
    ratio(what, 'writers.rate', 'classic-level', 'writers.rate', 3, results),
    ratio(
      `${what}, the peer by hand in 64s`,
      'writers.rate',
      'better-sqlite3',
      'writers.byHand.rate',
      1.3,
      results,
    ),
  ]
}

/** Against the bare loop that our commits are like. */
function singleCommit(results: Results): Verdict {
  const onThread = results.median(OURS, 'probe.onThread') >= 0.5
  const zeroFilled = results.median(OURS, 'probe.filled') >= 0.5
  const style = BARE_STYLES.find((one) => one.onThread === onThread && one.zeroFilled === zeroFilled)!
  const least = 0.8
  const rounds = results.values(OURS, `bare.${style.name}.p50`)
  const ours = results.values(OURS, 'commits.wall.p50')
  // Both were taken in turns in one process: each round has a ratio of its own.
  const shares = rounds.map((bare, round) => bare / (ours[round] ?? Number.NaN))
  const value = shares.length === 0 ? Number.NaN : shares.sort((a, b) => a - b)[shares.length >> 1]!
  return verdict(
    'one durable document a commit, p50',
    `${least}x the ${BARE} (${style.name})`,
    shownFigure(value, 'times'),
    holds(value, (measured) => measured >= least),
  )
}

function bestScan(what: string, name: string, least: number, results: Results): Verdict {
  const known = PEERS.map((peer) => ({ peer, rate: results.median(peer, 'scan.id.rate') })).filter(
    ({ rate }) => !Number.isNaN(rate),
  )
  const best = known.sort((a, b) => b.rate - a.rate)[0]
  const value = results.median(OURS, name) / (best?.rate ?? Number.NaN)
  const met = holds(value, (measured) => measured >= least)
  return verdict(
    what,
    `${least}x the best peer`,
    `${shownFigure(value, 'times')} ${best?.peer ?? ''}`.trim(),
    met,
  )
}

/**
 * Bytes of an update as multiples of its document.
 * @param bare most without zero-fill, for batches of 10 and more.
 * @param counted most with zero-fill counted, and for single updates.
 */
export function updateTargets(results: Results, engine: string, bare: number, counted: number): Verdict[] {
  return UPDATE_BATCHES.map((batch) => {
    const all = results.median(engine, `updates.${batch}.bytes`) / DOCUMENT_BYTES
    const filled = results.median(engine, `updates.${batch}.filled`) / DOCUMENT_BYTES
    const without = all - filled
    const target = batch === 1 ? `${counted}x` : `${bare}x, ${counted}x with zero-fill`
    return verdict(
      `bytes written a random update, batches of ${batch}`,
      target,
      `${shownFigure(without, 'times')}, ${shownFigure(all, 'times')} with zero-fill`,
      holds(all, () => all <= counted && (batch === 1 || without <= bare)),
    )
  })
}

export function atMost(what: string, name: string, unit: Unit, most: number, results: Results): Verdict {
  const values = results.values(OURS, name)
  const worst = values.length === 0 ? Number.NaN : Math.max(...values)
  const met = holds(worst, (measured) => measured <= most)
  return verdict(what, `at most ${shownFigure(most, unit)}`, shownFigure(worst, unit), met)
}

/** The first commits run code that is not compiled yet: how much that makes is stated beside. */
function commitCpu(results: Results): Verdict {
  const all = atMost('engine CPU within a commit, worst', 'load.commitCpu.worst', 'us', 10_000, results)
  const warm = atMost('', 'load.commitCpu.worstWarm', 'us', 10_000, results)
  return { ...all, figure: `${all.figure}, ${warm.figure} once warm` }
}

/** Proof that a commit that was answered had been synced. */
function durability(engine: string, results: Results): Verdict {
  const onThread = results.median(engine, 'syncs.perCommit')
  const inPool = results.median(engine, 'async-syncs.perCommit')
  const met = holds(Math.min(onThread, inPool), (least) => least >= 1)
  const figure = `${shownFigure(onThread, 'count')}, ${shownFigure(inPool, 'count')} called as by many`
  return verdict(`syncs a commit, ${engine}`, 'at least 1', figure, met)
}

function beside(what: string, name: string, results: Results): Verdict {
  const ours = shownFigure(results.median(OURS, name), 'us')
  return verdict(what, 'stated', `${ours}, ${shownFigure(results.median(BARE, name), 'us')}`, undefined)
}

/** An opening after a kill, at any size. */
export const OPEN_TARGET_MS = 300

/** The budget of the cache and 200 MB. */
export const MEMORY_TARGET_BYTES = USUAL_CACHE_BYTES + 200_000_000
