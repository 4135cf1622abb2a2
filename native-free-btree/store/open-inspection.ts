/** Opens a store's file to tell what its bytes are: beside a writer, in any thread, without a lock and without the writer's help. */
import { mapOptions, refuse, requirePath, storeOptions } from '../arguments.ts'
import { PageCache } from '../cache/page-cache.ts'
import { naming } from '../callbacks.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { typedFileSystem } from '../disk/typed-file-system.ts'
import { StorageError } from '../errors.ts'
import type { FileInspection, FileMap, MapOptions } from '../inspection.ts'
import { type Mapped, mapFile } from './file-map.ts'
import { LoadedFile } from './loaded-file.ts'
import type { StoreOptions } from './options.ts'
import { loadBesideWriter } from './parts.ts'

/** For the nodes that opening changes, when the caller brings no cache. */
const CACHE_BYTES = 16 * 1024 * 1024

/**
 * Opens the file as it is on the disk. Trees whose order is not among `options.trees` are mapped all the same, unless the log
 * behind the last checkpoint has changes of them. Rejects as `openStore` does.
 */
export async function openInspection(
  path: string,
  given: Pick<StoreOptions, 'trees' | 'fileSystem' | 'cache'> = {},
): Promise<FileInspection> {
  requirePath(path)
  const options = storeOptions(given)
  if (options.cache !== undefined && !PageCache.is(options.cache))
    refuse('cache', 'a PageCache', options.cache)
  const fileSystem = typedFileSystem(options.fileSystem ?? nodeFileSystem)
  if (!(await fileSystem.exists(path))) {
    throw new StorageError('NOT_FOUND', `there is no store at ${path}`, { path })
  }
  const file = await fileSystem.open(path, 'read')
  try {
    const space = (options.cache ?? new PageCache(CACHE_BYTES)).space()
    return new InspectedFile(new LoadedFile(await loadBesideWriter(file, fileSystem, options, space)))
  } catch (error) {
    await file.close()
    throw error
  }
}

class InspectedFile implements FileInspection {
  readonly uuid: string
  readonly commit: number
  readonly #open: LoadedFile
  readonly #mapped: Mapped
  #isClosed = false

  constructor(open: LoadedFile) {
    const { file, source, salt, located } = open
    this.uuid = located.uuid.toString('hex')
    this.commit = located.end.commit
    this.#open = open
    // The file may grow while it is looked at; nothing of what is here now changes.
    const durableEnd = located.end.position
    const fileBytes = Math.max(durableEnd, file.size())
    const roots = [...open.trees.values()].map((tree) => ({ tree, root: tree.root }))
    this.#mapped = { file, source, salt, commit: this.commit, roots, durableEnd, fileBytes }
  }

  async map(given?: MapOptions): Promise<FileMap> {
    const { values, ...options } = mapOptions(given)
    if (this.#isClosed) throw new StorageError('CLOSED', 'the file was closed')
    return mapFile(this.#mapped, options, values && naming(values))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#open.close()
  }
}
