/**
 * The databases of a data folder. What holds:
 * - `databases/` holds them, one file each; its names are read once, at start, and kept in memory after that.
 * - A database is made in `drafts/` and renamed into place when it is complete, so that a crash leaves a whole
 *   database or none; what a crash left in `drafts/` is removed at the next start.
 * - Creation and deletion are answered once the folders that changed are synced, each new parent too. A folder
 *   that becomes empty stays until the next start.
 * - A name is created or deleted by one request at a time. Whatever fails on the way, at the end the name is known when
 *   the folder has the file, and not when it has not: the files decide, not how far the request came.
 */
import { access, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { changeNames, makeDirectory, syncDirectory } from '../base/durable-file.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'
import type { Database } from '../database/api/database.ts'
import {
  checkDatabaseName,
  DATABASE_EXTENSION,
  databaseOfPath,
  MAX_SHARDS,
  nameTooLong,
  pathOfDatabase,
} from './database-name.ts'
import { NameIndex, type NameRange } from './name-index.ts'
import { type Lease, OpenDatabases } from './open-databases.ts'

/** How a database's file is opened and made; a made one has a uuid of its own. */
export interface DatabaseOpener {
  openDatabase(path: string, name: string): Promise<Database>
  /** Makes the file, which must not exist yet. */
  createDatabase(path: string, name: string, properties?: { partitioned: boolean }): Promise<Database>
}

export interface RegistryOptions extends DatabaseOpener {
  dataDir: string
  maxOpen: number
  /** The `_security` that new databases get; undefined leaves it unset. */
  initialSecurity?: (() => Uint8Array | undefined) | undefined
  /** How long a deletion waits for those who use the database. Default 2000. */
  deleteGraceMs?: number | undefined
  /** How long a request waits for room among the open databases. Default 5000. */
  waitMs?: number | undefined
  clock: Clock
  log: Log
}

export type DatabaseEventType = 'created' | 'updated' | 'deleted'

/** Hears of creations, deletions and changes. It must be quick and not throw. */
export type DatabaseListener = (type: DatabaseEventType, name: string) => void

/** Hears of one database, whether it is open or not. Both must be quick and not throw. */
export interface DatabaseWatcher {
  /** Something was written; it is durable. */
  changed(): void
  /** The database is being deleted. Nothing is heard of it after this. */
  deleted(): void
}

export class DatabaseRegistry {
  readonly #options: RegistryOptions
  readonly #root: string
  readonly #drafts: string
  readonly #names: NameIndex
  /** Of the databases that were made with a `q`. */
  readonly #shards: Map<string, number>
  readonly #open: OpenDatabases
  /** The creation or deletion that a name is in. */
  readonly #changing = new Map<string, Promise<void>>()
  /** Folders whose own names are known to be durable. */
  readonly #durable = new Set<string>()
  #draftsMade = 0
  #generation = 0
  #stopped = false
  #listener: DatabaseListener | undefined
  readonly #watchers = new Map<string, Set<DatabaseWatcher>>()
  #opened: ((name: string, database: Database) => Promise<void>) | undefined

  private constructor(options: RegistryOptions, found: ReadonlyMap<string, number | undefined>) {
    this.#options = options
    this.#root = rootOf(options.dataDir)
    this.#drafts = draftsOf(options.dataDir)
    this.#names = new NameIndex(found.keys())
    this.#shards = new Map([...found].flatMap(([name, shards]) => (shards ? [[name, shards]] : [])))
    this.#durable.add(this.#root)
    this.#open = new OpenDatabases({
      maxOpen: options.maxOpen,
      waitMs: options.waitMs,
      clock: options.clock,
      log: options.log,
      open: async (name) => {
        if (!this.#names.has(name)) throw new DatabaseError('noDatabase')
        const database = await this.#openFile(name)
        database.onChange(() => this.#changed(name))
        await this.#opened?.(name, database)
        return database
      },
    })
  }

  /** Reads the names, clears away what a crash left. The folder must be this process's alone. */
  static async open(options: RegistryOptions): Promise<DatabaseRegistry> {
    const root = rootOf(options.dataDir)
    const drafts = draftsOf(options.dataDir)
    await rm(drafts, { recursive: true, force: true })
    await makeDirectory(root)
    await makeDirectory(drafts)
    await syncDirectory(options.dataDir)
    const found = new Map<string, number | undefined>()
    await scan(root, root, found, options.log)
    return new DatabaseRegistry(options, found)
  }

  /** From now on; one listener. */
  listen(listener: DatabaseListener): void {
    this.#listener = listener
  }

  /**
   * Tells `watcher` of a database without a lease, so that it may be closed meanwhile. Returns what ends the watch.
   * A name that no database has is watched in vain.
   */
  watch(name: string, watcher: DatabaseWatcher): () => void {
    const watchers = this.#watchers.get(name) ?? new Set()
    this.#watchers.set(name, watchers)
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(name) === watchers) this.#watchers.delete(name)
    }
  }

  /** How many watch the database. */
  watcherCount(name: string): number {
    return this.#watchers.get(name)?.size ?? 0
  }

  #changed(name: string): void {
    this.#listener?.('updated', name)
    for (const watcher of [...(this.#watchers.get(name) ?? [])]) watcher.changed()
  }

  /** Runs `prepare` with each database that is opened from now on, before it is used. It must not reject. */
  onOpened(prepare: (name: string, database: Database) => Promise<void>): void {
    this.#opened = prepare
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
      const path = pathOfDatabase(this.#root, name, shards)
      const failure = await failureOf(this.#createFile(name, path, partitioned))
      if (failure === undefined || (await exists(path).catch(() => false))) {
        this.#remember(name, shards)
        this.#listener?.('created', name)
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
      const failure = await failureOf(removeDatabase(path))
      if (failure === undefined || !(await exists(path).catch(() => true))) this.#listener?.('deleted', name)
      else this.#remember(name, shards)
      if (failure !== undefined) throw failure.error
    })
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
    const watchers = this.#watchers.get(name) ?? []
    this.#watchers.delete(name)
    for (const watcher of watchers) watcher.deleted()
  }

  async #openFile(name: string): Promise<Database> {
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
      if (!this.#names.has(name) || (await exists(this.#pathOf(name)))) return
      this.#forget(name)
      this.#listener?.('deleted', name)
    })
  }

  /** The `q` that a database was made with. */
  shardsOf(name: string): number | undefined {
    return this.#shards.get(name)
  }

  /** The lease of a database that is open now; undefined for any other, for which there is `lease`. */
  leaseOpen(name: string): Lease | undefined {
    // What is open has a name: a deletion takes both away in one turn.
    return this.#open.acquireOpen(name)
  }

  /** Gives the right to use a database. Release it. Throws not_found, all_dbs_active. */
  async lease(name: string): Promise<Lease> {
    if (!this.#names.has(name)) throw new DatabaseError('noDatabase')
    return this.#open.acquire(name)
  }

  /** Runs `use` with the database, which stays open until what `use` returned has settled. */
  async withDatabase<T>(
    name: string,
    use: (database: Database, signal: AbortSignal) => T | Promise<T>,
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
    return pathOfDatabase(this.#root, name, this.#shards.get(name))
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

  async #createFile(name: string, path: string, partitioned: boolean): Promise<void> {
    const draft = join(this.#drafts, `${++this.#draftsMade}${DATABASE_EXTENSION}`)
    let isNamed = false
    try {
      // A file that is there although its name is unknown is somebody's data all the same.
      if (await exists(path)) throw new DatabaseError('databaseExists')
      await this.#makeDurable(dirname(path))
      const database = await this.#options.createDatabase(draft, name, { partitioned })
      try {
        const security = this.#options.initialSecurity?.()
        if (security !== undefined) await database.setSecurity(security)
      } finally {
        await database.close()
      }
      await changeNames(dirname(path), async () => {
        await rename(draft, path)
        isNamed = true
      })
    } catch (error) {
      // What cannot be removed: a draft is at the next start, and a file with its name is a database.
      await rm(isNamed ? path : draft, { force: true }).catch(() => undefined)
      throw this.#creationError(error, name)
    }
  }

  #creationError(error: unknown, name: string): unknown {
    if (hasCode(error, 'ENAMETOOLONG')) return nameTooLong(name)
    const isFolderGone =
      hasCode(error, 'ENOENT') || (error instanceof DatabaseError && error.kind === 'noDatabase')
    if (!isFolderGone) return error
    // The next attempt makes those again that it needs.
    this.#durable.clear()
    this.#durable.add(this.#root)
    return new DatabaseError('storageUnavailable', 'A folder was removed from the data folder.', {
      cause: error,
    })
  }

  /** A folder that an earlier process made and did not live to sync is synced too. */
  async #makeDurable(folder: string): Promise<void> {
    if (this.#durable.has(folder)) return
    await this.#makeDurable(dirname(folder))
    await makeDirectory(folder)
    await syncDirectory(dirname(folder))
    this.#durable.add(folder)
  }
}

/** What lies beside a database's file, by suffix: a lock, what a compaction has begun. */
const COMPANIONS = ['.lock', '.compact', '.compact.creating']

/**
 * Removes a database's file and then its companions. These are removed by name, since a folder may hold very many
 * databases; one that stays goes at the next start.
 */
async function removeDatabase(path: string): Promise<void> {
  try {
    await changeNames(dirname(path), async () => {
      await rm(path, { force: true })
      for (const suffix of COMPANIONS) await rm(`${path}${suffix}`, { force: true }).catch(() => undefined)
    })
  } catch (error) {
    // The folder was removed, and all that was in it.
    if (!hasCode(error, 'ENOENT')) throw error
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

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

function rootOf(dataDir: string): string {
  return join(dataDir, 'databases')
}

function draftsOf(dataDir: string): string {
  return join(dataDir, 'drafts')
}

/**
 * What lies beside a database's file, also what a process that was killed has left: claims on a lock, temporary files.
 * Without that file nobody needs it.
 */
const COMPANION = new RegExp(
  `^(.*\\${DATABASE_EXTENSION})\\.(?:lock|lock\\.[a-z]+-[0-9a-f]+|compact|compact\\.creating)$`,
)

/** Collects the databases under `folder`, removes empty folders. Returns whether anything is left in it. */
async function scan(
  root: string,
  folder: string,
  found: Map<string, number | undefined>,
  log: Log,
): Promise<boolean> {
  let left = false
  const entries = await readdir(folder, { withFileTypes: true })
  const names = new Set(entries.map(({ name }) => name))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    const [, owner] = COMPANION.exec(entry.name) ?? []
    if (owner !== undefined && !names.has(owner)) {
      await rm(path)
      continue
    }
    if (entry.isDirectory()) {
      if (await scan(root, path, found, log)) left = true
      else await rmdir(path)
      continue
    }
    left = true
    const database = databaseOfPath(root, path)
    if (database === undefined) {
      if (entry.name.endsWith(DATABASE_EXTENSION)) log.warning('not the name of a database', { path })
    } else if (found.has(database.name)) {
      log.warning('a second file for a database is ignored', { path, database: database.name })
    } else {
      found.set(database.name, database.shards)
    }
  }
  return left
}
