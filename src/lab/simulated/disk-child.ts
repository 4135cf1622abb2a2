/** Plays one case in this process, whatever the store does to it: `disk-child JOB`, the job as JSON. */

import { Coverage } from '../coverage.ts'
import { Wrong } from '../crash/verdict.ts'
import { LabError } from '../lab-error.ts'
import { loadStore } from '../load-store.ts'
import { serveStep } from '../measure/step-process.ts'
import type { DiskJob, DiskOutcome } from './disk-job.ts'
import { playDiskLives } from './disk-lives.ts'

/** Whether an error nobody waited for is that of a store whose process would not exist any more. */
function isOfTheDead(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (/The simulated (machine has no power|process was killed)|: simulated, /.test(cause.message))
      return true
  }
  return false
}

async function play({ words, settings, case_, states }: DiskJob, tell: () => void): Promise<DiskOutcome> {
  const coverage = new Coverage()
  const played: number[] = []
  const goesOn = (life: number) => {
    tell()
    if (coverage.of('states') >= states) return false
    played.push(life)
    return true
  }
  let stop: (wrong: Wrong) => void = () => {}
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = reject
  })
  const onError = (error: unknown) => {
    if (isOfTheDead(error)) return
    const what = error instanceof Error ? error.message : String(error)
    stop(new Wrong('ended by itself', `an error that nobody waited for: ${what}`))
  }
  process.on('unhandledRejection', onError)
  process.on('uncaughtException', onError)
  const store = await loadStore(words)
  const outcome = (wrong: Wrong | undefined): DiskOutcome => ({
    wrong: wrong && { kind: wrong.kind, what: wrong.what },
    played,
    counts: coverage.entries(),
  })
  try {
    await Promise.race([playDiskLives(store, settings, case_, coverage, goesOn), stopped])
    return outcome(undefined)
  } catch (error) {
    if (error instanceof Wrong) return outcome(error)
    if (error instanceof LabError) return outcome(new Wrong('ended by itself', error.message))
    throw error
  }
}

await serveStep<DiskJob, DiskOutcome>((job, progress) => play(job, () => progress(0)))
