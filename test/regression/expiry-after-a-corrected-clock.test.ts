/**
 * Documents that expire waited on one timer of up to a day. Timers count what has passed, not the time of day: after
 * the clock was set forwards, or the machine had slept, they stayed long after they were due.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

t.test('set forwards: gone within a minute', async (t) => {
  const clock = manualClock()
  const server = await startTestServer({ clock })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: { _exp: 20 * 3600 } })
  clock.advance(HOUR_MS)
  clock.correct(20 * HOUR_MS)
  t.equal((await ask(server, 'GET /db/a')).status, 200)
  clock.advance(MINUTE_MS)
  await until('it is gone', async () => (await ask(server, 'GET /db/a')).status === 404)
})

t.test('set back: at its time of day, not before', async (t) => {
  const clock = manualClock()
  const server = await startTestServer({ clock })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: { _exp: 3600 } })
  clock.correct(-24 * HOUR_MS)
  clock.advance(24 * HOUR_MS)
  t.equal((await ask(server, 'GET /db/a')).status, 200)
  clock.advance(HOUR_MS)
  await until('it is gone', async () => (await ask(server, 'GET /db/a')).status === 404)
})
