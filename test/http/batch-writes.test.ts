import t from 'tap'
import { BatchWrites } from '../../src/http/request/batch-writes.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.test('stopping waits until everything that was answered is written', async (t) => {
  const dataDir = t.testdir()
  const first = await startTestServer({ dataDir })
  await ask(first, 'PUT /db')
  const puts = Array.from({ length: 100 }, (_, n) => ask(first, `PUT /db/d${n}?batch=ok`, { json: { n } }))
  const posts = Array.from({ length: 20 }, (_, n) => ask(first, 'POST /db?batch=ok', { json: { n } }))
  const replies = await Promise.all([...puts, ...posts])
  t.same(new Set(replies.map(({ status }) => status)), new Set([202]))
  await first.stop()
  const second = await startTestServer({ dataDir })
  t.teardown(() => second.stop())
  t.match((await ask(second, 'GET /db')).json, { doc_count: 120 })
})

t.test('what a write meets is logged, since nobody else will hear of it', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: {} })
  t.equal((await ask(server, 'PUT /db/a?batch=ok', { json: { v: 2 } })).status, 202)
  await ask(server, 'PUT /db/b', { json: {} })
  t.match(server.lines.join('\n'), /batch write failed.*conflict/)
})

t.test('beyond the bound a request waits for its own write', async (t) => {
  const batches = new BatchWrites(100)
  const ends: (() => void)[] = []
  const write = () => new Promise<void>((resolve) => ends.push(resolve))
  await batches.add(write(), 60)
  let answered = false
  const second = batches.add(write(), 60).then(() => {
    answered = true
  })
  await new Promise(setImmediate)
  t.notOk(answered)
  ends[1]!()
  await second
  ends[0]!()
  await new Promise(setImmediate)
  await batches.add(write(), 100)
  t.pass('what was written counts no more')
})
