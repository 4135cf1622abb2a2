/** Opens a follower of a store, in any thread. */
import type { Follower, SharedProgress } from '../api.ts'
import { refuse, storeOptions } from '../arguments.ts'
import { PageCache } from '../cache/page-cache.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { systemClock } from '../disk/system.ts'
import { typedFileSystem } from '../disk/typed-file-system.ts'
import { ProgressReader, progressOf } from '../log/progress.ts'
import type { StoreOptions } from '../store/options.ts'
import { openFollowed, StoreFollower } from './follower.ts'
import { Turns } from './turns.ts'

/** The trees with their orders and summaries, as the writer has them; the rest as in `StoreOptions`. */
export type FollowerOptions = Pick<StoreOptions, 'trees' | 'cache' | 'fileSystem' | 'clock'>

/**
 * Opens what `store.shareProgress()` gave, here or in another thread. Rejects with CLOSED when the store is closed by now,
 * NOT_FOUND when its path leads elsewhere, DAMAGED, COMPARATOR_MISMATCH and REDUCER_MISMATCH.
 */
export async function openFollower(progress: SharedProgress, given: FollowerOptions = {}): Promise<Follower> {
  const shared = progressOf(progress)
  const options = storeOptions(given)
  if (options.cache !== undefined && !PageCache.is(options.cache))
    refuse('cache', 'a PageCache', options.cache)
  const clock = options.clock ?? systemClock
  const store = {
    shared,
    progress: new ProgressReader(shared),
    options,
    clock,
    fileSystem: typedFileSystem(options.fileSystem ?? nodeFileSystem),
    followed: { trees: options.trees ?? {}, turns: new Turns(clock) },
  }
  return new StoreFollower(store, await openFollowed(store))
}
