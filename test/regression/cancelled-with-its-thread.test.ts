/**
 * A compaction that was cancelled and did not end in time was ended with its thread, and left its file; and it counted
 * as ended while its thread was still there, so that the next one could write to the same file. One that was asked for
 * before it had ended was answered with ok, and never begun.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { Compactions } from '../../src/server/compactions.ts'
import { WorkerPool } from '../../src/workers/pool.ts'
import { startTestServer } from '../support/http-server.ts'

/** Begins the file and heeds nothing. */
const WORKER = `
import { writeFileSync } from 'node:fs'
export default async (job) => {
  writeFileSync(job.path + '.compact', 'begun')
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}`

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('what is cancelled takes its file with it, however it ends', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await server.server.databases.create('a')
  const folder = t.testdir({ 'worker.mjs': WORKER })
  const pool = new WorkerPool({ threads: 1, memoryBytes: 64 * 1024 * 1024, idleMs: 1000 })
  const compactions = new Compactions({
    lease: (name) => server.server.databases.lease(name),
    pool,
    tasks: server.server.tasks,
    clock: systemClock,
    settings: {
      bytesPerSecond: 0,
      sharePercent: 100,
      cacheBytes: 1024 * 1024,
      reserveBytes: 0,
      compression: 'none',
    },
    stopGraceMs: 10,
    worker: pathToFileURL(join(folder, 'worker.mjs')).href,
  })
  const file = join(server.folder, 'databases', 'a.davenport.compact')
  await compactions.start('a')
  await until(() => existsSync(file))
  const [task] = server.server.tasks.list()
  server.server.tasks.cancel(task!.pid)
  const again = compactions.start('a')
  await compactions.ended('a')
  t.match(server.server.tasks.history()[0], { status: 'cancelled' })
  t.notOk(existsSync(file))
  await again
  t.equal(server.server.tasks.list().length, 1, 'what was asked for after the cancelling runs')
  await compactions.stop()
})

t.test('a job is over when its thread has ended', async (t) => {
  const folder = t.testdir({ 'worker.mjs': WORKER })
  const pool = new WorkerPool({ threads: 1, memoryBytes: 64 * 1024 * 1024, idleMs: 1000 })
  const abort = new AbortController()
  const path = join(folder, 'job')
  const { signal } = abort
  const job = pool.run(pathToFileURL(join(folder, 'worker.mjs')).href, { path }, { transfer: [], signal })
  await until(() => existsSync(`${path}.compact`))
  const [thread] = pool.running
  let ended = false
  thread!.once('exit', () => {
    ended = true
  })
  abort.abort()
  await t.rejects(job)
  t.ok(ended)
  await pool.destroy()
})
