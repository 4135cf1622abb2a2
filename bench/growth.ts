/**
 * How the storage engine's costs grow with the number of entries: 10^4, 10^5, 10^6 and 10^7.
 *
 * Each size has a store of its own, loaded once; each part of the work is done in a process of its own, `rounds`
 * times, but for the bytes of updates, which do not vary. The budget is 256 MiB, but for the gets
 * with a cache of 5 % of the file.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { DOCUMENT_BYTES } from '../src/lab/measure/documents.ts'
import { describeMachine, machineOf } from '../src/lab/measure/machine.ts'
import { Progress } from '../src/lab/measure/progress.ts'
import { Random } from '../test/support/random.ts'
import { wholeNumber } from './btree/arguments.ts'
import { runStep } from './btree/children.ts'
import { killAndReopen } from './btree/kills.ts'
import { USUAL_CACHE_BYTES } from './btree/plan.ts'
import { verdictTable } from './btree/report.ts'
import { Results } from './btree/results.ts'
import type { Job } from './btree/step.ts'
import { growthTable, growthTargets } from './growth-report.ts'
import { OURS } from './peers/engines.ts'
import { writeResults } from './results-file.ts'
import { type Benchmark, withFolder } from './tools.ts'

const SMALLEST = 10_000
const GETS = 200_000
const MOST_SCANNED = 1_000_000
const CACHE_SHARE = 0.05
const KILL_MS_PER_100K = 300
const LONGEST_KILL_MS = 3000

interface GrowthArguments {
  max: number
  rounds: number
  kills: number
  seed: number
  folder: string | undefined
  out: string | undefined
}

export const growth: Benchmark = {
  summary: 'the storage engine from 10^4 to 10^7 entries: cost and memory',
  flags: '[--max 10000000] [--rounds 3] [--kills 10] [--seed 1] [--folder PATH] [--out FILE]',
  async run(args, print) {
    const wanted = parseGrowthArguments(args)
    const sizes = sizesUpTo(wanted.max)
    await withFolder(wanted.folder, async (folder) => {
      const started = systemClock.now()
      const machine = machineOf(folder)
      const results = new Results()
      const progress = new Progress(sizes.length * stepsOf(wanted.rounds))
      for (const size of sizes) {
        const of = new GrowthOfSize(size, wanted, join(folder, String(size)), results, progress)
        await of.run()
      }
      progress.close()
      const verdicts = growthTargets(results)
      print(`documents of ${DOCUMENT_BYTES} B, ${wanted.rounds} rounds`)
      print(describeMachine(machine))
      for (const line of growthTable(results, sizes)) print(line)
      print('')
      for (const line of verdictTable(verdicts)) print(line)
      const path = writeResults('growth', new Date(started), wanted.out, {
        benchmark: 'growth',
        date: new Date(started).toISOString(),
        seconds: Math.round((systemClock.now() - started) / 1000),
        machine,
        asked: wanted,
        documentBytes: DOCUMENT_BYTES,
        results,
        targets: verdicts,
      })
      if (path !== undefined) print(`written to ${path}`)
    })
  },
}

/** Throws TypeError or RangeError with a message for the user. */
export function parseGrowthArguments(args: string[]): GrowthArguments {
  const { values } = parseArgs({
    args,
    options: {
      max: { type: 'string', default: '10000000' },
      rounds: { type: 'string', default: '3' },
      kills: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      folder: { type: 'string' },
      out: { type: 'string' },
    },
  })
  return {
    max: wholeNumber('max', values.max, SMALLEST),
    rounds: wholeNumber('rounds', values.rounds, 1),
    kills: wholeNumber('kills', values.kills, 0),
    seed: wholeNumber('seed', values.seed, 0),
    folder: values.folder,
    out: values.out,
  }
}

/** The powers of ten from 10^4 on that do not exceed `max`. */
export function sizesUpTo(max: number): number[] {
  const sizes: number[] = []
  for (let size = SMALLEST; size <= max; size *= 10) sizes.push(size)
  return sizes
}

/** Gets twice, scans and batches in each round; load, bytes of updates and kills once. */
function stepsOf(rounds: number): number {
  return 4 * rounds + 3
}

class GrowthOfSize {
  readonly #size: number
  readonly #wanted: GrowthArguments
  readonly #folder: string
  readonly #results: Results
  readonly #progress: Progress

  constructor(size: number, wanted: GrowthArguments, folder: string, results: Results, progress: Progress) {
    this.#size = size
    this.#wanted = wanted
    this.#folder = folder
    this.#results = results
    this.#progress = progress
  }

  async run(): Promise<void> {
    const size = this.#size
    await this.#step('load', 0, size)
    const fileBytes = this.#results.median(String(size), 'load.fileBytes')
    for (let round = 0; round < this.#wanted.rounds; round++) {
      await this.#step('gets', round, GETS, 'Share', fileBytes * CACHE_SHARE)
      await this.#step('gets', round, GETS, '256')
      await this.#step('partial-scans', round, Math.min(size, MOST_SCANNED))
    }
    // What changes the file comes after what reads it.
    for (let round = 0; round < this.#wanted.rounds; round++) {
      await this.#step('batches', round, Math.min(Math.max(size / 5, 5000), 100_000))
    }
    await this.#step('updates', 0, size)
    await this.#kills()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #job(round: number): Omit<Job, 'step' | 'operations'> {
    const { seed } = this.#wanted
    return {
      engine: OURS,
      folder: this.#folder,
      documents: this.#size,
      cacheBytes: USUAL_CACHE_BYTES,
      seed,
      round,
    }
  }

  async #step(
    step: string,
    round: number,
    operations: number,
    suffix = '',
    cacheBytes: number = USUAL_CACHE_BYTES,
  ): Promise<void> {
    this.#progress.begin(`${this.#size.toLocaleString('en')} entries, ${step} ${suffix}`.trim())
    const job = { ...this.#job(round), step, operations, cacheBytes: Math.round(cacheBytes) }
    const figures = await runStep(job, (done) => this.#progress.within(done))
    this.#results.add(String(this.#size), figures, suffix)
    this.#progress.end()
  }

  async #kills(): Promise<void> {
    this.#progress.begin(`${this.#size.toLocaleString('en')} entries, kills`)
    const longestMs = Math.min(LONGEST_KILL_MS, 200 + (KILL_MS_PER_100K * this.#size) / 100_000)
    const opens = await killAndReopen(
      this.#job(0),
      this.#wanted.kills,
      longestMs,
      new Random(this.#wanted.seed),
      (done) => this.#progress.within(done),
    )
    for (const { openMs = Number.NaN, cpuMs = Number.NaN, peakMemory = Number.NaN } of opens) {
      const figures = { 'kills.openMs': openMs, 'kills.cpuMs': cpuMs, 'kills.peakMemory': peakMemory }
      this.#results.add(String(this.#size), figures)
    }
    this.#progress.end()
  }
}
