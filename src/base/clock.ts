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
  /**
   * Runs `callback` once after `delayMs`. The timer keeps the process alive only where `isAwaited`: a promise waits for it,
   * and perhaps nothing else goes on. Returns a canceller.
   */
  after(delayMs: number, callback: () => void, isAwaited?: boolean): () => void
  /** Resolves when all has come that the present turn of the event loop brings. A simulation's turns end at once. */
  turnEnd?(): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback, isAwaited = false) {
    const timer = setTimeout(callback, delayMs)
    if (!isAwaited) timer.unref()
    return () => clearTimeout(timer)
  },
  turnEnd: () =>
    new Promise((resolve) => {
      setImmediate(resolve)
    }),
}
