/** Real time and real randomness: what a store is given unless its caller brings its own. */
import { randomFillSync } from 'node:crypto'
import type { Clock, RandomBytes } from '../clock.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

export const systemRandom: RandomBytes = (target) => {
  randomFillSync(target)
}
