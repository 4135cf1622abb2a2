/** Starting the processes of the steps. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { countSyncs, startStep } from '../../src/lab/measure/step-process.ts'
import type { Figures, Job } from './step.ts'

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url))
/**
 * Of V8's heap, whichever engine it is: the server lets it grow no further than to twice what is in use (src/cli/main.ts), V8 to four
 * times; each half of the young generation is 2 MB at the most there (src/base/young-generation.ts), V8 makes it 16, of which 8 cost no
 * time.
 */
const HEAP_OPTIONS = ['--heap-growing-percent=100', '--max-semi-space-size=8']

/** @param nodeOptions for node itself, before the program. */
export async function runStep(
  job: Job,
  onProgress: (done: number) => void,
  nodeOptions: readonly string[] = [],
): Promise<Figures> {
  return start(job, onProgress, nodeOptions).result
}

function start(
  job: Job,
  onProgress: (done: number) => void,
  nodeOptions: readonly string[] = [],
): { process: ChildProcess; result: Promise<Figures> } {
  mkdirSync(job.folder, { recursive: true })
  const name = `${job.engine}, ${job.step}`
  return startStep<Figures>({
    program: PROGRAM,
    job,
    name,
    onProgress,
    nodeOptions: [...HEAP_OPTIONS, ...nodeOptions],
  })
}

/**
 * Kills the step `afterMs` after its first sign of life, by SIGKILL. Rejects when it ended by itself before.
 */
export async function killStep(job: Job, afterMs: number): Promise<void> {
  let alive: () => void = () => {}
  const sign = new Promise<void>((resolve) => {
    alive = resolve
  })
  const { process: child, result } = start(job, alive)
  let over = false
  const ended = result.then(
    () => undefined,
    (error: unknown) => error,
  )
  void ended.then(() => {
    over = true
  })
  await Promise.race([sign, ended])
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  if (over) throw (await ended) ?? new Error(`${job.engine}: ended before it was killed`)
  child.kill('SIGKILL')
  await ended
}

/** Syncs by name that a step makes; undefined where they cannot be counted. */
export async function countCalls(job: Job): Promise<Record<string, number> | undefined> {
  mkdirSync(job.folder, { recursive: true })
  return countSyncs(PROGRAM, job)
}
