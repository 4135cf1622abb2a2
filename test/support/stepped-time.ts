import { performance } from 'node:perf_hooks'
import type { Test } from 'tap'

/** Time that moves only as a test says, or by a little with each look at it. */
export interface SteppedTime {
  /** Milliseconds that each look takes. */
  lookMs: number
  looks: number
  advance(ms: number): void
}

/** Until the test is over, `performance.now` shows simulated time: what share of the loop work takes is exact then. */
export function steppedTime(t: Test): SteppedTime {
  let nowMs = performance.now()
  const time: SteppedTime = {
    lookMs: 0,
    looks: 0,
    advance: (ms) => {
      nowMs += ms
    },
  }
  const now = (): number => {
    time.looks += 1
    nowMs += time.lookMs
    return nowMs
  }
  Object.defineProperty(performance, 'now', { value: now, configurable: true })
  t.teardown(() => Reflect.deleteProperty(performance, 'now'))
  return time
}

/** What ran in which round of the event loop. */
export class TurnCounter {
  turns = 0
  #isOver = false

  constructor() {
    setImmediate(this.#count)
  }

  readonly #count = (): void => {
    this.turns += 1
    if (!this.#isOver) setImmediate(this.#count)
  }

  stop(): void {
    this.#isOver = true
  }
}
