/**
 * Those who must have heard of a change before it is answered: threads that keep a copy of what was changed. What holds:
 * - `heard` resolves when everybody who was there when it was called has heard, or has gone.
 * - Somebody who does not answer holds it up for a bounded time.
 */
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

/** Longer than the longest step of a thread that is well. */
const PATIENCE_MS = 5000

/** Resolves when whatever was told before has been taken; rejects when nobody is there to take it. */
export type HasHeard = () => Promise<unknown>

export class Audience {
  readonly #clock: Pick<Clock, 'after'>
  readonly #log: Pick<Log, 'warning'>
  readonly #members = new Set<HasHeard>()

  constructor(clock: Pick<Clock, 'after'>, log: Pick<Log, 'warning'>) {
    this.#clock = clock
    this.#log = log
  }

  /** Returns what ends the membership. */
  join(hasHeard: HasHeard): () => void {
    this.#members.add(hasHeard)
    return () => void this.#members.delete(hasHeard)
  }

  async heard(): Promise<void> {
    await Promise.all([...this.#members].map((hasHeard) => this.#one(hasHeard)))
  }

  #one(hasHeard: HasHeard): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(PATIENCE_MS, () => {
        this.#log.warning('a thread is slow to take a change', { afterMs: PATIENCE_MS })
        resolve()
      })
      const done = (): void => {
        cancel()
        resolve()
      }
      hasHeard().then(done, done)
    })
  }
}
