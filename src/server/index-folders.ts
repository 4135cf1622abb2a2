/**
 * Where the indexes of a data folder are: `views/UUID/SIGNATURE.davenport`, of the incarnation of a database with that uuid,
 * whose name is in the file `database` beside them. What holds:
 * - A folder is there before an index is opened in it, and goes with its database, or when it is found that no such
 *   database is there any more.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError, type Log } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'

const FOLDER = 'views'
const NAME_FILE = 'database'
const EXTENSION = '.davenport'
const SIGNATURE = /^([0-9a-f]+)\.davenport/

export class IndexFolders {
  readonly #root: string
  readonly #log: Pick<Log, 'warning'>
  /** Uuids by the names of their databases. */
  readonly #known = new Map<string, Set<string>>()

  private constructor(root: string, log: Pick<Log, 'warning'>) {
    this.#root = root
    this.#log = log
  }

  /** Removes the folders of databases that are not there. */
  static async open(
    dataDir: string,
    hasDatabase: (name: string) => boolean,
    log: Pick<Log, 'warning'>,
  ): Promise<IndexFolders> {
    const folders = new IndexFolders(join(dataDir, FOLDER), log)
    for (const uuid of await folders.#list('')) {
      const name = await folders.#nameOf(uuid)
      if (name === undefined || !hasDatabase(name)) await folders.#remove(uuid)
      else folders.#remember(name, uuid)
    }
    return folders
  }

  async #list(below: string): Promise<string[]> {
    try {
      return await readdir(join(this.#root, below))
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return []
      throw error
    }
  }

  async #nameOf(uuid: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#root, uuid, NAME_FILE), 'utf8')
    } catch {
      return undefined
    }
  }

  #remember(name: string, uuid: string): void {
    const uuids = this.#known.get(name) ?? new Set()
    this.#known.set(name, uuids.add(uuid))
  }

  async #remove(uuid: string): Promise<void> {
    try {
      await rm(join(this.#root, uuid), { recursive: true, force: true })
    } catch (error) {
      this.#log.warning('indexes that nobody needs stay', { uuid, reason: describeError(error) })
    }
  }

  pathOf(uuid: string, signature: string): string {
    if (!SIGNATURE.test(`${signature}${EXTENSION}`)) throw new TypeError('a signature is hex')
    return join(this.#root, uuid, `${signature}${EXTENSION}`)
  }

  /** Makes the folder of a database that is there. */
  async make(name: string, uuid: string): Promise<void> {
    if (this.#known.get(name)?.has(uuid)) return
    await mkdir(join(this.#root, uuid), { recursive: true, mode: 0o700 })
    await writeFile(join(join(this.#root, uuid), NAME_FILE), name)
    this.#remember(name, uuid)
  }

  /** The databases of this name that have had indexes, which are forgotten. */
  forget(name: string): readonly string[] {
    const uuids = [...(this.#known.get(name) ?? [])]
    this.#known.delete(name)
    return uuids
  }

  /** The other incarnations of the database. */
  othersOf(name: string, uuid: string): readonly string[] {
    return [...(this.#known.get(name) ?? [])].filter((each) => each !== uuid)
  }

  /** Removes all that indexes of a database have left; nobody has them open. */
  async remove(name: string, uuid: string): Promise<void> {
    this.#known.get(name)?.delete(uuid)
    await this.#remove(uuid)
  }

  /** Signatures of the indexes that a database has files of. */
  async signaturesOf(uuid: string): Promise<string[]> {
    const names = await this.#list(uuid)
    return [...new Set(names.flatMap((name) => SIGNATURE.exec(name)?.[1] ?? []))]
  }
}
