/**
 * The databases of a data folder by their names. What holds:
 * - Names are read once, at start, and kept in memory after that.
 * - A name is created or deleted by one request at a time. Whatever fails on the way, at the end the name is known when
 *   the folder has the file, and not when it has not: the files decide, not how far the request came.
 * - Creation and deletion are answered, and told on the bus, once they are durable.
 */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { Listeners } from '../base/listeners.ts'
import { describeError, type Log } from '../base/log.ts'
import type { DocumentEdit, OwnedDatabase } from '../database/api/database.ts'
import { DatabaseFiles } from './database-files.ts'
import { checkDatabaseName, MAX_SHARDS } from './database-name.ts'
import type { EventBus } from './event-bus.ts'
import { NameIndex, type NameRange } from './name-index.ts'
import { type Lease, OpenDatabases } from './open-databases.ts'
import { type DatabaseWatcher, Watchers } from './watchers.ts'

/** How a database's file is opened and made; a made one has a uuid of its own. */
export interface DatabaseOpener {
  openDatabase(path: string, name: string): Promise<OwnedDatabase>
  /** Makes the file, which must not exist yet. */
  createDatabase(path: string, name: string, properties?: { partitioned: boolean }): Promise<OwnedDatabase>
}

export interface RegistryOptions extends DatabaseOpener {
  dataDir: string
  maxOpen: number
  /** Names of databases that are beside `maxOpen`; default none. */
  isExempt?: ((name: string) => boolean) | undefined
  /** The `_security` that new databases get; undefined leaves it unset. */
  initialSecurity?: (() => Uint8Array | undefined) | undefined
  /** What a new database of that name has from the start; default nothing. */
  initialDocuments?: ((name: string) => readonly DocumentEdit[]) | undefined
  /** How long a deletion waits for those who use the database. Default 2000. */
  deleteGraceMs?: number | undefined
  /** How long a request waits for room among the open databases. Default 5000. */
  waitMs?: number | undefined
  /** Is told of what happens to the databases. */
  bus: EventBus
  clock: Clock
  log: Log
}

export class DatabaseRegistry {
  readonly #options: RegistryOptions
  readonly #files: DatabaseFiles
  readonly #names: NameIndex
  /** Of the databases that were made with a `q`. */
  readonly #shards: Map<string, number>
  readonly #open: OpenDatabases<OwnedDatabase>
  readonly #fullListeners: Listeners<undefined>
  /** The creation or deletion that a name is in. */
  readonly #changing = new Map<string, Promise<void>>()
  #generation = 0
  #stopped = false
  readonly #watchers: Watchers

