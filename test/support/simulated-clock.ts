/** Time and randomness that only a test moves. */
import type { Clock, RandomBytes } from '../../native-free-btree/clock.ts'
import type { Random } from './random.ts'

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

export class SimulatedClock implements Clock {
  private nowMs: number
  private order = 0
  private readonly timers = new Set<Timer>()

  constructor(startMs = 1_700_000_000_000) {
    this.nowMs = startMs
  }

  now(): number {
    return this.nowMs
  }

  monotonic(): number {
    return this.nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.order++, callback }
    this.timers.add(timer)
    return () => {
      this.timers.delete(timer)
    }
  }

  /** How many timers wait; a store at rest should leave none. */
  get pending(): number {
    return this.timers.size
  }

  /** Moves time on, running what falls due in order, timers set meanwhile included. */
  advance(byMs: number): void {
    const untilMs = this.nowMs + byMs
    for (;;) {
      const timer = this.earliest()
      if (timer === undefined || timer.dueMs > untilMs) break
      this.timers.delete(timer)
      this.nowMs = timer.dueMs
      timer.callback()
    }
    this.nowMs = untilMs
  }

  private earliest(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.timers) {
      if (first === undefined) first = timer
      else if (timer.dueMs < first.dueMs) first = timer
      else if (timer.dueMs === first.dueMs && timer.order < first.order) first = timer
    }
    return first
  }
}

export function seededRandomBytes(random: Random): RandomBytes {
  return (target) => random.fill(target)
}
