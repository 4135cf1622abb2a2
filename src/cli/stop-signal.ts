import type { Clock } from '../base/clock.ts'

/**
 * `npm start` passes on the signal of a key press that the terminal has sent to the server already, so one
 * Ctrl-C arrives twice. Signals this soon after the first are taken as the same one.
 */
export const SAME_PRESS_MS = 500

export interface StopSignalOptions {
  clock: Pick<Clock, 'monotonic'>
  /** Called at a second signal. */
  force: () => void
}

/** Turns SIGINT and SIGTERM into one request to stop and, when they are repeated, a demand. */
export class StopSignal {
  readonly #options: StopSignalOptions
  /** Resolves with the name of the first signal. */
  readonly requested: Promise<string>
  #request: (signal: string) => void = () => undefined
  #firstAtMs: number | undefined

  constructor(options: StopSignalOptions) {
    this.#options = options
    this.requested = new Promise((resolve) => {
      this.#request = resolve
    })
  }

  receive(signal: string): void {
    const now = this.#options.clock.monotonic()
    if (this.#firstAtMs === undefined) {
      this.#firstAtMs = now
      this.#request(signal)
    } else if (now - this.#firstAtMs >= SAME_PRESS_MS) {
      this.#options.force()
    }
  }
}
