/**
 * Time, as everything but this file sees it: passed in, so that tests and simulations move it by hand. This
 * is the only place that asks the machine for the time.
 */
import { performance } from 'node:perf_hooks'

export interface Clock {
  /** Milliseconds since the Unix epoch. Corrections move it to and fro: for dates, never for how long something took. */
  now(): number
  /** Milliseconds since some moment, only ever growing; as timers count them. Stands still while the machine sleeps. */
  monotonic(): number
  /** Runs `callback` once after `delayMs`; the timer does not keep the process alive. Returns a canceller. */
  after(delayMs: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
