/**
 * The signs of life of one feed, for whose client they are how he knows that the connection is there. What holds: where he asked for
 * them, no more than their interval goes by without a byte, however many changes come that he is shown nothing of, and however long
 * a filter looks at them.
 */
import type { Judging } from '../../documents/changes-rows.ts'

/** How long a feed waits, and whether it then gives a sign of life or ends. */
export interface Idle {
  afterMs: number
  beats: boolean
}

export class Pulse {
  readonly #idle: Idle
  readonly #nowMs: () => number
  #lastMs: number
  #isGathered = false

  constructor(idle: Idle, nowMs: () => number) {
    this.#idle = idle
    this.#nowMs = nowMs
    this.#lastMs = nowMs()
  }

  get beats(): boolean {
    return this.#idle.beats
  }

  /** Something goes out with what is sent next. */
  gathered(): void {
    this.#isGathered = true
  }

  /** What was gathered has been sent. */
  flushed(): void {
    if (this.#isGathered) this.beaten()
  }

  /** A sign of life was sent. */
  beaten(): void {
    this.#isGathered = false
    this.#lastMs = this.#nowMs()
  }

  /** Whether a sign of life is due. */
  get isDue(): boolean {
    return this.#idle.beats && this.#leftMs <= 0
  }

  /** How long the feed may wait for the next change. */
  get idleMs(): number {
    return this.#idle.beats ? Math.max(1, this.#leftMs) : this.#idle.afterMs
  }

  get #leftMs(): number {
    return this.#lastMs + this.#idle.afterMs - this.#nowMs()
  }

  /** Waits for it. A step whenever a sign of life is due meanwhile. Rejects as it does. */
  async *during(work: Judging): AsyncGenerator<undefined> {
    if (!this.beats) {
      await ended(work)
      return
    }
    let isOver = false
    const over = ended(work).finally(() => {
      isOver = true
    })
    // Whoever leaves in between hears of it no more.
    over.catch(() => undefined)
    for (;;) {
      await this.#soonest(over)
      if (isOver) break
      yield
    }
    await over
  }

  /** Resolves when the work is over, or a sign of life is due. */
  #soonest(over: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.idleMs)
      const end = (): void => {
        clearTimeout(timer)
        resolve()
      }
      over.then(end, end)
    })
  }
}

async function ended(work: Judging): Promise<void> {
  for await (const _ of work);
}
