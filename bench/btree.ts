/**
 * The storage engine beside its peers: lmdb, classic-level, better-sqlite3, and a bare loop of write and
 * fdatasync.
 *
 *     npm run peers
 *
 * Each engine does each part in a process of its own, the engines one after another within a part. A peer that is
 * not installed is left out. docs/PERFORMANCE.md says how to read the tables.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import { runLab } from '../src/lab/command-line.ts'
import { processConsole } from '../src/lab/console.ts'
import { DOCUMENT_BYTES } from '../src/lab/measure/documents.ts'
import { describeMachine, type Machine, machineOf } from '../src/lab/measure/machine.ts'
import { Progress } from '../src/lab/measure/progress.ts'
import { PeerMissing } from '../src/lab/peers/adapter.ts'
import { Random } from '../test/support/random.ts'
import { type BtreeArguments, type Part, parseBtreeArguments } from './btree/arguments.ts'
import { countCalls, runStep } from './btree/children.ts'
import { killAndReopen } from './btree/kills.ts'
import { plannedStep, turnOrder, USUAL_CACHE_BYTES } from './btree/plan.ts'
import { figuresTable, ownTable, verdictTable } from './btree/report.ts'
import { Results } from './btree/results.ts'
import { BARE, type Job } from './btree/step.ts'
import { btreeTargets } from './btree/targets.ts'
import { engineNamed, OURS } from './peers/engines.ts'
import { writeResults } from './results-file.ts'
import { type Benchmark, withFolder } from './tools.ts'

type Print = (line: string) => void

/** Longest time between a victim's first commits and its end, for each 100,000 documents and at most. */
const KILL_MS_PER_100K = 300
const LONGEST_KILL_MS = 3000
const SYNC_COMMITS = [50, 250] as const

export const btree: Benchmark = {
  summary: 'the storage engine beside lmdb, classic-level, better-sqlite3',
  flags:
    '[--documents 1000000] [--rounds 3] [--engines ours,lmdb] [--only load,gets] [--kills 10] [--seed 1] [--folder PATH] [--out FILE] [--profile FOLDER]\n       npm run bench -- btree --store STORE …, as davenport lab bench --help says',
  async run(args, print) {
    if (args.some((word) => /^--store(=|$)/.test(word))) {
      process.exitCode = await benchStores(args)
      return
    }
    const wanted = parseBtreeArguments(args)
    const engines = installed(wanted.engines, print)
    await withFolder(wanted.folder, async (folder) => {
      const started = systemClock.now()
      const machine = machineOf(folder)
      const run = new BtreeRun(wanted, Object.keys(engines), folder)
      await run.all()
      const verdicts = btreeTargets(run.results)
      for (const line of describe(wanted, machine)) print(line)
      for (const line of figuresTable(run.results, Object.keys(engines))) print(line)
      print('')
      for (const line of ownTable(run.results)) print(line)
      print('')
      for (const line of verdictTable(verdicts)) print(line)
      for (const note of run.notes) print(note)
      for (const failure of run.failures) print(`FAILED: ${failure}`)
      if (run.failures.length > 0) process.exitCode = 1
      const path = writeResults('btree', new Date(started), wanted.out, {
        benchmark: 'btree',
        date: new Date(started).toISOString(),
        seconds: Math.round((systemClock.now() - started) / 1000),
        machine,
        asked: wanted,
        documentBytes: DOCUMENT_BYTES,
        engines,
        results: run.results,
        targets: verdicts,
        failures: run.failures,
        notes: [...run.notes],
      })
      if (path !== undefined) print(`written to ${path}`)
    })
  },
}

/** Stores of others go to `davenport lab bench`, with the words that it takes. Resolves with the exit status. */
function benchStores(args: readonly string[]): Promise<number> {
  return runLab(['bench', ...args], processConsole)
}

function describe({ documents, rounds }: BtreeArguments, machine: Machine): string[] {
  return [
    `${documents} documents of ${DOCUMENT_BYTES} B, ${rounds} rounds`,
    describeMachine(machine),
    'median (least..most of the rounds); behind each peer how many times better ours is',
    '',
  ]
}

/** Version and durability by name, of those that are there; says which are not. */
function installed(names: readonly string[], print: Print): Record<string, object> {
  const there: Record<string, object> = {}
  for (const name of names) {
    try {
      if (name === BARE) there[name] = { durability: 'fdatasync' }
      else {
        const { version, durability } = engineNamed(name)
        there[name] = { version, durability }
      }
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error
      print(`left out: ${error.message}`)
    }
  }
  return there
}

