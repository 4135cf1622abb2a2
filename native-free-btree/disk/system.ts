/** Real time and real randomness: what a store is given unless its caller brings its own. */
import { randomFillSync } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Clock, RandomBytes } from '../clock.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback, isAwaited = false) {
    const timer = setTimeout(callback, delayMs)
    if (!isAwaited) timer.unref()
    return () => clearTimeout(timer)
  },
  turnEnd: giveWay,
}

/** Of no known beginning: for durations. */
export function monotonicMs(): number {
  return performance.now()
}

/** Lets what waits in the event loop have its turn. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export const systemRandom: RandomBytes = (target) => {
  randomFillSync(target)
}
