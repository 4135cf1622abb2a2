/// <reference types="node" preserve="true" />
/** The library's only door. */
export type * from './api.ts'
export { PageCache } from './cache/page-cache.ts'
export type { Clock, RandomBytes } from './clock.ts'
export {
  type CompactionOptions,
  type CompactionProgress,
  type CompactionResult,
  compact,
} from './copy/compact.ts'
export {
  CompactionCancelled,
  type CompactionSource,
  StoreCompactionSource,
} from './copy/compaction-source.ts'
export {
  COMPACTION_TREE,
  type Filling,
  NewFile,
  type NewFileOptions,
  newFileOf,
  removeNewFile,
  removeUselessNewFile,
} from './copy/new-file.ts'
export type { Appender, ReferenceCopies } from './copy/reference-copies.ts'
export type { Rewrite } from './copy/rewrite.ts'
export type { FileSystem, OpenMode, StorageFile } from './disk/file-system.ts'
export { nodeFileSystem, writerFileSystem } from './disk/posix-file.ts'
export { systemClock, systemRandom } from './disk/system.ts'
export { isDiskFull, STORAGE_ERRORS, StorageError, type StorageErrorCode } from './errors.ts'
export { type FollowerOptions, openFollower } from './follow/open-follower.ts'
export type * from './inspection.ts'
export { acquireLock } from './lock/lock.ts'
export { openSnapshot } from './store/file-snapshot.ts'
export { openInspection } from './store/open-inspection.ts'
export { openStore } from './store/open-store.ts'
export type { StoreOptions } from './store/options.ts'
