import { performance } from 'node:perf_hooks'

/** How long one piece of work may hold the event loop before others get their turn. */
const SLICE_MS = 10

/** For loops over what a client sent or stored: work in slices of time, between which others get their turn. */
export class Turns {
  #sinceMs = performance.now()

  /** To be called between steps: undefined while the slice lasts, else what to wait for. */
  due(): Promise<void> | undefined {
    return performance.now() - this.#sinceMs < SLICE_MS ? undefined : this.#next()
  }

  async #next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#sinceMs = performance.now()
  }
}
