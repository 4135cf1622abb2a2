/** Memory of the nodes of one store that the file does not hold, counted against the shared budget. */
import type { PageCache } from '../cache/page-cache.ts'
import type { DirtyLedger } from '../tree/changeable-nodes.ts'

export class Ledger implements DirtyLedger {
  readonly #cache: PageCache
  /** Changed since the last freeze. */
  liveBytes = 0
  /** Being written by the running checkpoint. */
  frozenBytes = 0
  #isClosed = false

  constructor(cache: PageCache) {
    this.#cache = cache
  }

  get totalBytes(): number {
    return this.liveBytes + this.frozenBytes
  }

  add(bytes: number): void {
    if (this.#isClosed) return
    this.liveBytes += bytes
    this.#cache.addDirty(bytes)
  }

  /** A checkpoint starts: what is dirty now is what it will write. */
  freeze(): void {
    this.frozenBytes += this.liveBytes
    this.liveBytes = 0
  }

  /** Nodes of the checkpoint are in the file. */
  written(bytes: number): void {
    const counted = Math.min(bytes, this.frozenBytes)
    this.frozenBytes -= counted
    this.#cache.addDirty(-counted)
  }

  /** The checkpoint is complete; what was counted and never written has been dropped on the way. */
  completed(): void {
    this.#cache.addDirty(-this.frozenBytes)
    this.frozenBytes = 0
  }

  /** Gives back what was counted. Nothing more is: trees that only an old snapshot reads may still be changing. */
  clear(): void {
    this.#isClosed = true
    this.#cache.addDirty(-this.totalBytes)
    this.liveBytes = 0
    this.frozenBytes = 0
  }
}
