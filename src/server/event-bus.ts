/**
 * What the parts of a server tell each other of databases. None of them knows who listens. What holds:
 * - Events are told at once, in their order, and queued nowhere: a listener whose work takes longer notes the
 *   database's name, so that what it has to do is bounded by the number of databases.
 * - A listener that fails is logged, and neither the teller nor the other listeners notice.
 */
import { Listeners } from '../base/listeners.ts'
import { describeError, type Log } from '../base/log.ts'
import type { OwnedDatabase } from '../database/api/database.ts'

/**
 * `updated`: something was written, and is durable. `compacted`: another file has taken the place of the database's. The
 * others are told once the folder has or lacks the file.
 */
export type DatabaseEventType = 'created' | 'updated' | 'deleted' | 'compacted'

/** Does something with a database that is being opened, before anybody uses it. */
export type Preparation = (name: string, database: OwnedDatabase) => Promise<void>

export class EventBus {
  readonly #log: Pick<Log, 'error'>
  readonly #listeners: Readonly<Record<DatabaseEventType, Listeners<string>>>
  readonly #preparations = new Set<Preparation>()

  constructor(log: Pick<Log, 'error'>) {
    this.#log = log
    const listenersOf = (event: DatabaseEventType): Listeners<string> =>
      new Listeners((error) => this.#failed(event, error))
    this.#listeners = {
      created: listenersOf('created'),
      updated: listenersOf('updated'),
      deleted: listenersOf('deleted'),
      compacted: listenersOf('compacted'),
    }
  }

  /** Calls `listener` with the name of each database to which that happens from now on. Returns what ends that. */
  on(type: DatabaseEventType, listener: (name: string) => void): () => void {
    return this.#listeners[type].subscribe(listener)
  }

  tell(type: DatabaseEventType, name: string): void {
    this.#listeners[type].tell(name)
  }

  /** Calls `prepare` with each database that is opened from now on. Returns what ends that. */
  onOpening(prepare: Preparation): () => void {
    const preparation: Preparation = (name, database) => prepare(name, database)
    this.#preparations.add(preparation)
    return () => void this.#preparations.delete(preparation)
  }

  /** Resolves when all preparations have ended, one after the other. Never rejects. */
  async prepare(name: string, database: OwnedDatabase): Promise<void> {
    for (const prepare of this.#preparations) {
      try {
        await prepare(name, database)
      } catch (error) {
        this.#failed('opening', error)
      }
    }
  }

  #failed(event: string, error: unknown): void {
    this.#log.error('a listener failed', { event, reason: describeError(error) })
  }
}
