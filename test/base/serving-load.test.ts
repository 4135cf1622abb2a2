/** What threads that answer requests say of themselves, and what others see of it. */
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { busyThreads, isMachineBusy, requestCame, sayBusy } from '../../src/base/serving-load.ts'

const MODULE = new URL('../../src/base/serving-load.js', import.meta.url).href

function work(ms: number): void {
  for (const endMs = performance.now() + ms; performance.now() < endMs; );
}

t.test('a thread is busy while requests take its time, and idle when none come', async (t) => {
  t.equal(busyThreads(), 0)
  while (busyThreads() < 0.5) {
    requestCame()
    work(20)
    await sleep(0)
  }
  while (busyThreads() > 0) await sleep(10)
  t.equal(busyThreads(), 0)
})

t.test('other threads see it, and those that they start', async (t) => {
  sayBusy(0.7)
  t.teardown(() => sayBusy(0))
  const inner = `import(${JSON.stringify(MODULE)}).then(m => require('worker_threads').parentPort.postMessage(m.busyThreads()))`
  const outer = `const w = require('worker_threads'); const inner = new w.Worker(${JSON.stringify(inner)}, { eval: true })
    inner.once('message', seen => w.parentPort.postMessage(seen))`
  const worker = new Worker(outer, { eval: true })
  t.same(await once(worker, 'message'), [0.7])
  await worker.terminate()
})

t.test(
  'a thread that starts when the clock was set sees it too, and is forgotten as the others are',
  async (t) => {
    sayBusy(0.7)
    t.teardown(() => sayBusy(0))
    const hourMs = 3_600_000
    const told = async (shiftMs: number): Promise<number> => {
      const program = `Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + ${shiftMs} })
      import(${JSON.stringify(MODULE)}).then(m => {
        const seen = m.busyThreads()
        m.sayBusy(0.25)
        require('worker_threads').parentPort.postMessage(seen)
      })`
      const worker = new Worker(program, { eval: true })
      const [seen] = await once(worker, 'message')
      await worker.terminate()
      return seen
    }
    t.equal(await told(hourMs), 0.7)
    sayBusy(0.7)
    t.equal(busyThreads(), 0.95)
    while (busyThreads() > 0) await sleep(10)
    sayBusy(0.7)
    t.equal(await told(-hourMs), 0.7)
    while (busyThreads() > 0) await sleep(10)
  },
)

t.test('the machine is busy when one processor is left, or none', (t) => {
  t.teardown(() => sayBusy(0))
  sayBusy(0.7)
  t.notOk(isMachineBusy(1))
  t.notOk(isMachineBusy(2))
  sayBusy(0.9)
  t.ok(isMachineBusy(1))
  t.ok(isMachineBusy(2))
  t.notOk(isMachineBusy(3))
  sayBusy(2.9)
  t.ok(isMachineBusy(4))
  t.notOk(isMachineBusy(5))
  t.end()
})