  private constructor(
    options: RegistryOptions,
    files: DatabaseFiles,
    found: ReadonlyMap<string, number | undefined>,
  ) {
    this.#options = options
    this.#files = files
    this.#watchers = new Watchers(options.log)
    this.#names = new NameIndex(found.keys())
    this.#shards = new Map([...found].flatMap(([name, shards]) => (shards ? [[name, shards]] : [])))
    this.#fullListeners = new Listeners((error) =>
      options.log.error('a listener failed', { event: 'full', reason: describeError(error) }),
    )
    this.#open = new OpenDatabases({
      onFull: () => this.#fullListeners.tell(undefined),
      maxOpen: options.maxOpen,
      isExempt: options.isExempt,
      waitMs: options.waitMs,
      clock: options.clock,
      log: options.log,
      open: async (name) => {
        if (!this.#names.has(name)) throw new DatabaseError('noDatabase')
        const database = await this.#openFile(name)
        database.onChange(() => this.#changed(name))
        await options.bus.prepare(name, database)
        return database
      },
    })
  }

  /** Reads the names, clears away what a crash left. The folder must be this process's alone. */
  static async open(options: RegistryOptions): Promise<DatabaseRegistry> {
    const { files, found } = await DatabaseFiles.open(options.dataDir, options.log)
    return new DatabaseRegistry(options, files, found)
  }

  /**
   * Tells `watcher` of a database without a lease, so that it may be closed meanwhile. Returns what ends the watch.
   * A name that no database has is watched in vain.
   */
  watch(name: string, watcher: DatabaseWatcher): () => void {
    return this.#watchers.watch(name, watcher)
  }

  /**
   * Calls `listener` when a database waits for room among those that are open, all of which are leased: who holds a lease
   * that he can do without gives it back. Returns what ends that.
   */
  onFull(listener: () => void): () => void {
    return this.#fullListeners.subscribe(listener)
  }

  /** How many watch the database. */
  watcherCount(name: string): number {
    return this.#watchers.count(name)
  }

  #changed(name: string): void {
    this.#options.bus.tell('updated', name)
    this.#watchers.changed(name)
  }

  /** Number of databases. */
  get size(): number {
    return this.#names.size
  }

  /** Number of databases that are open. */
  get openCount(): number {
    return this.#open.size
  }

  /** Another number after every creation and deletion. */
  get generation(): number {
    return this.#generation
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Names in bytewise order. */
  list(range?: NameRange): string[] {
    return this.#names.list(range)
  }

  /**
   * Makes a database; durable when it resolves. Throws illegal_database_name, database_name_too_long,
   * file_exists. `shards` is CouchDB's `q`, which is only remembered.
   */
  async create(
    name: string,
    options: { shards?: number | undefined; partitioned?: boolean | undefined } = {},
  ): Promise<void> {
    checkDatabaseName(name)
    const { shards, partitioned = false } = options
    if (shards !== undefined && !(Number.isInteger(shards) && shards >= 1 && shards <= MAX_SHARDS)) {
      throw new DatabaseError('badRequest', 'The `q` value should be a positive integer.')
    }
    await this.#change(name, async () => {
      if (this.#names.has(name)) throw new DatabaseError('databaseExists')
      const path = this.#files.pathOf(name, shards)
      const failure = await failureOf(
        this.#files.create(name, path, (draft) => this.#make(draft, name, partitioned)),
      )
      if (failure === undefined || (await this.#files.exists(path).catch(() => false))) {
        this.#remember(name, shards)
        this.#options.bus.tell('created', name)
      }
      if (failure !== undefined) throw failure.error
    })
  }

  /**
   * Deletes a database; durable when it resolves. At once nobody gets it any more; those who have it are told
   * by their lease's signal. Throws not_found.
   */
  async delete(name: string): Promise<void> {
    await this.#change(name, async () => {
      if (!this.#names.has(name)) throw new DatabaseError('noDatabase')
      const path = this.#pathOf(name)
      const shards = this.#shards.get(name)
      this.#forget(name)
      const graceMs = this.#options.deleteGraceMs ?? 2000
      await this.#open.retire(name, new DatabaseError('noDatabase'), graceMs)
      const failure = await failureOf(this.#files.remove(path))
      if (failure === undefined || !(await this.#files.exists(path).catch(() => true)))
        this.#options.bus.tell('deleted', name)
      else this.#remember(name, shards)
      if (failure !== undefined) throw failure.error
    })
  }

  async #make(path: string, name: string, partitioned: boolean): Promise<OwnedDatabase> {
    const database = await this.#options.createDatabase(path, name, { partitioned })
    const security = this.#options.initialSecurity?.()
    const documents = this.#options.initialDocuments?.(name) ?? []
    try {
      if (security !== undefined) await database.setSecurity(security)
      if (documents.length > 0) await database.update(documents)
      return database
    } catch (error) {
      await database.close()
      throw error
    }
  }

  #remember(name: string, shards: number | undefined): void {
    this.#names.add(name)
    if (shards === undefined) this.#shards.delete(name)
    else this.#shards.set(name, shards)
    this.#generation++
  }

  #forget(name: string): void {
    this.#names.remove(name)
    this.#shards.delete(name)
    this.#generation++
    this.#watchers.deleted(name)
  }

  async #openFile(name: string): Promise<OwnedDatabase> {
    try {
      return await this.#options.openDatabase(this.#pathOf(name), name)
    } catch (error) {
      // Nobody waits for this: a deletion of the name waits for the opening to end.
      void this.#forgetIfGone(name).catch(() => undefined)
      throw error
    }
  }

  /** A file that somebody removed underneath takes its name with it. */
  #forgetIfGone(name: string): Promise<void> {
    return this.#change(name, async () => {
      if (!this.#names.has(name) || (await this.#files.exists(this.#pathOf(name)))) return
      this.#forget(name)
      this.#options.bus.tell('deleted', name)
    })
  }

  /** The `q` that a database was made with. */
  shardsOf(name: string): number | undefined {
    return this.#shards.get(name)
  }

  /** The lease of a database that is open now; undefined for any other, for which there is `lease`. */
  leaseOpen(name: string): Lease<OwnedDatabase> | undefined {
    // What is open has a name: a deletion takes both away in one turn.
    return this.#open.acquireOpen(name)
  }

  /** Gives the right to use a database. Release it. Throws not_found, all_dbs_active. */
  async lease(name: string): Promise<Lease<OwnedDatabase>> {
    if (!this.#names.has(name)) throw new DatabaseError('noDatabase')
    return this.#open.acquire(name)
  }

  /** Runs `use` with the database, which stays open until what `use` returned has settled. */
  async withDatabase<T>(
    name: string,
    use: (database: OwnedDatabase, signal: AbortSignal) => T | Promise<T>,
  ): Promise<T> {
    const lease = await this.lease(name)
    try {
      return await use(lease.database, lease.signal)
    } finally {
      lease.release()
    }
  }

  /** Refuses new leases, creations and deletions, gives running ones `graceMs`, closes all databases. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#changing.values())
    await this.#open.stop(graceMs)
  }

  #pathOf(name: string): string {
    return this.#files.pathOf(name, this.#shards.get(name))
  }

  /** Runs `change` when no other change of that name is running. */
  async #change(name: string, change: () => Promise<void>): Promise<void> {
    for (;;) {
      if (this.#stopped) throw new DatabaseError('shuttingDown')
      const running = this.#changing.get(name)
      if (running === undefined) break
      await running.catch(() => undefined)
    }
    const done = change().finally(() => this.#changing.delete(name))
    this.#changing.set(name, done)
    await done
  }
}

async function failureOf(work: Promise<void>): Promise<{ error: unknown } | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return { error }
  }
}
