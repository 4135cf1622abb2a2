/**
 * Where a sync runs: on the calling thread, which it holds, or in the thread pool, to which it costs two wake-ups of
 * threads to go and come back. A thread that nobody else wants anything of gains by the former while the disk is quick.
 */
import { monotonicMs } from './system.ts'

/** Syncs on the calling thread stop when one takes longer. */
const SLOW_MS = 2
/** So many go to the pool then, before one is tried again: twice as many each time that it is slow again, up to the most. */
const FEWEST_POOL_SYNCS = 8
const MOST_POOL_SYNCS = 256

export class SyncPlace {
  readonly #nowMs: () => number
  readonly #mayHold: () => boolean
  /** To go to the pool before the next one is tried. */
  #poolSyncs = 0
  /** To go there when that is slow. A quick disk has a slow sync now and then, a slow one has nothing else. */
  #poolSyncsNext = FEWEST_POOL_SYNCS

  /** `mayHold`: whether nobody else waits for the thread now; `nowMs` counts from whenever. */
  constructor(mayHold: () => boolean, nowMs: () => number = monotonicMs) {
    this.#mayHold = mayHold
    this.#nowMs = nowMs
  }

  /** Whether the next sync may run on the calling thread. */
  isHere(): boolean {
    if (!this.#mayHold()) return false
    if (this.#poolSyncs === 0) return true
    this.#poolSyncs -= 1
    return false
  }

  /** Runs a sync on the calling thread. */
  run(sync: () => void): void {
    const startMs = this.#nowMs()
    sync()
    if (this.#nowMs() - startMs <= SLOW_MS) {
      this.#poolSyncsNext = FEWEST_POOL_SYNCS
      return
    }
    this.#poolSyncs = this.#poolSyncsNext
    this.#poolSyncsNext = Math.min(2 * this.#poolSyncsNext, MOST_POOL_SYNCS)
  }
}
