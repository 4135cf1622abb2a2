/** What `openStore` takes, and the cache of a caller who brings none. */
import type { TreeOptions } from '../api.ts'
import { type CacheSpace, PageCache } from '../cache/page-cache.ts'
import type { Clock, RandomBytes } from '../clock.ts'
import type { FileSystem } from '../disk/file-system.ts'

export interface StoreOptions {
  /** The trees that the caller will use; missing ones are made. */
  trees?: Record<string, TreeOptions>
  /** Makes the file when there is none. Default true. */
  create?: boolean
  /** Opens beside a writer, without a lock; `refresh()` moves on. Default false. */
  readOnly?: boolean
  /** One budget for all stores that are given it. Default: one of 64 MiB for the process. */
  cache?: PageCache
  /** A checkpoint starts after this many bytes of records. Default 32 MiB. */
  checkpointLogBytes?: number
  /** Most bytes of dirty nodes. Default: three quarters of the cache's budget, 128 MiB at most. */
  dirtyBytes?: number
  /** Bound of the writer's queue. Default 16 MiB. */
  queueBytes?: number
  /** Transactions longer than this go out in several groups. Default 4 MiB, which is also the most. */
  partBytes?: number
  /**
   * Most zeros that are written ahead at a time, behind the last group, by who commits often and little: the syncs of later
   * commits take less then. The file ends with its groups again when the store is closed, or idle for a second. Default
   * 192 KiB; 0: none.
   */
  roomBytes?: number
  /**
   * About as many bytes of a running checkpoint's nodes go out as a group of their own, with a sync, while nothing waits for the writer and
   * the last commit had at least a quarter as many: who commits much at a time, and makes the next meanwhile, has less to wait for.
   * Default 0: nodes go out with commits alone.
   */
  aheadBytes?: number
  fileSystem?: FileSystem
  clock?: Clock
  random?: RandomBytes
  /** Takes the writer's lock; simulations pass their own. */
  lock?: (path: string) => Promise<{ release(): Promise<void> }>
  /** Position of the first group of a new file, a multiple of 8: for tests of large offsets. */
  firstGroupPosition?: number
}

let sharedCache: PageCache | undefined

/** The cache that was given, or the one that all stores of this thread share which were given none. */
export function cacheOf({ cache }: Pick<StoreOptions, 'cache'>): PageCache {
  if (cache !== undefined) return cache
  sharedCache ??= new PageCache(64 * 1024 * 1024)
  return sharedCache
}

/** Room in the cache for one more file. */
export function spaceOf(options: Pick<StoreOptions, 'cache'>): CacheSpace {
  return cacheOf(options).space()
}
