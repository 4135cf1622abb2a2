/** A compaction with a byte rate copied a mebibyte and then slept for it: at a low rate nothing moved for many seconds. */
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { Compactions } from '../../src/server/compactions.ts'
import { WorkerPool } from '../../src/workers/pool.ts'
import type { TaskProgress, TaskRegistry } from '../../src/workers/tasks.ts'
import { edit } from '../support/database-fixture.ts'
import { startTestServer } from '../support/http-server.ts'

const DOCUMENTS = 400

t.test('progress moves in small steps at a low rate', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await server.server.databases.create('a')
  const text = 'x'.repeat(500)
  const edits = Array.from({ length: DOCUMENTS }, (_, i) => edit(`doc-${i}`, { text }))
  await server.server.databases.withDatabase('a', (database) => database.update(edits))
  const done: number[] = []
  const task = { update: ({ changesDone }: TaskProgress) => done.push(changesDone), end: () => {} }
  const compactions = new Compactions({
    lease: (name) => server.server.databases.lease(name),
    pool: new WorkerPool({ threads: 1, memoryBytes: 64 * 1024 * 1024, idleMs: 1000 }),
    tasks: { start: () => task } as unknown as TaskRegistry,
    clock: systemClock,
    settings: {
      bytesPerSecond: 100_000,
      sharePercent: 100,
      cacheBytes: 1024 * 1024,
      reserveBytes: 0,
      compression: 'none',
    },
  })
  await compactions.start('a')
  await compactions.ended('a')
  const steps = done.map((changes, i) => changes - (done[i - 1] ?? 0))
  t.equal(done.at(-1)! >= 2 * DOCUMENTS, true)
  // Twice the documents are entries; of the first tree's, which carry the bodies, no step has all.
  t.ok(steps.filter((step) => step > 0).length >= 6, `steps of ${steps.join(', ')}`)
  await compactions.stop()
})
