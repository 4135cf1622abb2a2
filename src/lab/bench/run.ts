/** Runs workloads over stores: in rounds, the stores in turn within each, every workload in a process of its own. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { messageOf } from '../lab-error.ts'
import { storeSource } from '../load-store.ts'
import { machineOf } from '../measure/machine.ts'
import { machineCpuUs, treeCpuUs } from '../measure/process-cpu.ts'
import { countSyncs, startStep } from '../measure/step-process.ts'
import { withFolder } from '../measure/with-folder.ts'
import { type Introduction, introduce } from '../pipe/pipe-store.ts'
import { programOf } from '../pipe/program-of.ts'
import { StoreProcess } from '../pipe/store-process.ts'
import { derivedSeed } from '../random.ts'
import { type BenchFile, type BenchStore, FORMAT, VERSION } from './bench-file.ts'
import type { Distribution } from './chooser.ts'
import type { Job, RunResult } from './job.ts'
import { killAmidUpdates, openings } from './opening.ts'
import { BUCKET_MS } from './recorder.ts'
import { reasonAgainst, type Workload } from './workloads.ts'

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url))

/** A process that has said nothing for so long hangs. */
const SILENCE_MS = 120_000
/** Between which syncs are counted, so that opening and closing do not count. */
const SYNC_COMMITS = [20, 120] as const

export interface StoreWords {
  readonly words: string
  readonly settings: Readonly<Record<string, string>>
}

export interface BenchOptions {
  readonly stores: readonly StoreWords[]
  readonly workloads: readonly Workload[]
  readonly records: number
  readonly rounds: number
  readonly seconds: number
  readonly actions: number
  /** Kills, and openings, of each round. */
  readonly kills: number
  readonly seed: number
  readonly cacheBytes: number
  readonly durable: boolean
  readonly distribution: Distribution | undefined
  /** Parent of the folder of the run; undefined for the system's for temporary files. */
  readonly folder: string | undefined
}

export interface BenchProgress {
  begin(label: string): void
  within(share: number): void
  end(): void
}

/** Steps that a run has, for whoever shows how far it is. */
export function stepsOf({ stores, workloads, rounds }: BenchOptions): number {
  return stores.length * workloads.length * rounds
}

/** Rejects with LabError when a store is none; what fails later is told in the result. */
export async function runBench(options: BenchOptions, progress: BenchProgress): Promise<BenchFile> {
  const started = systemClock.now()
  const subjects = await subjectsOf(options.stores)
  let machine = machineOf(process.cwd())
  await withFolder(options.folder, async (folder) => {
    machine = machineOf(folder)
    for (let round = 0; round < options.rounds; round++) {
      for (const workload of options.workloads) {
        for (const subject of turn(subjects, round)) {
          progress.begin(`round ${round + 1}, ${workload.name}, ${subject.store.label}`)
          await runOnce(subject, workload, round, options, folder, progress)
          progress.end()
        }
      }
      for (const { index } of subjects)
        await rm(join(folder, String(index)), { recursive: true, force: true })
    }
  })
  const stores = subjects.map(({ store }) => store)
  const others = stores.flatMap(({ workloads }) =>
    Object.values(workloads).flatMap(({ rounds }) => rounds.map(({ figures }) => figures.othersCores ?? 0)),
  )
  const { workloads, stores: _, folder: _folder, ...asked } = options
  return {
    format: FORMAT,
    version: VERSION,
    date: new Date(started).toISOString(),
    seconds: Math.round((systemClock.now() - started) / 1000),
    machine,
    othersCores: Number.isNaN(machineCpuUs()) ? null : Math.max(0, ...others),
    asked: { ...asked, workloads: workloads.map(({ name }) => name) },
    bucketMs: BUCKET_MS,
    stores,
  }
}

interface Subject {
  readonly index: number
  readonly introduction: Introduction
  readonly store: BenchStore
  /** Loads that failed in this round: what stands on them would measure nothing. */
  readonly broken: Set<string>
}

