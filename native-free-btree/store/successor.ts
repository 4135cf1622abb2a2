/**
 * A file that a compaction made takes the place of a store's file. All of it happens in the writer's turn. What must be
 * durable before what:
 * 1. Everything acknowledged is in the new file, synced: opening it checks its groups, and what no superblock
 *    vouches for is written again and synced.
 * 2. Only then the rename: at any crash the name leads to one of two files that hold the same.
 * 3. Only after the folder's sync the first group goes into the new file. Were it acknowledged earlier, a crash
 *    that takes the rename back would take the acknowledged write with it. Where the folder cannot be opened, the new
 *    file's writer makes up for the sync.
 */
import type { Turn } from '../api.ts'
import { requirePath } from '../arguments.ts'
import type { FileSystem, StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import type { Writer, WriterTurn } from '../write/pump.ts'
import { folderOf } from './create.ts'
import type { StoreOptions } from './options.ts'
import { loadForWriting, type Parts } from './parts.ts'

/** The store whose file is succeeded. */
interface Succeeded {
  readonly path: string
  readonly uuid: string
  /** Of the present file. */
  readonly salt: bigint
  readonly options: StoreOptions
  readonly fileSystem: FileSystem
  readonly writer: Writer
}

/** The writer's turn as callers get it; `replaceWith` makes the file at a path the store's. */
export function turnOf({ end, giveBack }: WriterTurn, replaceWith: (path: string) => Promise<void>): Turn {
  let state: 'lent' | 'replacing' | 'over' = 'lent'
  return {
    end,
    giveBack: () => {
      // While the name changes hands the old file must not take another group.
      if (state !== 'lent') return
      state = 'over'
      giveBack()
    },
    replaceWith: async (path) => {
      requirePath(path)
      if (state !== 'lent') throw new StorageError('INVALID_ARGUMENT', 'the turn is over')
      state = 'replacing'
      try {
        await replaceWith(path)
      } finally {
        state = 'over'
        giveBack()
      }
    },
  }
}

/**
 * Loads the file at `path` and gives it the store's name. When it throws, the store goes on with its present file,
 * whose writer is poisoned if the rename may have been done.
 */
export async function succeed(
  store: Succeeded,
  path: string,
): Promise<{ parts: Parts; isNameDurable: boolean }> {
  const parts = await openSuccessor(store, path)
  try {
    store.writer.assertNamed()
    return { parts, isNameDurable: await rename(store, path) }
  } catch (error) {
    parts.ledger.clear()
    parts.space.clear()
    await parts.file.close()
    throw error
  }
}

async function openSuccessor(store: Succeeded, path: string): Promise<Parts> {
  let file: StorageFile | undefined
  try {
    file = await store.fileSystem.open(path, 'write')
    return await loadForWriting(file, store.options, ({ uuid, salt }) => {
      if (uuid.toString('hex') !== store.uuid || salt === store.salt) {
        throw new StorageError('INVALID_ARGUMENT', `${path} is no successor of ${store.path}`)
      }
    })
  } catch (error) {
    await file?.close()
    if (error instanceof StorageError && error.code !== 'IO_FAILED') throw error
    throw new StorageError('WRITE_FAILED', `${path} could not be opened`, { path }, error)
  }
}

/** Gives the file at `path` the store's name. Returns whether the name is durable. */
async function rename({ fileSystem, writer, path: name }: Succeeded, path: string): Promise<boolean> {
  try {
    await fileSystem.rename(path, name)
  } catch (error) {
    const stayed = await fileSystem.exists(path).catch(() => false)
    if (!stayed) throw writer.poison('a rename failed and may have been done', error)
    throw new StorageError('WRITE_FAILED', `${path} could not be renamed`, { path }, error)
  }
  try {
    await fileSystem.syncDirectory(folderOf(name))
    return true
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'SYNC_FAILED')) return false
    throw writer.poison('the folder of a renamed file could not be synced', error)
  }
}
