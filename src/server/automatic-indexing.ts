/**
 * Which indexes are built without being asked for. What holds:
 * - Only databases that were written to since they were last looked at are looked at: where nothing is written there is no
 *   timer, no database is opened, and no thread started.
 * - Not more indexes are built at once than are allowed, and none is begun while the event loop has no time to spare; what
 *   cannot be built now is looked at again later.
 */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Database } from '../database/api/database.ts'
import type { IndexDefinition } from '../indexes/api.ts'
import type { EventBus } from './event-bus.ts'
import type { Indexing } from './indexing.ts'
import type { Lease } from './open-databases.ts'

/** Share of the event loop's time in use from which on nothing is begun. */
const BUSY = 0.8

/** They are read at every look, so they may change. */
export interface AutomaticIndexingSettings {
  readonly isEnabled: boolean
  /** From a write to the next look. */
  readonly delayMs: number
  readonly mostAtOnce: number
}

export interface AutomaticIndexingOptions {
  lease(name: string): Promise<Lease>
  /** The indexes of a database that may be built unasked. */
  definitionsOf(database: Database): readonly IndexDefinition[]
  readonly indexing: Pick<Indexing, 'buildUnasked' | 'building'>
  /** Tells what was written. */
  readonly bus: EventBus
  readonly clock: Clock
  readonly log: Log
  readonly settings: AutomaticIndexingSettings
}

export class AutomaticIndexing {
  readonly #options: AutomaticIndexingOptions
  /** Written to since they were looked at. */
  readonly #changed = new Set<string>()
  readonly #unsubscribe: readonly (() => void)[]
  #cancelTimer: (() => void) | undefined
  #looking: Promise<void> = Promise.resolve()
  #loadBefore = performance.eventLoopUtilization()
  #stopped = false

  constructor(options: AutomaticIndexingOptions) {
    this.#options = options
    const { bus } = options
    this.#unsubscribe = [
      bus.on('updated', (name) => this.#note(name)),
      bus.on('deleted', (name) => this.#changed.delete(name)),
    ]
  }

  #note(name: string): void {
    if (!this.#options.settings.isEnabled) return
    this.#changed.add(name)
    this.#arm()
  }

  /** Resolves when nothing is being looked at any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#cancelTimer?.()
    await this.#looking
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined || this.#stopped) return
    this.#loadBefore = performance.eventLoopUtilization()
    this.#cancelTimer = this.#options.clock.after(this.#options.settings.delayMs, () => {
      // Writes while this looks are of the next look.
      this.#looking = this.#look().finally(() => {
        this.#cancelTimer = undefined
        if (this.#changed.size > 0) this.#arm()
      })
    })
  }

  async #look(): Promise<void> {
    const { settings, indexing, log } = this.#options
    if (!settings.isEnabled) this.#changed.clear()
    const { utilization } = performance.eventLoopUtilization(this.#loadBefore)
    if (utilization > BUSY) return
    for (const name of [...this.#changed]) {
      if (this.#stopped || indexing.building >= settings.mostAtOnce) return
      this.#changed.delete(name)
      try {
        await this.#build(name)
      } catch (error) {
        log.info('indexes were not built unasked', { database: name, reason: describeError(error) })
      }
    }
  }

  async #build(name: string): Promise<void> {
    const { indexing, lease: leaseOf, definitionsOf, settings } = this.#options
    const lease = await leaseOf(name)
    const { uuid } = lease.database
    let definitions: readonly IndexDefinition[]
    try {
      definitions = definitionsOf(lease.database)
    } finally {
      lease.release()
    }
    const running = new Set<Promise<void>>()
    for (const definition of definitions) {
      if (this.#stopped) break
      while (running.size >= settings.mostAtOnce) await Promise.race(running)
      const build: Promise<void> = indexing
        .buildUnasked({ database: name, uuid, definition })
        .finally(() => running.delete(build))
      build.catch(() => undefined)
      running.add(build)
    }
    await Promise.all(running)
  }
}
