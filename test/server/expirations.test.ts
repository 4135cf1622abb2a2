/** Expiry over a data folder: databases that are closed, servers that were down. */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'

const HOUR_MS = 3_600_000

function writeExpiring(server: TestServer, path: string, seconds: number) {
  return ask(server, `PUT ${path}`, { json: { _exp: seconds } })
}

function isGone(server: TestServer, path: string): () => Promise<boolean> {
  return async () => (await ask(server, `GET ${path}`)).status === 404
}

const indexed = (server: TestServer) => [...server.server.events.database.localDocs()].map(({ id }) => id)

t.test('at its time, and not before; nothing waits where nothing is due', async (t) => {
  const clock = manualClock()
  const server = await startTestServer({ clock })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/other', { json: {} })
  clock.advance(5000)
  const quiet = clock.pending
  await writeExpiring(server, '/db/a', 3600)
  await writeExpiring(server, '/db/b', 7200)
  clock.advance(5000)
  t.equal(clock.pending, quiet + 1, 'one timer')
  clock.advance(HOUR_MS - 5001)
  t.equal((await ask(server, 'GET /db/a')).status, 200)
  clock.advance(1)
  await until('a is gone', isGone(server, '/db/a'))
  t.equal((await ask(server, 'GET /db/b')).status, 200)
  clock.advance(HOUR_MS)
  await until('b is gone', isGone(server, '/db/b'))
  await until('nothing is kept', () => indexed(server).length === 0)
  clock.advance(5000)
  t.equal(clock.pending, quiet)
  t.equal((await ask(server, 'GET /db/other')).status, 200)
})

t.test('longer than a timer can wait', async (t) => {
  const clock = manualClock()
  const server = await startTestServer({ clock })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: { _exp: new Date(clock.now() + 1000 * HOUR_MS).toISOString() } })
  const { openCount } = server.server.databases
  for (let hour = 0; hour < 1000; hour++) {
    t.equal(server.server.databases.openCount, openCount)
    clock.advance(HOUR_MS - 1)
    await new Promise(setImmediate)
    if (hour < 999) clock.advance(1)
  }
  t.equal((await ask(server, 'GET /db/a')).status, 200)
  clock.advance(1)
  await until('it is gone', isGone(server, '/db/a'))
})

t.test('while the server was down, in databases that nobody opens', async (t) => {
  const clock = manualClock()
  const dataDir = t.testdir()
  const first = await startTestServer({ clock, dataDir })
  for (const name of ['a', 'b', 'c', 'quiet']) await ask(first, `PUT /${name}`)
  await writeExpiring(first, '/a/x', 10)
  await writeExpiring(first, '/b/x', 10)
  await writeExpiring(first, '/b/later', 7200)
  await writeExpiring(first, '/c/x', 7200)
  await first.stop()
  clock.advance(20_000)

  const second = await startTestServer({ clock, dataDir })
  t.teardown(() => second.stop())
  const { databases, events } = second.server
  // The replicator looks into its own one, the server for the rules of its users.
  await until('the server has begun', () => databases.openCount === 2)
  clock.advance(0)
  await until('the two that had something due were opened', () => databases.openCount === 4)
  await until('the index is up to date', () => indexed(second).join() === 'expiry:b,expiry:c')
  await events.flush()
  for (const path of ['/a/x', '/b/x']) t.equal((await ask(second, `GET ${path}`)).status, 404, path)
  for (const path of ['/b/later', '/c/x']) t.equal((await ask(second, `GET ${path}`)).status, 200, path)
})

t.test('who opens a database finds nothing that is due', async (t) => {
  const clock = manualClock()
  const dataDir = t.testdir()
  const first = await startTestServer({ clock, dataDir })
  await ask(first, 'PUT /a')
  await writeExpiring(first, '/a/x', 10)
  // As if the time had never been stored, like that of a file that comes from elsewhere.
  await first.server.events.database.deleteLocal('expiry:a', undefined)
  await first.stop()
  clock.advance(20_000)
  const second = await startTestServer({ clock, dataDir })
  t.teardown(() => second.stop())
  t.equal((await ask(second, 'GET /a/x')).status, 404)
})

t.test('more than a batch at once', async (t) => {
  const clock = manualClock()
  const server = await startTestServer({ clock })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const docs = Array.from({ length: 600 }, (_, at) => ({ _id: `d${at}`, _exp: 1 + (at % 3) }))
  await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
  clock.advance(3000)
  const count = async () => ((await ask(server, 'GET /db')).json as { doc_count: number }).doc_count
  await until('all are gone', async () => (await count()) === 0)
})

t.test('a database that is deleted is forgotten', async (t) => {
  const clock = manualClock()
  const server = await startTestServer({ clock })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await writeExpiring(server, '/db/a', 10)
  t.same(indexed(server), ['expiry:db'])
  await ask(server, 'DELETE /db')
  await until('it is forgotten', () => indexed(server).length === 0)
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: {} })
  clock.advance(20_000)
  t.equal((await ask(server, 'GET /db/a')).status, 200)
})
