/**
 * Time, as everything but this file sees it: passed in, so that tests and simulations move it by hand. This
 * is the only place that asks the machine for the time.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. It may jump, forwards and backwards: use it for dates alone. */
  now(): number
  /** Milliseconds since some moment. It never jumps and never goes back: use it for how long something takes. */
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
