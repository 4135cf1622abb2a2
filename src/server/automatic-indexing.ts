/**
 * Which indexes are built without being asked for. What holds:
 * - Not more indexes are built at once than are allowed, and none is begun while the event loop has no time to spare; what
 *   cannot be built now is looked at again later.
 */
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import { runInTurns, type Steps } from '../base/time-slice.ts'
import type { Database } from '../database/api/database.ts'
import type { IndexDefinition } from '../indexes/api.ts'
import { ChangedDatabases } from './changed-databases.ts'
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
  definitions(database: Database): Steps<readonly IndexDefinition[]>
  readonly indexing: Pick<Indexing, 'buildUnasked' | 'building'>
  /** Tells what was written. */
  readonly bus: EventBus
  readonly clock: Clock
  readonly log: Log
  readonly settings: AutomaticIndexingSettings
}

export class AutomaticIndexing {
  readonly #options: AutomaticIndexingOptions
  readonly #changed: ChangedDatabases

  constructor(options: AutomaticIndexingOptions) {
    this.#options = options
    const { bus, clock, settings, indexing } = options
    this.#changed = new ChangedDatabases({
      bus,
      clock,
      busyShare: BUSY,
      isEnabled: () => settings.isEnabled,
      delayMs: () => settings.delayMs,
      hasRoom: () => indexing.building < settings.mostAtOnce,
      look: (name) => this.#look(name),
    })
  }

  /** Resolves when nothing is being looked at any more. */
  stop(): Promise<void> {
    return this.#changed.stop()
  }

  async #look(name: string): Promise<void> {
    try {
      await this.#build(name)
    } catch (error) {
      const reason = describeError(error)
      this.#options.log.info('indexes were not built unasked', { database: name, reason })
    }
  }

  async #build(name: string): Promise<void> {
    const { indexing, lease: leaseOf, settings } = this.#options
    const lease = await leaseOf(name)
    const { uuid } = lease.database
    let definitions: readonly IndexDefinition[]
    try {
      definitions = await runInTurns(this.#options.definitions(lease.database))
    } finally {
      lease.release()
    }
    const running = new Set<Promise<void>>()
    for (const definition of definitions) {
      if (this.#changed.isStopped) break
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
