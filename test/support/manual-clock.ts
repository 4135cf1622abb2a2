import type { Clock } from '../../src/base/clock.ts'

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Changes the date, as a correction does or a machine that was asleep: timers know nothing of it. */
  jump(ms: number): void
  /** Moves on, running what falls due, in the order of its time. */
  advance(ms: number): void
  /** Timers that have not run. */
  readonly pending: number
}

export function manualClock(startMs = 1_700_000_000_000): ManualClock {
  let nowMs = startMs
  /** By how much the date is ahead of what timers count. */
  let jumpedMs = 0
  const timers = new Set<{ atMs: number; callback: () => void }>()
  return {
    now: () => nowMs + jumpedMs,
    monotonic: () => nowMs - startMs,
    jump(ms) {
      jumpedMs += ms
    },
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
    get pending() {
      return timers.size
    },
  }
}
