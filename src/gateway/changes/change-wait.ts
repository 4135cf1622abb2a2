import type { Pulse } from '../../http/feeds/pulse.ts'
import type { GatewayDatabase } from '../gateway-database.ts'

export type Wakeup = 'change' | 'beat' | 'timeout' | 'gone'

/** The channels that a pass would read now, the same set while they stay the same; undefined for everything. */
export type Watched = () => ReadonlySet<string> | undefined

/**
 * Waits for changes of channels on behalf of one client: nothing that happens between two waits is missed, and no changes, of which
 * he may be shown nothing, put a sign of life off. `gone` aborts when the client has gone or the server stops.
 */
export class ChangeWait {
  readonly #gone: AbortSignal
  readonly #ended: AbortSignal
  readonly #database: GatewayDatabase
  readonly #watched: Watched
  #unlisten: (() => void) | undefined
  /** What it listens for. */
  #channels: ReadonlySet<string> | undefined
  #hasChanged = false
  #wake: ((wakeup: Wakeup) => void) | undefined
  readonly #onEnd = (): void => this.#wake?.('gone')
  readonly #ring = (): void => {
    this.#hasChanged = true
    this.#wake?.('change')
  }

  constructor(database: GatewayDatabase, watched: Watched, gone: AbortSignal) {
    this.#database = database
    this.#watched = watched
    this.#gone = gone
    this.#ended = database.ended
    gone.addEventListener('abort', this.#onEnd)
    this.#ended.addEventListener('abort', this.#onEnd)
  }

  /** What is seen from now on is as new as all changes so far. To be called before each pass. Throws as `watched` does. */
  begin(): void {
    this.#hasChanged = false
    const channels = this.#watched()
    if (this.#unlisten !== undefined && channels === this.#channels) return
    this.#unlisten?.()
    this.#channels = channels
    this.#unlisten = this.#database.bells.listen(this.#ring, channels)
  }

  /** `deadlineMs` from now; undefined for never. After `beat` a sign of life is to be given. */
  next(deadlineMs: number | undefined, pulse: Pulse): Promise<Wakeup> {
    if (this.#gone.aborted || this.#ended.aborted) return Promise.resolve('gone')
    if (pulse.isDue) return Promise.resolve('beat')
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
      if (pulse.beats) timers.push(setTimeout(() => this.#wake?.('beat'), pulse.idleMs))
    })
  }

  stop(): void {
    this.#unlisten?.()
    this.#gone.removeEventListener('abort', this.#onEnd)
    this.#ended.removeEventListener('abort', this.#onEnd)
    this.#wake?.('gone')
  }
}
