/** Compactions looked at the load of the thread that writes alone: beside threads that answered requests they took their whole share. */
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { sayBusy } from '../../src/base/serving-load.ts'
import { Compactions } from '../../src/server/compactions.ts'
import type { CompactionJob } from '../../src/workers/compaction-job.ts'
import { JobControl, WHOLE_SHARE } from '../../src/workers/control.ts'
import type { WorkerPool } from '../../src/workers/pool.ts'
import type { TaskRegistry } from '../../src/workers/tasks.ts'
import { startTestServer } from '../support/http-server.ts'

t.test('a job has half of its share while requests take the machine', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  t.teardown(() => sayBusy(0))
  await server.server.databases.create('a')
  let control: JobControl | undefined
  let end = (): void => undefined
  let look = (): void => undefined
  const pool = {
    run: (_worker: string, job: CompactionJob) => {
      control = new JobControl(job.control as SharedArrayBuffer)
      return new Promise((resolve) => {
        end = () => resolve({ outcome: 'cancelled' })
      })
    },
    destroy: async () => undefined,
  }
  const compactions = new Compactions({
    lease: (name) => server.server.databases.lease(name),
    pool: pool as unknown as WorkerPool,
    tasks: {
      start: () => ({ update: () => undefined, end: () => undefined }),
    } as unknown as TaskRegistry,
    clock: {
      ...systemClock,
      after(delayMs, callback) {
        look = callback
        return systemClock.after(delayMs, () => undefined)
      },
    },
    settings: {
      bytesPerSecond: 0,
      sharePercent: 80,
      cacheBytes: 1024 * 1024,
      reserveBytes: 0,
      compression: 'none',
    },
  })
  await compactions.start('a')
  while (control === undefined) await sleep(1)
  // This thread does nothing meanwhile.
  await sleep(100)
  look()
  t.equal(control.share, WHOLE_SHARE * 0.8)
  sayBusy(availableParallelism())
  await sleep(100)
  look()
  t.equal(control.share, (WHOLE_SHARE * 0.8) / 2)
  end()
  await compactions.ended('a')
  await compactions.stop()
})
