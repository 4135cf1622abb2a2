/** Opens a store, for writing under its lock or for reading beside a writer. */
import type { Store } from '../api.ts'
import { refuse, requireMethods, requirePath, storeOptions } from '../arguments.ts'
import { PageCache } from '../cache/page-cache.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { systemClock, systemRandom } from '../disk/system.ts'
import { typed, typedFileSystem } from '../disk/typed-file-system.ts'
import { StorageError } from '../errors.ts'
import { acquireLock } from '../lock/lock.ts'
import { createFile } from './create.ts'
import { type StoreOptions, spaceOf } from './options.ts'
import { loadBesideWriter, loadForWriting } from './parts.ts'
import { ReadOnlyStore } from './read-only-store.ts'
import { type Lock, ReadWriteStore } from './read-write-store.ts'

/** Opens, or makes, the store at `path`. Rejects with the codes that errors.ts lists. */
export async function openStore(path: string, given: StoreOptions = {}): Promise<Store> {
  requirePath(path)
  const options = storeOptions(given)
  if (options.cache !== undefined && !PageCache.is(options.cache))
    refuse('cache', 'a PageCache', options.cache)
  const fileSystem = typedFileSystem(options.fileSystem ?? nodeFileSystem)
  if (options.readOnly === true) {
    if (!(await fileSystem.exists(path))) throw notFound(path)
    return openForReading(path, options, fileSystem)
  }
  const lock = await lockOf(path, options)
  try {
    if (!(await fileSystem.exists(path))) {
      if (options.create === false) throw notFound(path)
      const first = options.firstGroupPosition
      await createFile(fileSystem, path, options.clock ?? systemClock, options.random ?? systemRandom, first)
      return await openForWriting(path, options, fileSystem, lock, true)
    }
    return await openForWriting(path, options, fileSystem, lock, false)
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function lockOf(path: string, options: StoreOptions): Promise<Lock> {
  const lock = await typed(path, () => (options.lock ?? acquireLock)(path))
  requireMethods('what `lock` gives', lock, ['release'])
  return { release: () => typed(path, () => lock.release()) }
}

function notFound(path: string): StorageError {
  return new StorageError('NOT_FOUND', `there is no store at ${path}`, { path })
}

async function openForWriting(
  path: string,
  options: StoreOptions,
  fileSystem: FileSystem,
  lock: Lock,
  created: boolean,
): Promise<Store> {
  const file = await fileSystem.open(path, 'write')
  try {
    const parts = await loadForWriting(file, options)
    return new ReadWriteStore(path, options, fileSystem, parts, created, lock)
  } catch (error) {
    await file.close()
    throw error
  }
}

async function openForReading(path: string, options: StoreOptions, fileSystem: FileSystem): Promise<Store> {
  const file = await fileSystem.open(path, 'read')
  try {
    const parts = await loadBesideWriter(file, fileSystem, options, spaceOf(options))
    return new ReadOnlyStore(path, options, fileSystem, parts)
  } catch (error) {
    await file.close()
    throw error
  }
}
