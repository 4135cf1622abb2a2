import type { Follower, PageCache, SharedProgress, TreeOptions } from '../../../native-free-btree/index.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { RemoteWriter, SharedDatabase } from '../api/remote-writer.ts'
import { awaiting } from '../errors/layer-errors.ts'
import { TREE_OPTIONS } from '../layout/tree-options.ts'
import { FollowedDatabase } from './followed-database.ts'

/** The engine's, or a stand-in for it. */
export type OpenFollower = (
  progress: SharedProgress,
  options: { trees: Record<string, TreeOptions>; cache?: PageCache; clock: Clock },
) => Promise<Follower>

export interface FollowOptions {
  openFollower: OpenFollower
  /** Of the thread. */
  cache?: PageCache | undefined
  clock?: Clock | undefined
  /** Runs once, when the database has been closed here. */
  onClosed?: (() => void) | undefined
}

/**
 * Opens a database that another thread has open, to which `writer` leads. Throws databaseClosed when that thread has closed
 * it by now.
 */
export async function openFollowed(
  shared: SharedDatabase,
  writer: RemoteWriter,
  { openFollower, cache, clock = systemClock, onClosed }: FollowOptions,
): Promise<FollowedDatabase> {
  const given = { trees: TREE_OPTIONS, clock, ...(cache && { cache }) }
  const follower = await awaiting(openFollower(shared.progress, given))
  return new FollowedDatabase(follower, shared, writer, clock, onClosed)
}
