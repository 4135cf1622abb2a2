/** The store as a compaction in another thread sees it. */
import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { RemoteSource } from '../../src/workers/compaction-job.ts'
import { JobControl } from '../../src/workers/control.ts'

t.test('nobody waits for a server that has closed the connection', async (t) => {
  const { port1, port2 } = new MessageChannel()
  const source = new RemoteSource({
    path: '/a',
    uuid: '',
    salt: 1n,
    port: port2,
    control: new JobControl().shared,
    bytesPerSecond: 0,
    cacheBytes: 0,
    compression: 'none',
  })
  const before = source.turn()
  const closed = once(port2, 'close')
  port1.close()
  await t.rejects(before, { message: 'the server has closed the connection' })
  await closed
  await t.rejects(source.durableEnd(), { message: 'the server has closed the connection' })
})
