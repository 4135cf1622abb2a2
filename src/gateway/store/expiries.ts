import type { Clock } from '../../base/clock.ts'

/** Waits no longer at a time than timers may. */
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000
/** Documents that are taken away together. */
const MOST_TOGETHER = 64

/** When documents expire, and one timer for the first of them. */
export class Expiries {
  readonly #clock: Clock
  readonly #expire: (ids: readonly string[]) => Promise<void>
  /** Unix time in seconds. */
  readonly #times = new Map<string, number>()
  #nextSeconds = Number.POSITIVE_INFINITY
  #cancel = (): void => undefined
  #isStopped = false

  constructor(clock: Clock, expire: (ids: readonly string[]) => Promise<void>) {
    this.#clock = clock
    this.#expire = expire
  }

  /** Undefined for never. */
  set(id: string, seconds: number | undefined): void {
    if (seconds === undefined) {
      this.#times.delete(id)
      return
    }
    this.#times.set(id, seconds)
    if (seconds < this.#nextSeconds) this.#arm(seconds)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #arm(seconds: number): void {
    this.#cancel()
    this.#nextSeconds = seconds
    if (this.#isStopped || seconds === Number.POSITIVE_INFINITY) return
    const waitMs = Math.min(Math.max(seconds * 1000 - this.#clock.now(), 0), LONGEST_WAIT_MS)
    this.#cancel = this.#clock.after(waitMs, () => void this.#due())
  }

  async #due(): Promise<void> {
    const now = this.#clock.now() / 1000
    const ids = [...this.#times].filter(([, seconds]) => seconds <= now).map(([id]) => id)
    for (let at = 0; at < ids.length && !this.#isStopped; at += MOST_TOGETHER) {
      // What could not be taken away now is tried at the next time.
      const due = ids.slice(at, at + MOST_TOGETHER)
      await this.#expire(due).catch(() => undefined)
    }
    let next = Number.POSITIVE_INFINITY
    for (const seconds of this.#times.values()) if (seconds < next) next = seconds
    this.#arm(Math.max(next, now + 1))
  }
}
