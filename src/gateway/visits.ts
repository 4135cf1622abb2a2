/**
 * The users' requests that are under way at a database, so that it can be left by all before what they may read changes under
 * their eyes. One that does not end in time is cut off.
 */
import type { Clock } from '../base/clock.ts'

/** How long a request may go on that was there before. */
const GRACE_MS = 5000

export class Visits {
  readonly #clock: Pick<Clock, 'after'>
  readonly #cuts = new Set<() => void>()
  #waiting: (() => void)[] = []

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock
  }

  /** `cut` ends the connection. What is returned is to be called once, when nothing more is read or answered. */
  enter(cut: () => void): () => void {
    this.#cuts.add(cut)
    return () => {
      this.#cuts.delete(cut)
      if (this.#cuts.size > 0) return
      for (const left of this.#waiting.splice(0)) left()
    }
  }

  /** Resolves when nobody is there. */
  async left(): Promise<void> {
    if (this.#cuts.size === 0) return
    const cancel = this.#clock.after(GRACE_MS, () => {
      for (const cut of this.#cuts) cut()
    })
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
    cancel()
  }
}
