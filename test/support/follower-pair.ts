/** A store on a disk in memory and a follower of it. */
import {
  type CompactionOptions,
  compact,
  type Follower,
  type FollowerOptions,
  openFollower,
  PageCache,
  type SharedProgress,
  StorageError,
  type Store,
  StoreCompactionSource,
} from '../../native-free-btree/index.ts'
import { Random } from './random.ts'
import { SimulatedClock, seededRandomBytes } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { seed } from './test-run.ts'
import { openSimulated, patternBytes, TEST_TREES } from './test-trees.ts'

export const PATH = '/d/store'

/** The key of this number. */
export const numbered = (n: number): Buffer => Buffer.from(`key ${String(n).padStart(6, '0')}`)

export function followerOn(
  disk: SimulatedDisk,
  progress: SharedProgress,
  given: FollowerOptions = {},
): Promise<Follower> {
  return openFollower(progress, {
    trees: TEST_TREES,
    cache: new PageCache(1024 * 1024),
    fileSystem: disk,
    clock: new SimulatedClock(),
    ...given,
  })
}

/** The clock stands still: a writer that is slowed down would wait for ever. */
class UnhurriedSource extends StoreCompactionSource {
  override slowDown(): void {}
}

/** Compacts the store into a file that takes its place. */
export async function compactOn(
  disk: SimulatedDisk,
  random: Random,
  store: Store,
  pace?: CompactionOptions['pace'],
) {
  await compact(new UnhurriedSource(store), {
    trees: TEST_TREES,
    fileSystem: disk,
    clock: new SimulatedClock(),
    random: seededRandomBytes(random),
    cache: new PageCache(1024 * 1024),
    fillBytes: 8 * 1024,
    pace,
  })
}

/** The code of what it throws; 'none' where it does not. */
export function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error)
  }
}

/** A store with one follower, on a disk in memory, without checkpoints unless they are asked for. */
export async function pair(given: FollowerOptions = {}) {
  const random = new Random(seed)
  const disk = new SimulatedDisk(random.fork())
  const options = { checkpointLogBytes: 2 ** 30, dirtyBytes: 2 ** 30, cache: new PageCache(64 * 1024 * 1024) }
  const store = await openSimulated(disk, PATH, random, options)
  const follower = await followerOn(disk, store.shareProgress(), given)
  const put = (from: number, to: number, bytes = 40): Promise<void> =>
    store.transact((tx) => {
      for (let n = from; n < to; n++) tx.put('plain', numbered(n), patternBytes(n, bytes))
    })
  return { random, disk, store, follower, put }
}
