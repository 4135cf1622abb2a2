/** The process in which a store does one workload: `node child.js JOB`, answers by messages. */
import { mkdir, rm } from 'node:fs/promises'
import { systemClock } from '../../base/clock.ts'
import { BODY_BYTES, ID_BYTES } from '../measure/documents.ts'
import { allocatedBytes } from '../measure/process-figures.ts'
import { serveStep } from '../measure/step-process.ts'
import type { ActionSource } from './action.ts'
import { type Driven, drive, driveTogether } from './drive.ts'
import type { Figures, Job, RunResult } from './job.ts'
import { MeasuredStore } from './measured-store.ts'
import {
  commitSource,
  FIRST_COMMITTED,
  FIRST_OF_WRITERS,
  getSource,
  loadSource,
  rangeSource,
  scanSource,
  updateSource,
} from './own.ts'
import { Recorder } from './recorder.ts'
import { YCSB_NAMES, YcsbSource, ycsbBytes, ycsbLoadSource } from './ycsb.ts'

const WRITERS = 64
/** Of the measured time, before it. */
const WARM_SHARE = 1 / 4
const MS = 1000

/** That hold something back until the close. */
const CLOSES = ['load-sequential', 'load-random', 'updates', 'ycsb-load']

/** The workloads after which what is there is known byte by byte. */
const KNOWN = ['load-sequential', 'load-random', 'updates', 'ycsb-load', 'ycsb-a']

function sourceOf(job: Job): ActionSource {
  const { workload } = job
  if (workload === 'load-sequential') return loadSource(job, 'sequential')
  if (workload === 'load-random') return loadSource(job, 'random')
  if (workload === 'gets') return getSource(job)
  if (workload === 'scans') return scanSource()
  if (workload === 'ranges') return rangeSource(job)
  if (workload === 'updates') return updateSource(job)
  if (workload === 'commits' || workload === 'sync-probe') return commitSource(job, FIRST_COMMITTED)
  if (workload === 'writers') return commitSource(job, FIRST_OF_WRITERS)
  if (workload === 'ycsb-load') return ycsbLoadSource(job)
  const name = YCSB_NAMES.find((each) => workload === `ycsb-${each}`)
  if (name === undefined) throw new Error(`there is no workload ${workload}`)
  return new YcsbSource({ ...job, name })
}

/** Loads are done once and whole; all else goes on for a time, and has been warmed before. */
function isLoad(workload: string): boolean {
  return workload.startsWith('load-') || workload === 'ycsb-load'
}

async function run(job: Job, progress: (done: number) => void): Promise<RunResult> {
  const store = await MeasuredStore.of(job.words)
  try {
    await mkdir(job.folder, { recursive: true })
    return await measure(store, job, progress)
  } finally {
    await store.end()
  }
}

async function measure(store: MeasuredStore, job: Job, progress: (done: number) => void): Promise<RunResult> {
  const { workload, settings, cacheBytes, folder, durable } = job
  const base = store.usage
  await store.open(folder, { settings, cacheBytes })
  if (job.fills) await fill(store, job)
  const before = store.usage
  const source = sourceOf(job)
  const go = (ms: number, actions: number, recorder: Recorder | undefined): Promise<Driven> =>
    workload === 'writers'
      ? driveTogether(store, source, { ms, actions, durable }, WRITERS, recorder, progress)
      : drive(store, source, { ms, actions, durable }, recorder, progress)
  const whole = isLoad(workload) || workload === 'sync-probe'
  const ms = whole ? Number.POSITIVE_INFINITY : job.seconds * MS
  const warm = whole ? undefined : await go(ms * WARM_SHARE, job.actions, undefined)
  const recorder = new Recorder()
  const most = isLoad(workload) ? Number.POSITIVE_INFINITY : job.actions
  const driven = await go(ms, most, recorder)
  const closing = systemClock.monotonic()
  await store.close()
  const closeMs = systemClock.monotonic() - closing
  const after = store.usage
  // What was put first is still being written while the rest is.
  const userBytes = job.fills ? Number.NaN : driven.userBytes + (warm?.userBytes ?? 0)
  const live = KNOWN.includes(workload) ? liveBytes(job) : 0
  const figures: Figures = {
    rate: (recorder.total / driven.activeMs) * MS,
    cpuUs: driven.cpuUs / recorder.total,
    peakMemoryBytes: after.peakMemoryBytes,
    baseMemoryBytes: base.peakMemoryBytes,
    closeMs: CLOSES.includes(workload) ? closeMs : Number.NaN,
    writeAmplification: (after.writtenBytes - before.writtenBytes) / userBytes,
    // Nothing at all is no device: a tmpfs.
    deviceAmplification: (after.deviceBytes - before.deviceBytes || Number.NaN) / userBytes,
    spaceAmplification: store.introduction.keepsNothing === true ? Number.NaN : allocatedBytes(folder) / live,
  }
  if (workload === 'sync-probe') await rm(folder, { recursive: true, force: true })
  return { figures: known(figures), latencies: recorder.latencies(), buckets: recorder.buckets }
}

function liveBytes({ workload, records }: Job): number {
  return workload.startsWith('ycsb') ? ycsbBytes(records) : records * (ID_BYTES + BODY_BYTES)
}

async function fill(store: MeasuredStore, job: Job): Promise<void> {
  const source = job.workload.startsWith('ycsb') ? ycsbLoadSource(job) : loadSource(job, 'random')
  const limits = { ms: Number.POSITIVE_INFINITY, actions: Number.POSITIVE_INFINITY, durable: false }
  await drive(store, source, limits, undefined, () => {})
}

/** Those that are numbers. */
function known(figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => Number.isFinite(value)))
}

await serveStep(run)
