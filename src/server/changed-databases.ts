/**
 * Databases that were written to, for what is done about them unasked. What holds:
 * - Only databases that have changed since they were last looked at are looked at, some time after the first change: where
 *   nothing changes there is no timer, and a database that nobody uses is not opened.
 * - Nothing is begun while the event loop has no time to spare; what was not looked at is looked at next time. What changes
 *   during a look is of the next one.
 */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../base/clock.ts'
import type { EventBus } from './event-bus.ts'

export interface ChangedDatabasesOptions {
  /** Tells what has changed. */
  readonly bus: EventBus
  readonly clock: Clock
  /** Share of the event loop's time in use from which on nothing is begun. */
  readonly busyShare: number
  /** Whether anything is done at all; asked at each change and at each look. */
  isEnabled(): boolean
  /** From a change to the look, in milliseconds. */
  delayMs(): number
  /** Whether another one may be looked at now. */
  hasRoom(): boolean
  /** Never rejects. */
  look(name: string): Promise<void>
}

export class ChangedDatabases {
  readonly #options: ChangedDatabasesOptions
  readonly #names = new Set<string>()
  readonly #unsubscribe: readonly (() => void)[]
  #cancelTimer: (() => void) | undefined
  #looking: Promise<void> = Promise.resolve()
  #loadBefore = performance.eventLoopUtilization()
  #isStopped = false

  constructor(options: ChangedDatabasesOptions) {
    this.#options = options
    const { bus } = options
    this.#unsubscribe = [
      bus.on('updated', (name) => {
        if (options.isEnabled()) this.add(name)
      }),
      bus.on('deleted', (name) => this.#names.delete(name)),
    ]
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Another look is to be had at it, whether it changes again or not. */
  add(name: string): void {
    this.#names.add(name)
    this.#arm()
  }

  /** Resolves when nothing is being looked at any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#cancelTimer?.()
    await this.#looking
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined || this.#isStopped) return
    const { clock, delayMs } = this.#options
    this.#loadBefore = performance.eventLoopUtilization()
    this.#cancelTimer = clock.after(delayMs(), () => {
      this.#looking = this.#look().finally(() => {
        this.#cancelTimer = undefined
        if (this.#names.size > 0) this.#arm()
      })
    })
  }

  async #look(): Promise<void> {
    const { busyShare, isEnabled, hasRoom, look } = this.#options
    if (!isEnabled()) this.#names.clear()
    if (performance.eventLoopUtilization(this.#loadBefore).utilization > busyShare) return
    for (const name of [...this.#names]) {
      if (this.#isStopped || !hasRoom()) return
      this.#names.delete(name)
      await look(name)
    }
  }
}
