/**
 * The databases as a front has them: followers of the core's, opened when they are first asked for. What holds:
 * - A lease is of a database that shows every write that was acknowledged before it was asked for: one that has to catch
 *   up does so first, and one whose store was closed is opened anew, or found to be gone. Who only writes may take one that is
 *   behind, for to take in what others and he himself have written costs as much as a tenth to a quarter of a bulk request; who reads
 *   next starts from the newest checkpoint.
 * - What is open here is open in the core; it is given back when it is closed here.
 */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { FollowedDatabase } from '../database/shared/followed-database.ts'
import { type Lease, OpenDatabases } from '../server/open-databases.ts'
import { type DatabaseWatcher, Watchers } from '../server/watchers.ts'
import type { Core } from './front-channel.ts'
import type { CoreCalls, OpenedDatabase } from './protocol.ts'

/** How long those who use a database that is to be given back have for it. */
const RETIRE_GRACE_MS = 2000
/** A database may be closed in the core between its opening and its first use, but not again and again. */
const MOST_OPENINGS = 10

export interface FrontDatabasesOptions {
  /** Default documents. */
  kind?: 'documents' | 'channels'
  core: Core
  maxOpen: number
  /** Names of databases that are beside `maxOpen`; default none. */
  isExempt?: (name: string) => boolean
  clock: Clock
  log: Log
  /** Follows what the core has opened. `onClosed` runs when that is closed here. */
  follow(opened: OpenedDatabase, onClosed: () => void): Promise<FollowedDatabase>
}

export class FrontDatabases {
  readonly #core: Core
  readonly #kind: 'documents' | 'channels'
  readonly #open: OpenDatabases<FollowedDatabase>
  readonly #watchers: Watchers
  /** Names by handle. */
  readonly #opened = new Map<number, string>()
  /** Openings that have not been answered. */
  #opening = 0
  /** Handles that the core wants back while that is so: one of them may be that of an opening. */
  readonly #retired = new Set<number>()
  readonly #shards = new Map<string, number | undefined>()

  constructor(options: FrontDatabasesOptions) {
    this.#core = options.core
    this.#kind = options.kind ?? 'documents'
    this.#watchers = new Watchers(options.log)
    this.#open = new OpenDatabases({
      maxOpen: options.maxOpen,
      isExempt: options.isExempt,
      clock: options.clock,
      log: options.log,
      open: (name) => this.#follow(name, options),
    })
  }

  async #follow(name: string, { follow }: FrontDatabasesOptions): Promise<FollowedDatabase> {
    const { opened, isRetired } = await this.#openInCore(name)
    const { handle, shards } = opened
    try {
      if (isRetired) throw new DatabaseError('noDatabase')
      this.#opened.set(handle, name)
      const database = await follow(opened, () => this.#giveBack(handle, name))
      this.#shards.set(name, shards)
      return database
    } catch (error) {
      this.#giveBack(handle, name)
      throw error
    }
  }

  async #openInCore(name: string): Promise<{ opened: OpenedDatabase; isRetired: boolean }> {
    this.#opening += 1
    try {
      const opened = await this.#core.ask('open', { name, kind: this.#kind })
      return { opened, isRetired: this.#retired.has(opened.handle) }
    } finally {
      this.#opening -= 1
      if (this.#opening === 0) this.#retired.clear()
    }
  }

  /** The database of the handle is closed here. */
  #giveBack(handle: number, name: string): void {
    this.#opened.delete(handle)
    this.#shards.delete(name)
    this.#core.tell('release', { handle })
  }

  /** The core wants the database back. */
  retire(handle: number, kind: 'noDatabase' | 'shuttingDown'): void {
    const name = this.#opened.get(handle)
    if (name !== undefined) void this.#open.retire(name, new DatabaseError(kind), RETIRE_GRACE_MS)
    else if (this.#opening > 0) this.#retired.add(handle)
  }

  /** Others wait for the places of databases that nobody uses here. */
  makeRoom(): void {
    this.#open.closeIdle()
  }

  changed(name: string): void {
    this.#watchers.changed(name)
  }

  deleted(name: string): void {
    this.#watchers.deleted(name)
  }

  /** A file that was replaced takes room on the disk as long as somebody has it open. */
  async compacted(name: string): Promise<void> {
    const lease = this.#open.acquireOpen(name)
    try {
      await lease?.database.refresh()
    } catch {
      // Whoever uses it next meets the same, and is told.
    } finally {
      lease?.release()
    }
  }

  /** With `isToWrite` of one whose rules are as new as that: its reads may be behind. */
  leaseOpen(name: string, isToWrite = false): Lease | undefined {
    const lease = this.#open.acquireOpen(name)
    if (lease === undefined) return undefined
    const { database } = lease
    if (isToWrite ? database.knowsRules : database.isFresh) return lease
    lease.release()
    return undefined
  }

  /** As `leaseOpen`. Throws not_found, all_dbs_active. */
  async lease(name: string, isToWrite = false): Promise<Lease> {
    for (let attempt = 1; ; attempt++) {
      const lease = await this.#open.acquire(name)
      try {
        await (isToWrite ? lease.database.learnRules() : lease.database.refresh())
        return lease
      } catch (error) {
        lease.release()
        const isClosed = error instanceof DatabaseError && error.kind === 'databaseClosed'
        if (!isClosed || attempt === MOST_OPENINGS) throw error
        await this.#open.retireIf(name, lease.database, new DatabaseError('noDatabase'), RETIRE_GRACE_MS)
      }
    }
  }

  watch(name: string, watcher: DatabaseWatcher): () => void {
    const isFirst = this.#watchers.count(name) === 0
    const unwatch = this.#watchers.watch(name, watcher)
    if (isFirst) {
      // What was written before the core knew of the watch is told now.
      const told = (): void => this.#watchers.changed(name)
      this.#core.ask('watch', { name }).then(told, told)
    }
    return () => {
      const had = this.#watchers.count(name)
      unwatch()
      if (had > 0 && this.#watchers.count(name) === 0) this.#core.tell('unwatch', { name })
    }
  }

  async create(name: string, options: CoreCalls['create']['args']['options'] = {}): Promise<void> {
    await this.#core.ask('create', { name, options })
  }

  async delete(name: string): Promise<void> {
    await this.#core.ask('delete', { name })
  }

  list(range?: CoreCalls['list']['args']['range']): Promise<string[]> {
    return this.#core.ask('list', { range })
  }

  has(name: string): Promise<boolean> {
    return this.#core.ask('has', { name })
  }

  /** Of a database that is leased. */
  shardsOf(name: string): number | undefined {
    return this.#shards.get(name)
  }

  stop(graceMs: number): Promise<void> {
    return this.#open.stop(graceMs)
  }
}
