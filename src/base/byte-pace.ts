/**
 * A rate that many share: whoever has taken in bytes hears how long to wait before the next ones. Waits are in the order of
 * asking, since each begins where the one before it ends.
 */
export interface PaceOptions {
  bytesPerSecond: number
  /** Bytes at once for which nobody waits. */
  burstBytes: number
  /** Must not go back. */
  nowMs: () => number
}

const MS_PER_SECOND = 1000

export class BytePace {
  readonly #bytesPerMs: number
  readonly #burstMs: number
  readonly #nowMs: () => number
  /** When all that was taken would have been taken at the rate. */
  #doneMs = 0

  constructor({ bytesPerSecond, burstBytes, nowMs }: PaceOptions) {
    this.#bytesPerMs = bytesPerSecond / MS_PER_SECOND
    this.#burstMs = burstBytes / this.#bytesPerMs
    this.#nowMs = nowMs
  }

  /** Milliseconds to wait; 0 within the burst. */
  take(bytes: number): number {
    const nowMs = this.#nowMs()
    this.#doneMs = Math.max(this.#doneMs, nowMs) + bytes / this.#bytesPerMs
    return Math.max(0, this.#doneMs - nowMs - this.#burstMs)
  }
}
