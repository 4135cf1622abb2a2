/**
 * Where a sync runs: on the calling thread, which it holds, or in the thread pool, to which it costs two wake-ups of
 * threads to go and come back. A thread that does nothing but write gains by the former while the disk is quick.
 */
import { monotonicMs } from './system.ts'

/** Syncs on the calling thread stop when one takes longer. */
const LONGEST_MS = 2
/** So many go to the pool then, before one is tried again. */
const POOL_SYNCS = 256

export class SyncPlace {
  #poolSyncs = 0

  /** Whether the next sync may run on the calling thread. */
  isHere(): boolean {
    if (this.#poolSyncs === 0) return true
    this.#poolSyncs -= 1
    return false
  }

  /** Runs a sync on the calling thread. */
  run(sync: () => void): void {
    const startMs = monotonicMs()
    sync()
    if (monotonicMs() - startMs > LONGEST_MS) this.#poolSyncs = POOL_SYNCS
  }
}
