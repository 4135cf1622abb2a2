/**
 * Documents of one request, which are written side by side, so that they share commits, and yet as if one after the other. What holds:
 * - They come to the queue in their order, which so is that of their numbers in the update sequence.
 * - One that is asked what its writer may do hears what those before it have granted him, or taken from him.
 */

/** The place of one document among those of its request. */
export class WritePlace {
  readonly #before: WritePlace | undefined
  #grants = false
  #hasEnded = false
  readonly #queued: Promise<void>
  readonly #ended: Promise<void>
  #noteQueued!: () => void
  #noteEnded!: () => void

  constructor(before: WritePlace | undefined) {
    this.#before = before
    this.#queued = new Promise((resolve) => {
      this.#noteQueued = resolve
    })
    this.#ended = new Promise((resolve) => {
      this.#noteEnded = resolve
    })
  }

  /** Resolves when all before it are in the queue, or have ended: a place waits for those before it alone. */
  async turn(): Promise<void> {
    if (this.#before !== undefined) await this.#before.#queued
  }

  /** Resolves when none before it is under way that may change what somebody may do. To be called when its turn has come. */
  async granted(): Promise<void> {
    const granting: Promise<void>[] = []
    for (let place = this.#before; place !== undefined; place = place.#before) {
      if (place.#grants && !place.#hasEnded) granting.push(place.#ended)
    }
    await Promise.all(granting)
  }

  /** It is in the queue. */
  queued(grants: boolean): void {
    this.#grants = grants
    this.#noteQueued()
  }

  /** It is written, or refused. */
  readonly ended = (): void => {
    this.#hasEnded = true
    this.#noteQueued()
    this.#noteEnded()
  }
}
