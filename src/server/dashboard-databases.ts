/**
 * The databases that the dashboard shows, the first of them by name. What a look costs is bounded, whatever their number and
 * size: some are looked at, which have changed or are not known yet; what a database says of itself is in its root.
 */
import type { OwnedDatabase } from '../database/api/database.ts'
import type { EventBus } from './event-bus.ts'
import type { Lease } from './open-databases.ts'
import type { DatabaseRegistry } from './registry.ts'

/** So many are shown. */
const MOST_SHOWN = 200
/** So many are looked at in one look, and of these so many opened, which others may then have to make room for. */
const MOST_AT_ONCE = 16
const MOST_OPENED = 2

/** Numbers of documents, and bytes. */
export interface DatabaseRow {
  readonly documents: number
  readonly deleted: number
  readonly file: number
  readonly live: number
}

export interface DashboardDatabasesOptions {
  databases: Pick<DatabaseRegistry, 'list' | 'size' | 'generation' | 'openCount' | 'leaseOpen' | 'lease'>
  bus: Pick<EventBus, 'on'>
  /** Databases that may be open at once. */
  most: number
}

export class DashboardDatabases {
  readonly #options: DashboardDatabasesOptions
  readonly #unsubscribe: readonly (() => void)[]
  #generation = -1
  #shown: readonly string[] = []
  readonly #rows = new Map<string, DatabaseRow>()
  /** Shown ones that have to be looked at, the one that waits the longest first. */
  readonly #stale = new Set<string>()

  constructor(options: DashboardDatabasesOptions) {
    this.#options = options
    const changed = (name: string): void => {
      if (this.#rows.has(name)) this.#stale.add(name)
    }
    this.#unsubscribe = [options.bus.on('updated', changed), options.bus.on('compacted', changed)]
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  /** All that there are. */
  get count(): number {
    return this.#options.databases.size
  }

  get shown(): readonly string[] {
    return this.#shown
  }

  /** Resolves to what is new since the last look. */
  async look(): Promise<ReadonlyMap<string, DatabaseRow>> {
    this.#list()
    const found = new Map<string, DatabaseRow>()
    let opened = 0
    for (const name of [...this.#stale].slice(0, MOST_AT_ONCE)) {
      this.#stale.delete(name)
      let lease: Lease<OwnedDatabase> | undefined
      try {
        lease = this.#options.databases.leaseOpen(name)
        // One that was closed has nothing new to say, if it is known.
        if (lease === undefined && this.#rows.has(name)) continue
        if (lease === undefined && (opened === MOST_OPENED || !this.#hasRoom())) {
          this.#stale.add(name)
          continue
        }
        if (lease === undefined) {
          opened += 1
          lease = await this.#options.databases.lease(name)
        }
        const row = rowOf(lease.database)
        this.#rows.set(name, row)
        found.set(name, row)
      } catch {
        // It was deleted meanwhile, or cannot be opened: whoever uses it is told why.
      } finally {
        lease?.release()
      }
    }
    return found
  }

  #hasRoom(): boolean {
    return this.#options.databases.openCount < this.#options.most / 2
  }

  #list(): void {
    const { databases } = this.#options
    if (databases.generation === this.#generation) return
    this.#generation = databases.generation
    this.#shown = databases.list({ limit: MOST_SHOWN })
    const names = new Set(this.#shown)
    for (const name of this.#rows.keys()) if (!names.has(name)) this.#rows.delete(name)
    for (const name of this.#stale) if (!names.has(name)) this.#stale.delete(name)
    for (const name of names) if (!this.#rows.has(name)) this.#stale.add(name)
  }
}

function rowOf(database: OwnedDatabase): DatabaseRow {
  const { docCount, docDelCount, sizes } = database.info()
  return { documents: docCount, deleted: docDelCount, file: sizes.file, live: sizes.active }
}