async function subjectsOf(stores: readonly StoreWords[]): Promise<Subject[]> {
  const subjects: Subject[] = []
  for (const [index, { words, settings }] of stores.entries()) {
    const asked = new StoreProcess(programOf(storeSource(words)))
    const introduction = await introduce(asked).finally(() => asked.end())
    const { name, version, capabilities } = introduction
    const set = Object.entries(settings).map(([key, value]) => ` ${key}=${value}`)
    const plain = `${name}${set.join('')}`
    const same = subjects.filter(({ store }) => store.label.replace(/ #\d+$/, '') === plain).length
    const label = same === 0 ? plain : `${plain} #${same + 1}`
    const store = {
      label,
      words,
      settings,
      name,
      version,
      capabilities,
      workloads: {},
      leftOut: [],
      failures: [],
    }
    subjects.push({ index, introduction, store, broken: new Set() })
  }
  return subjects
}

/** The first is another one in each round. */
function turn<T>(items: readonly T[], round: number): T[] {
  const by = round % items.length
  return [...items.slice(by), ...items.slice(0, by)]
}

async function runOnce(
  subject: Subject,
  workload: Workload,
  round: number,
  options: BenchOptions,
  folder: string,
  progress: BenchProgress,
): Promise<void> {
  const { store, introduction, broken } = subject
  const { name, about, unit, loadedBy } = workload
  const reason = reasonAgainst(workload, introduction)
  if (reason !== undefined) {
    if (round === 0) store.leftOut.push({ workload: name, reason })
    return
  }
  if (loadedBy === undefined) broken.delete(name)
  else if (broken.has(loadedBy)) return
  // Syncs are counted, which no round changes.
  if (workload.how === 'syncs' && round > 0) return
  const { settings, words } = store
  const home = join(folder, String(subject.index), loadedBy ?? name)
  const startsAnew = introduction.keepsNothing === true ? loadedBy !== undefined : name === 'ycsb-e'
  if (startsAnew || loadedBy === undefined) await rm(home, { recursive: true, force: true })
  const { records, seconds, actions, cacheBytes, durable, distribution } = options
  const job: Job = {
    ...{
      workload: name,
      words,
      settings,
      folder: home,
      cacheBytes,
      records,
      seconds,
      actions,
      durable,
      distribution,
    },
    seed: derivedSeed(options.seed, round),
    fills: startsAnew,
  }
  const [machineUs, ownUs, startMs] = [machineCpuUs(), treeCpuUs(), systemClock.monotonic()]
  try {
    const result = await resultOf(job, workload, introduction, options, (done) => progress.within(done))
    if (result === undefined) {
      store.leftOut.push({ workload: name, reason: 'strace is not there, or may not trace' })
      return
    }
    const wallUs = (systemClock.monotonic() - startMs) * 1000
    const others = (machineCpuUs() - machineUs - (treeCpuUs() - ownUs)) / wallUs
    const figures = Number.isNaN(others) ? {} : { othersCores: Math.max(0, others) }
    store.workloads[name] ??= { about, unit, rounds: [] }
    store.workloads[name].rounds.push({ ...result, figures: { ...result.figures, ...figures } })
  } catch (error) {
    if (loadedBy === undefined) broken.add(name)
    store.failures.push({ workload: name, round, message: messageOf(error) })
  }
}

/** Undefined for what cannot be measured here. */
async function resultOf(
  job: Job,
  { how }: Workload,
  { capabilities: { transactions } }: Introduction,
  { kills }: BenchOptions,
  onProgress: (done: number) => void,
): Promise<RunResult | undefined> {
  if (how === 'opening') return openings(job, kills, async () => {}, onProgress)
  if (how === 'recovery') {
    return openings(job, kills, (number) => killAmidUpdates(job, number, transactions), onProgress)
  }
  if (how === 'syncs') return syncsOf(job)
  return inProcess(job, onProgress)
}

async function inProcess(job: Job, onProgress: (done: number) => void): Promise<RunResult> {
  let heard = systemClock.monotonic()
  const { process: child, result } = startStep<RunResult>({
    program: PROGRAM,
    job,
    name: job.workload,
    onProgress(done) {
      heard = systemClock.monotonic()
      onProgress(done)
    },
  })
  const watch = setInterval(() => {
    if (systemClock.monotonic() - heard > SILENCE_MS) child.kill('SIGKILL')
  }, SILENCE_MS / 10)
  try {
    return await result
  } finally {
    clearInterval(watch)
  }
}

/** What more commits cost more. */
async function syncsOf(job: Job): Promise<RunResult | undefined> {
  const counts: number[] = []
  for (const actions of SYNC_COMMITS) {
    const calls = await countSyncs(PROGRAM, { ...job, workload: 'sync-probe', actions, durable: true })
    if (calls === undefined) return undefined
    counts.push(Object.values(calls).reduce((sum, count) => sum + count, 0))
  }
  const [few = 0, many = 0] = counts
  const syncsPerCommit = (many - few) / (SYNC_COMMITS[1] - SYNC_COMMITS[0])
  return { figures: { syncsPerCommit }, latencies: {}, buckets: [] }
}
