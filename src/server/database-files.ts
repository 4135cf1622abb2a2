/**
 * The files of a data folder's databases. What holds:
 * - `databases/` holds one file for each database.
 * - A database is made in `drafts/` and renamed into place when it is complete, so that a crash leaves a whole
 *   database or none; what a crash left in `drafts/` is removed at the next start.
 * - Creation and deletion resolve once the folders that changed are synced, each new parent too. A folder that becomes
 *   empty stays until the next start.
 */
import { access, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { changeNames, makeDirectory, syncDirectory } from '../base/durable-file.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'
import type { OwnedDatabase } from '../database/api/database.ts'
import { DATABASE_EXTENSION, databaseOfPath, nameTooLong, pathOfDatabase } from './database-name.ts'

/** What lies beside a database's file, by suffix: a lock, what a compaction has begun. */
const COMPANIONS = ['.lock', '.compact', '.compact.creating']

export class DatabaseFiles {
  readonly #root: string
  readonly #drafts: string
  /** Folders whose own names are known to be durable. */
  readonly #durable = new Set<string>()
  #draftsMade = 0

  private constructor(root: string, drafts: string) {
    this.#root = root
    this.#drafts = drafts
    this.#durable.add(root)
  }

  /**
   * Clears away what a crash left. `found` has the names of the databases, with the `q` of those that were made with one.
   * The folder must be this process's alone.
   */
  static async open(
    dataDir: string,
    log: Log,
  ): Promise<{ files: DatabaseFiles; found: ReadonlyMap<string, number | undefined> }> {
    const root = join(dataDir, 'databases')
    const drafts = join(dataDir, 'drafts')
    await rm(drafts, { recursive: true, force: true })
    await makeDirectory(root)
    await makeDirectory(drafts)
    await syncDirectory(dataDir)
    const found = new Map<string, number | undefined>()
    await scan(root, root, found, log)
    return { files: new DatabaseFiles(root, drafts), found }
  }

  /** Where the database has its file; `shards` is the `q` it was made with. */
  pathOf(name: string, shards: number | undefined): string {
    return pathOfDatabase(this.#root, name, shards)
  }

  /** Whether there is a file. */
  async exists(path: string): Promise<boolean> {
    try {
      await access(path)
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  /** Makes the database's file of what `make` makes at another path. Throws file_exists and database_name_too_long. */
  async create(name: string, path: string, make: (draft: string) => Promise<OwnedDatabase>): Promise<void> {
    const draft = join(this.#drafts, `${++this.#draftsMade}${DATABASE_EXTENSION}`)
    let isNamed = false
    try {
      // A file that is there although its name is unknown is somebody's data all the same.
      if (await this.exists(path)) throw new DatabaseError('databaseExists')
      await this.#makeDurable(dirname(path))
      const database = await make(draft)
      await database.close()
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

  /**
   * Removes the database's file and then its companions. These are removed by name, since a folder may hold very many
   * databases; one that stays goes at the next start.
   */
  async remove(path: string): Promise<void> {
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
