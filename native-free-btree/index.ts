/// <reference types="node" preserve="true" />
/** The library's only door. */
export type * from './api.ts'
export { PageCache } from './cache.ts'
export type { Clock, RandomBytes } from './clock.ts'
export { STORAGE_ERRORS, StorageError, type StorageErrorCode } from './errors.ts'
export type { FileSystem, OpenMode, StorageFile } from './file.ts'
export { openSnapshot } from './file-snapshot.ts'
export { acquireLock } from './lock.ts'
export {
  COMPACTION_TREE,
  type Filling,
  NewFile,
  type NewFileOptions,
  newFileOf,
  removeNewFile,
  removeUselessNewFile,
} from './new-file.ts'
export { nodeFileSystem } from './node-file.ts'
export { openStore, type StoreOptions } from './store.ts'
export { systemClock, systemRandom } from './system.ts'
