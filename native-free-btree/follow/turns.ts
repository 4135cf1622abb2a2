/** Long work in short turns of the event loop. */
import type { Clock } from '../clock.ts'

const TURN_MS = 5
/** Also where the clock stands still. */
const TURN_BYTES = 1024 * 1024

export class Turns {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A turn begins: what is returned says whether it is over, for a reader of the log. */
  begin(reader: { readonly position: number }): () => boolean {
    const startMs = this.#clock.now()
    const start = reader.position
    return () => reader.position - start >= TURN_BYTES || Math.abs(this.#clock.now() - startMs) >= TURN_MS
  }
}
