/**
 * Bounds V8's young generation in the thread that the process began with, for which nothing can when the program runs: it would grow
 * to 32 MB, most of which is touched again and again for what is gone at once. What holds:
 * - V8 makes a young generation larger by a factor (`--semi-space-growth-factor`) when as much has outlived collections as it
 *   holds. The factor is one of the process: threads are begun with a bound of their own, or get by with what they begin with.
 * - An idle thread's is made smaller, so it is looked at again and again, as long as the thread has something to do.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { systemClock } from './clock.ts'

/** Both of its halves. Beyond a few megabytes what fits in the processor's cache counts more than collections that are spared. */
const ENOUGH_BYTES = 4 * 1024 * 1024
/** It takes some milliseconds of work to fill one. */
const PAUSE_MS = 20

let nextMs = Number.POSITIVE_INFINITY
let grows = true

/** From now on the young generation of this thread, which calls `watchYoungGeneration` while it works, is kept small. */
export function keepYoungGenerationSmall(): void {
  // Of threads that begin from now on, which may not grow: what has been enough for those that take requests.
  setFlagsFromString('--min-semi-space-size=3')
  nextMs = 0
}

/** To be called often. Free of cost where the young generation may be as large as it wants to be. */
export function watchYoungGeneration(): void {
  if (nextMs === Number.POSITIVE_INFINITY) return
  const now = systemClock.monotonic()
  if (now < nextMs) return
  nextMs = now + PAUSE_MS
  const isLess = youngGenerationBytes() < ENOUGH_BYTES
  if (isLess === grows) return
  grows = isLess
  setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`)
}

/** Memory of this thread's young generation, as far as V8 has got it. */
export function youngGenerationBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
}
