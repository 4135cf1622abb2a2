/** Hears of a value. It runs while the teller waits, so it must be quick: long work it only takes note of. */
export type Listener<T> = (value: T) => void

interface Entry<T> {
  readonly listener: Listener<T>
  isSubscribed: boolean
}

/**
 * Any number of listeners, told in the order in which they came. What holds:
 * - Telling queues nothing and allocates nothing.
 * - A listener that throws is reported, and the others are told all the same.
 * - Listeners may come and go while they are told: one that has gone hears nothing more, one that came hears of the
 *   next value.
 */
export class Listeners<T> {
  readonly #report: (error: unknown) => void
  /** Replaced at every change, never changed itself, so that a telling under way goes on over its own. */
  #entries: readonly Entry<T>[] = []

  /** `report` is given what listeners throw; it must not throw. */
  constructor(report: (error: unknown) => void) {
    this.#report = report
  }

  /** Returns what ends the subscription; calls after the first do nothing. */
  subscribe(listener: Listener<T>): () => void {
    const entry = { listener, isSubscribed: true }
    this.#entries = [...this.#entries, entry]
    return () => {
      entry.isSubscribed = false
      this.#entries = this.#entries.filter((each) => each !== entry)
    }
  }

  tell(value: T): void {
    for (const entry of this.#entries) {
      if (!entry.isSubscribed) continue
      try {
        entry.listener(value)
      } catch (error) {
        this.#report(error)
      }
    }
  }
}
