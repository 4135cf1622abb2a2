/**
 * Processes killed while they write, and the time that an open takes afterwards. Each kill falls at a random time
 * within a few seconds of random updates; the open that follows is a process of its own, and closes the store.
 */
import type { Random } from '../../test/support/random.ts'
import { killStep, runStep } from './children.ts'
import type { Figures, Job } from './step.ts'

/** Updates that a victim never gets done. */
const ENDLESS = Number.MAX_SAFE_INTEGER

/** Returns the figures of each open. */
export async function killAndReopen(
  job: Omit<Job, 'step' | 'operations'>,
  kills: number,
  longestMs: number,
  random: Random,
  onProgress: (done: number) => void,
): Promise<Figures[]> {
  const opens: Figures[] = []
  for (let i = 0; i < kills; i++) {
    const round = job.round * 1000 + i
    await killStep({ ...job, step: 'victim', operations: ENDLESS, round }, random.int(longestMs))
    opens.push(await runStep({ ...job, step: 'reopen', operations: 1 }, () => {}))
    onProgress((i + 1) / kills)
  }
  return opens
}
