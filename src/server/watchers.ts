import { describeError, type Log } from '../base/log.ts'

/** Hears of one database, whether it is open or not. Both must be quick. */
export interface DatabaseWatcher {
  /** Something was written; it is durable. */
  changed(): void
  /** The database is being deleted. Nothing is heard of it after this. */
  deleted(): void
}

/**
 * Who watches which database: thousands may watch the same one. A watcher that throws is logged and hurts nobody; one
 * that has ended its watch hears nothing more, also while others are being told.
 */
export class Watchers {
  readonly #log: Pick<Log, 'error'>
  readonly #byName = new Map<string, Set<DatabaseWatcher>>()

  constructor(log: Pick<Log, 'error'>) {
    this.#log = log
  }

  /** Returns what ends the watch. A name that no database has is watched in vain. */
  watch(name: string, watcher: DatabaseWatcher): () => void {
    const watchers = this.#byName.get(name) ?? new Set()
    this.#byName.set(name, watchers)
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#byName.get(name) === watchers) this.#byName.delete(name)
    }
  }

  /** How many watch the database. */
  count(name: string): number {
    return this.#byName.get(name)?.size ?? 0
  }

  changed(name: string): void {
    const watchers = this.#byName.get(name)
    if (watchers !== undefined) this.#tell(name, watchers, 'changed')
  }

  /** Ends all watches of the database. */
  deleted(name: string): void {
    const watchers = this.#byName.get(name)
    this.#byName.delete(name)
    if (watchers !== undefined) this.#tell(name, watchers, 'deleted')
  }

  /** Over a copy: whoever watches again while he is told is told once. */
  #tell(name: string, watchers: ReadonlySet<DatabaseWatcher>, what: 'changed' | 'deleted'): void {
    for (const watcher of [...watchers]) {
      if (!watchers.has(watcher)) continue
      try {
        watcher[what]()
      } catch (error) {
        this.#log.error('a watcher failed', { database: name, event: what, reason: describeError(error) })
      }
    }
  }
}
