/**
 * A long poll holds no database while it waits. One with a heartbeat went to read at every beat, without a database, and was
 * cut off instead.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.test('a long poll gives signs of life until a change comes', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const waiting = ask(server, 'GET /db/_changes?feed=longpoll&heartbeat=5')
  await sleep(100)
  await ask(server, 'PUT /db/a', { json: {} })
  const { text, json } = await waiting
  t.match(json, { results: [{ id: 'a' }] })
  t.match(text, /^\{"results":\[\n\n\n/, 'it beat')
})
