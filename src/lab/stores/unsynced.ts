/** The real disk without waiting for it: for what depends on the bytes alone. */
import { type FileSystem, nodeFileSystem, type StorageFile } from '../../../native-free-btree/index.ts'

export const unsyncedFileSystem: FileSystem = {
  ...nodeFileSystem,
  async open(path, mode) {
    return unsynced(await nodeFileSystem.open(path, mode))
  },
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
