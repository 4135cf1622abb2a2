/**
 * The thread that replicates ends when it has been idle for a while, and takes nothing with it that begins meanwhile. One that waits
 * for changes waits.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { ThreadRunner } from '../../src/threads/thread-runner.ts'
import { startTestServer } from '../support/http-server.ts'
import { call } from '../support/replicated.ts'
import { until } from '../support/until.ts'

/** A thread without work ends after that. */
const IDLE_MS = 60_000

t.test('what begins while an idle thread ends has another one', async (t) => {
  const workers: Worker[] = []
  const listen = (worker: Worker): void => void workers.push(worker)
  const idle: (() => void)[] = []
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      if (delayMs !== IDLE_MS) return systemClock.after(delayMs, callback)
      idle.push(callback)
      return () => void idle.splice(idle.indexOf(callback), 1)
    },
  }
  const { server, url, stop } = await startTestServer({ threads: 0 })
  const runner = new ThreadRunner(Object.create(server, { clock: { value: clock } }), '0.0.0-test')
  server.replications.runIn(runner)
  process.on('worker', listen)
  t.teardown(async () => {
    process.off('worker', listen)
    await stop(0)
  })
  for (const name of ['own', 'copy', 'other']) await call(url, 'PUT', `/${name}`)
  await call(url, 'PUT', '/own/a', {})
  const replicate = (target: string, rest = {}) =>
    call(url, 'POST', '/_replicate', { source: 'own', target, ...rest })
  t.equal((await replicate('copy')).status, 200)
  t.equal(workers.length, 1)
  t.equal(idle.length, 1)
  const gone = new Promise((resolve) => workers[0]!.once('exit', resolve))
  idle[0]!()
  t.match((await replicate('copy', { continuous: true })).body, { ok: true })
  t.equal((await replicate('other')).status, 200)
  await gone
  t.equal(workers.length, 2)
  await call(url, 'PUT', '/own/b', {})
  await until('it goes on', async () => (await call(url, 'GET', '/copy/b')).status === 200)
  const { body } = await call(url, 'GET', '/_scheduler/jobs')
  t.match(body, { jobs: [{ history: [{ type: 'started' }, { type: 'added' }] }] }, 'nothing has failed')
  t.equal(workers.length, 2)
  t.same(idle, [], 'what runs is not idle')
})

t.test('a continuous replication of a local database watches it once for each change', async (t) => {
  const { server, url, stop } = await startTestServer({ threads: 0 })
  const { databases } = server
  const watch = databases.watch.bind(databases)
  let watches = 0
  databases.watch = (name, watcher) => {
    watches += 1
    return watch(name, watcher)
  }
  server.replications.runIn(new ThreadRunner(server, '0.0.0-test'))
  t.teardown(() => stop(0))
  for (const name of ['own', 'copy']) await call(url, 'PUT', `/${name}`)
  const job = { source: 'own', target: 'copy', continuous: true }
  t.match((await call(url, 'POST', '/_replicate', job)).body, { ok: true })
  for (const id of ['a', 'b', 'c']) {
    await call(url, 'PUT', `/own/${id}`, {})
    await until(id, async () => (await call(url, 'GET', `/copy/${id}`)).status === 200)
    await sleep(100)
  }
  t.ok(watches >= 1 && watches <= 8, `${watches} watches`)
})
