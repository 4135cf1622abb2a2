/** Cases on the simulated disk, each in a process of its own: what a store does to its process ends no search. */
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import type { Play } from '../crash/lives-search.ts'
import type { Settings } from '../crash/subject.ts'
import { Wrong } from '../crash/verdict.ts'
import { messageOf } from '../lab-error.ts'
import { startStep } from '../measure/step-process.ts'
import type { DiskJob, DiskOutcome } from './disk-job.ts'
import type { FaultName } from './faults.ts'

/** A life that takes longer hangs. */
const MOST_LIFE_MS = 60_000

/** @param states after which no life is begun, over all cases of a search. */
export function diskLivesOf(
  words: string,
  settings: Settings,
  faults: readonly FaultName[],
  states: number,
): Play {
  return async ({ seed, lives }, coverage) => {
    const left = Math.min(states, Number.MAX_SAFE_INTEGER) - coverage.of('states')
    const job: DiskJob = { words, settings, case_: { seed, lives, faults }, states: left }
    let isLate = false
    let cancel = () => {}
    const alive = () => {
      cancel()
      cancel = systemClock.after(MOST_LIFE_MS, () => {
        isLate = true
        step.process.kill('SIGKILL')
      })
    }
    const step = startStep<DiskOutcome>({
      program: fileURLToPath(new URL('./disk-child.js', import.meta.url)),
      job,
      name: 'the store',
      onProgress: alive,
    })
    alive()
    try {
      const { wrong, played, counts } = await step.result
      coverage.add(counts)
      return { wrong: wrong && new Wrong(wrong.kind, wrong.what), lives: played }
    } catch (error) {
      const wrong = isLate
        ? new Wrong('hangs', `a life of ${MOST_LIFE_MS / 1000} s`)
        : new Wrong('ended by itself', messageOf(error))
      return { wrong, lives }
    } finally {
      cancel()
    }
  }
}
