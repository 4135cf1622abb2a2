/**
 * Keeps a job within a byte rate and a share of its thread's time, and ends it when it is told to. Called after
 * each piece of work; what it sleeps is short, so that a stop is seen soon.
 */
import { CompactionCancelled } from '../../native-free-btree/index.ts'
import { type JobControl, STOP, WHOLE_SHARE } from './control.ts'

const MOST_SLEEP_MS = 500
/** Sleeps are gathered until they are worth a timer. */
const LEAST_SLEEP_MS = 2

export class Pacer {
  readonly #control: JobControl
  readonly #bytesPerSecond: number
  readonly #nowMs: () => number
  #workSinceMs: number
  #owedMs = 0

  /** `nowMs` must not go back or leap: what it says was worked is slept for. */
  constructor(control: JobControl, bytesPerSecond: number, nowMs: () => number) {
    this.#control = control
    this.#bytesPerSecond = bytesPerSecond
    this.#nowMs = nowMs
    this.#workSinceMs = nowMs()
  }

  /** Throws CompactionCancelled. */
  async pause(bytes: number): Promise<void> {
    const workedMs = this.#nowMs() - this.#workSinceMs
    const forShareMs = workedMs * (WHOLE_SHARE / this.#control.share - 1)
    const forRateMs = this.#bytesPerSecond > 0 ? (bytes * 1000) / this.#bytesPerSecond - workedMs : 0
    this.#owedMs += Math.max(0, forShareMs, forRateMs)
    while (this.#owedMs >= LEAST_SLEEP_MS) {
      this.#check()
      const sleepMs = Math.min(this.#owedMs, MOST_SLEEP_MS)
      await new Promise((resolve) => setTimeout(resolve, sleepMs))
      this.#owedMs -= sleepMs
    }
    this.#check()
    this.#workSinceMs = this.#nowMs()
  }

  #check(): void {
    const { stop } = this.#control
    if (stop !== STOP.no) throw new CompactionCancelled(stop === STOP.keep)
  }
}
