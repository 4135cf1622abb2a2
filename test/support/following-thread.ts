/** A thread that follows a store: each message is a number, which must be in the store by then. */
import { parentPort, workerData } from 'node:worker_threads'
import { openFollower, PageCache, type SharedProgress } from '../../native-free-btree/index.ts'

export interface FollowingData {
  progress: SharedProgress
}

export interface FollowingReport {
  /** What a point read and a snapshot's scan have found of what was asked for last. */
  seen: number
  counted: number
  commit: number
  /** Catching up was due before. */
  caughtUp: boolean
}

const { progress } = workerData as FollowingData
const follower = await openFollower(progress, {
  trees: { numbers: {} },
  cache: new PageCache(4 * 1024 * 1024),
})
parentPort!.on('message', async (wanted: number | 'over') => {
  if (wanted === 'over') {
    await follower.close()
    parentPort!.close()
    return
  }
  const caughtUp = !follower.isFresh
  if (caughtUp) await follower.catchUp()
  const seen = Number(follower.get('numbers', Buffer.from('last'))?.toString())
  const snapshot = follower.snapshot()
  const counted = snapshot.tree('numbers').count()
  snapshot.close()
  parentPort!.postMessage({ seen, counted, commit: follower.commit, caughtUp } satisfies FollowingReport)
})
parentPort!.postMessage('ready')
