/** The only place, with `random.ts`, that reads the machine's clock; everything else is given one. */

/** Milliseconds since the Unix epoch. */
export type Now = () => number

export interface Clock {
  now: Now
  /**
   * Runs `callback` once after `delayMs`; returns a canceller. The timer keeps the process alive: what waits
   * for it may be the last thing to be done before the process may end.
   */
  after(delayMs: number, callback: () => void): () => void
}

export const systemNow: Now = () => Date.now()

export const systemClock: Clock = {
  now: systemNow,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}
