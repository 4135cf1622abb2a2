/** A disk without waiting for it: for what depends on the bytes alone. */
import { type FileSystem, nodeFileSystem, type StorageFile } from '../../../native-free-btree/index.ts'

export function withoutSyncs(inner: FileSystem): FileSystem {
  return {
    open: async (path, mode) => unsynced(await inner.open(path, mode)),
    exists: (path) => inner.exists(path),
    rename: (from, to) => inner.rename(from, to),
    remove: (path) => inner.remove(path),
    syncDirectory: (path) => inner.syncDirectory(path),
  }
}

function unsynced(file: StorageFile): StorageFile {
  return new Proxy(file, {
    get(target, name) {
      if (name === 'sync') return async () => {}
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** The real one. */
export const unsyncedFileSystem = withoutSyncs(nodeFileSystem)
