/** Runs in a thread of the pool: one compaction. */
import { CompactionCancelled, PageCache } from '../../native-free-btree/index.ts'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { restIfDue, restOften } from '../base/rest.ts'
import type { CompactionProgress } from '../database/api/compaction.ts'
import { compact } from '../database/compaction/compaction.ts'
import { type CompactionJob, type CompactionReport, RemoteSource } from './compaction-job.ts'
import { fillBytesOf, seldomTold } from './compaction-steps.ts'
import { JobControl, STOP } from './control.ts'
import { Pacer } from './pacer.ts'

/**
 * The thread rests as those do that build indexes, but its priority is that of others: a compaction that falls behind slows the
 * writer down.
 */
export default async function runCompaction(job: CompactionJob): Promise<CompactionReport> {
  restOften()
  const source = new RemoteSource(job)
  const nowMs = (): number => systemClock.monotonic()
  const control = new JobControl(job.control)
  const pacer = new Pacer(control, job.bytesPerSecond, nowMs)
  const onProgress = seldomTold((progress: CompactionProgress) => source.progress(progress), nowMs)
  try {
    // A job that was told to stop while it waited for a thread makes no file: its database may be deleted by now.
    if (control.stop !== STOP.no) throw new CompactionCancelled(control.stop === STOP.keep)
    const cache = new PageCache(job.cacheBytes)
    const pace = (bytes: number): Promise<void> => {
      restIfDue()
      return pacer.pause(bytes)
    }
    const result = await compact(source, {
      clock: systemClock,
      random: systemRandom,
      cache,
      compression: job.compression,
      fillBytes: fillBytesOf(job.bytesPerSecond),
      onProgress,
      pace,
    })
    return { outcome: 'completed', bytesAfter: result.bytesAfter, resumed: result.resumed }
  } catch (error) {
    if (error instanceof CompactionCancelled) return { outcome: 'cancelled', bytesAfter: 0, resumed: false }
    throw error
  } finally {
    job.port.close()
  }
}
