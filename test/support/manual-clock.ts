import type { Clock } from '../../src/base/clock.ts'

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves on, running what falls due, in the order of its time. */
  advance(ms: number): void
  /** Corrects the time of day, which timers do not see. */
  correct(ms: number): void
  /** Timers that have not run. */
  readonly pending: number
}

export function manualClock(startMs = 1_700_000_000_000): ManualClock {
  let nowMs = startMs
  let correctionMs = 0
  const timers = new Set<{ atMs: number; callback: () => void }>()
  return {
    now: () => nowMs + correctionMs,
    monotonic: () => nowMs,
    after(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const endMs = nowMs + ms
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
        if (next === undefined) break
        timers.delete(next)
        nowMs = next.atMs
        next.callback()
      }
      nowMs = endMs
    },
    correct(ms) {
      correctionMs += ms
    },
    get pending() {
      return timers.size
    },
  }
}
