/** Case after case of one target, until one fails or what was asked for is done. */
import { systemClock } from '../src/base/clock.ts'
import { shrink } from '../src/lab/shrink.ts'
import { type Failure, playCase } from './case.ts'
import { Coverage } from './coverage.ts'
import { derivedSeed, firstEvents } from './script.ts'
import type { Player, Target } from './target.ts'

export interface RunLimits {
  readonly seed: number
  /** Over all cases. */
  readonly events: number
  readonly seconds: number
  /** Of one case alone, the numbers of its events. */
  readonly only?: readonly number[] | undefined
  readonly store?: string | undefined
  readonly threads?: number | undefined
  /** Hears after each case how many events there were, and for how long, of what was asked for. */
  readonly onProgress?: ((events: number, seconds: number) => void) | undefined
}

export interface RunOutcome {
  readonly passed: number
  readonly events: number
  readonly coverage: Coverage
  readonly failure: Failure | undefined
}

/** The first case has the seed that was given: what a failing case is called by repeats it alone. */
function caseSeed(seed: number, index: number): number {
  return index === 0 ? seed : derivedSeed(seed, index)
}

export async function runTarget(target: Target, limits: RunLimits): Promise<RunOutcome> {
  const coverage = new Coverage()
  const beginMs = systemClock.now()
  const endMs = beginMs + limits.seconds * 1000
  const player = await target.open({ store: limits.store, threads: limits.threads })
  let events = 0
  let passed = 0
  try {
    for (let index = 0; ; index++) {
      const isOver = limits.only !== undefined ? index > 0 : events >= limits.events
      if (isOver || (index > 0 && systemClock.now() >= endMs)) break
      const count = Math.min(target.caseEvents, limits.events - events)
      const numbers = limits.only ?? firstEvents(count)
      const failure = await playCase(target, player, caseSeed(limits.seed, index), numbers, coverage)
      events += failure === undefined ? numbers.length : failure.numbers.length
      limits.onProgress?.(events, (systemClock.now() - beginMs) / 1000)
      if (failure !== undefined) return { passed, events, coverage, failure }
      passed += 1
    }
    return { passed, events, coverage, failure: undefined }
  } finally {
    await closeQuietly(player)
  }
}

/** The shortest event list that still fails, sought for at most `seconds`; its error with it. */
export async function shortestFailure(target: Target, failure: Failure, seconds: number): Promise<Failure> {
  const endMs = systemClock.now() + seconds * 1000
  const player = await target.open()
  let shortest = failure
  try {
    await shrink(
      failure.numbers,
      async (numbers) => {
        const again = await playCase(target, player, failure.seed, numbers, new Coverage())
        if (again !== undefined) shortest = again
        return again !== undefined
      },
      () => systemClock.now() < endMs,
    )
  } finally {
    await closeQuietly(player)
  }
  return shortest
}

/** What a broken case left behind may not close; the failure was told already. */
async function closeQuietly(player: Player): Promise<void> {
  await player.close().catch(() => undefined)
}
