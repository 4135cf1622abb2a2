import { type FileSystem, openFollower, type PageCache } from '../../../native-free-btree/index.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { Compression } from '../../base/compression.ts'
import { type Metrics, UNASKED } from '../../base/metrics.ts'
import type { RemoteWriter, SharedDatabase } from '../api/remote-writer.ts'
import { awaiting } from '../errors/layer-errors.ts'
import { TREE_OPTIONS } from '../layout/tree-options.ts'
import { FollowedDatabase } from './followed-database.ts'

export interface FollowOptions {
  /** Of the thread: pages and values of all databases that it reads. */
  cache?: PageCache | undefined
  fileSystem?: FileSystem | undefined
  clock?: Clock | undefined
  /** Takes what is counted. Default: nobody asks. */
  metrics?: Metrics | undefined
  /** Of bodies that are written from now on. Default: none. */
  compression?: (() => Compression) | undefined
  /** Runs once, when the database has been closed here. */
  onClosed?: (() => void) | undefined
  /** The engine's `openFollower`, or a stand-in for it. */
  openFollower?: typeof openFollower | undefined
}

/**
 * Opens a database that another thread has open, to whose writer `writer` leads. Rejects with databaseClosed when that
 * thread has closed it by now.
 */
export async function openFollowed(
  shared: SharedDatabase,
  writer: RemoteWriter,
  options: FollowOptions = {},
): Promise<FollowedDatabase> {
  const { cache, fileSystem, clock = systemClock, metrics = UNASKED, onClosed = () => {} } = options
  const { compression = () => 'none' } = options
  const given = { trees: TREE_OPTIONS, clock, ...(cache && { cache }), ...(fileSystem && { fileSystem }) }
  const follower = await awaiting((options.openFollower ?? openFollower)(shared.progress, given))
  return new FollowedDatabase(follower, shared, writer, { clock, metrics, compression, onClosed })
}