class BtreeRun {
  readonly results = new Results()
  readonly failures: string[] = []
  /** What could not be measured here. */
  readonly notes = new Set<string>()
  readonly #wanted: BtreeArguments
  readonly #engines: readonly string[]
  readonly #folder: string
  readonly #random: Random
  readonly #progress: Progress

  constructor(wanted: BtreeArguments, engines: readonly string[], folder: string) {
    this.#wanted = wanted
    this.#engines = engines
    this.#folder = folder
    this.#random = new Random(wanted.seed)
    this.#progress = new Progress(this.#steps().length)
  }

  #steps(): { round: number; part: Part; engine: string }[] {
    const { rounds, parts } = this.#wanted
    const steps: { round: number; part: Part; engine: string }[] = []
    for (let round = 0; round < rounds; round++) {
      for (const part of parts) {
        if (part === 'syncs' && round > 0) continue
        for (const engine of turnOrder(this.#engines, round)) {
          if (part !== 'load' && part !== 'syncs' && engine === BARE) continue
          steps.push({ round, part, engine })
        }
      }
    }
    return steps
  }

  async all(): Promise<void> {
    let current = 0
    const broken = new Set<string>()
    for (const { round, part, engine } of this.#steps()) {
      if (round !== current) {
        this.#clear()
        broken.clear()
        current = round
      }
      this.#progress.begin(`round ${round + 1}, ${part}, ${engine}`)
      try {
        if (!broken.has(engine)) await this.#step(round, part, engine)
      } catch (error) {
        // Without its documents the engine's other parts of the round would measure nothing.
        if (part === 'load') broken.add(engine)
        this.failures.push(error instanceof Error ? error.message : String(error))
      }
      this.#progress.end()
    }
    this.#progress.close()
  }

  #clear(): void {
    for (const engine of this.#engines) rmSync(this.#folderOf(engine), { recursive: true, force: true })
  }

  #folderOf(engine: string): string {
    return join(this.#folder, engine.replace(' ', '-'))
  }

  async #step(round: number, part: Part, engine: string): Promise<void> {
    const folder = this.#folderOf(engine)
    if (part === 'kills') return this.#kills(round, engine)
    if (part === 'syncs') return this.#syncs(engine)
    const planned = plannedStep(part, engine, folder, round, this.#wanted)
    if (planned === undefined) return
    const { profile } = this.#wanted
    const profiling =
      profile === undefined || engine !== OURS ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
    const figures = await runStep(planned.job, (done) => this.#progress.within(done), profiling)
    this.results.add(engine, figures, planned.suffix)
  }

  #job(round: number, engine: string, folder: string): Omit<Job, 'step' | 'operations'> {
    const { documents, seed } = this.#wanted
    return { engine, folder, documents, seed, round, cacheBytes: USUAL_CACHE_BYTES }
  }

  /** The kills are shared out among the rounds. */
  async #kills(round: number, engine: string): Promise<void> {
    const { kills, rounds, documents } = this.#wanted
    const count = Math.floor(((round + 1) * kills) / rounds) - Math.floor((round * kills) / rounds)
    const longestMs = Math.min(LONGEST_KILL_MS, 200 + (KILL_MS_PER_100K * documents) / 100_000)
    const opens = await killAndReopen(
      this.#job(round, engine, this.#folderOf(engine)),
      count,
      longestMs,
      this.#random,
      (done) => this.#progress.within(done),
    )
    for (const { openMs = Number.NaN, cpuMs = Number.NaN } of opens) {
      this.results.add(engine, { 'kills.openMs': openMs, 'kills.cpuMs': cpuMs })
    }
  }

  /** Of both call styles; nothing where strace may not count. */
  async #syncs(engine: string): Promise<void> {
    for (const step of ['syncs', 'async-syncs']) {
      const perCommit = await this.#syncsOf(step, engine)
      if (perCommit !== undefined) this.results.add(engine, { [`${step}.perCommit`]: perCommit })
    }
  }

  /** Syncs of a commit: what more commits cost more, so that opening and closing do not count. */
  async #syncsOf(step: string, engine: string): Promise<number | undefined> {
    const counts: number[] = []
    for (const operations of SYNC_COMMITS) {
      const folder = join(this.#folder, 'syncs')
      const calls = await countCalls({ ...this.#job(0, engine, folder), step, operations })
      if (calls === undefined) {
        this.notes.add('syncs were not counted: strace is not there or may not trace')
        return undefined
      }
      counts.push(Object.values(calls).reduce((sum, count) => sum + count, 0))
    }
    const [few, many] = SYNC_COMMITS
    return (counts[1]! - counts[0]!) / (many - few)
  }
}
