/** Loads a file into what an open store is built from, for a writer and for a reader beside one. */
import type { RecoveryReport } from '../api.ts'
import type { CacheSpace } from '../cache/page-cache.ts'
import type { FileSystem, StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { knownDurableEnd } from '../log/durable-ends.ts'
import { identify, type Located, locate, repair } from '../log/recovery.ts'
import { Ledger } from '../write/ledger.ts'
import { type LoadedTrees, loadTrees } from './load.ts'
import { type StoreOptions, spaceOf } from './options.ts'

/** Attempts of a reader that meets a file in the middle of the writer's recovery. */
const READER_ATTEMPTS = 5

/** What was found in a file and built from it. */
export interface Parts {
  file: StorageFile
  located: Located
  loaded: LoadedTrees
  space: CacheSpace
  ledger: Ledger
}

async function loadParts(
  file: StorageFile,
  located: Located,
  options: StoreOptions,
  space: CacheSpace,
  writing: boolean,
): Promise<Parts> {
  const ledger = new Ledger(space.cache)
  try {
    const loaded = await loadTrees(file, located, options.trees ?? {}, space, ledger, writing)
    return { file, located, loaded, space, ledger }
  } catch (error) {
    ledger.clear()
    space.clear()
    throw error
  }
}

/**
 * Loads a file that nobody else writes. Cuts what lies behind its groups and makes them durable, unless `assertFits`
 * throws.
 */
export async function loadForWriting(
  file: StorageFile,
  options: StoreOptions,
  assertFits: (located: Located) => void = () => undefined,
): Promise<Parts> {
  const located = await locate(file, true)
  assertFits(located)
  await repair(file, located)
  return loadParts(file, located, options, spaceOf(options), true)
}

/** Loads what a reader may see now. The writer may change the file meanwhile: what looks damaged is read again. */
export async function loadBesideWriter(
  file: StorageFile,
  fileSystem: FileSystem,
  options: StoreOptions,
  space: CacheSpace,
): Promise<Parts> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { salt } = await identify(file)
      const located = await locate(file, false, knownDurableEnd(fileSystem, file.path, salt))
      return await loadParts(file, located, options, space, false)
    } catch (error) {
      const again = error instanceof StorageError && error.code === 'DAMAGED' && attempt < READER_ATTEMPTS
      if (!again) throw error
    }
  }
}

/** What opening found; `created` when the file was made just now. */
export function reportOf({ located, loaded }: Parts, created: boolean): RecoveryReport {
  const cutBytes = located.tornBytes
  const outcome = created ? 'created' : cutBytes > 0 ? 'cut' : located.clean ? 'clean' : 'replayed'
  return {
    outcome,
    cutBytes,
    cutAt: located.end.position,
    lastCommit: located.end.commit,
    groupsReplayed: loaded.groupsReplayed,
    recordsReplayed: loaded.recordsReplayed,
    badSuperblocks: located.badSuperblocks,
  }
}
