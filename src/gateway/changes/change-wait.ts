import type { GatewayDatabase } from '../gateway-database.ts'

export type Wakeup = 'change' | 'beat' | 'timeout' | 'gone'

/**
 * Waits for changes of a database on behalf of one client: nothing that happens between two waits is missed. `gone` aborts
 * when the client has gone or the server stops.
 */
export class ChangeWait {
  readonly #gone: AbortSignal
  readonly #ended: AbortSignal
  readonly #unsubscribe: () => void
  #hasChanged = false
  #wake: ((wakeup: Wakeup) => void) | undefined
  readonly #onEnd = (): void => this.#wake?.('gone')

  constructor(database: GatewayDatabase, gone: AbortSignal) {
    this.#gone = gone
    this.#ended = database.ended
    this.#unsubscribe = database.onChange(() => {
      this.#hasChanged = true
      this.#wake?.('change')
    })
    gone.addEventListener('abort', this.#onEnd)
    this.#ended.addEventListener('abort', this.#onEnd)
  }

  /** What is seen from now on is as new as all changes so far. */
  begin(): void {
    this.#hasChanged = false
  }

  /** `deadlineMs` and `beatMs` from now; undefined for never. */
  next(deadlineMs: number | undefined, beatMs: number | undefined): Promise<Wakeup> {
    if (this.#gone.aborted || this.#ended.aborted) return Promise.resolve('gone')
    if (this.#hasChanged) return Promise.resolve('change')
    return new Promise((resolve) => {
      const timers: NodeJS.Timeout[] = []
      this.#wake = (wakeup) => {
        this.#wake = undefined
        for (const timer of timers) clearTimeout(timer)
        resolve(wakeup)
      }
      if (deadlineMs !== undefined)
        timers.push(setTimeout(() => this.#wake?.('timeout'), Math.max(0, deadlineMs)))
      if (beatMs !== undefined) timers.push(setTimeout(() => this.#wake?.('beat'), beatMs))
    })
  }

  stop(): void {
    this.#unsubscribe()
    this.#gone.removeEventListener('abort', this.#onEnd)
    this.#ended.removeEventListener('abort', this.#onEnd)
    this.#wake?.('gone')
  }
}
