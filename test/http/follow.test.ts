/** `follow` follows a database, over a restart of the server too, and the events of all databases. */
import follow, { type Feed } from 'follow'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

/** A feed that was stopped takes the end of its request for a failure and would try again for ever. */
function stop(feed: Feed): void {
  feed.on('retry', () => queueMicrotask(() => clearTimeout(feed.retry_timer)))
  feed.stop()
}

t.test('changes as they come, from where it was, after the server was away', async (t) => {
  const dataDir = t.testdir()
  const first = await startTestServer({ dataDir })
  await ask(first, 'PUT /db')
  await ask(first, 'PUT /db/before', { json: { v: 1 } })
  const seen: string[] = []
  const errors: unknown[] = []
  const feed = follow(
    { db: `${first.url}/db`, since: 0, include_docs: true, heartbeat: 500 },
    (error, change) => {
      if (error) errors.push(error)
      else seen.push(`${change.id} ${change.deleted === true} ${JSON.stringify(change.doc?.['v'])}`)
    },
  )
  await until('the first change', () => seen.length === 1)
  const { rev } = (await ask(first, 'PUT /db/a', { json: { v: 2 } })).json as { rev: string }
  await until('the second change', () => seen.length === 2)
  await ask(first, `DELETE /db/a?rev=${rev}`)
  await until('the deletion', () => seen.length === 3)
  await first.stop()
  const second = await startTestServer({ dataDir, port: first.http.port })
  t.teardown(() => second.stop())
  await ask(second, 'PUT /db/after', { json: { v: 3 } })
  await until('the change after the restart', () => seen.length === 4)
  t.same(seen, ['before false 1', 'a false 2', 'a true undefined', 'after false 3'])
  t.same(errors, [])
  stop(feed)
})

t.test('events of databases', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const seen: string[] = []
  const feed = follow({ db: `${server.url}/_db_updates`, since: 'now', heartbeat: 500 }, (_error, change) => {
    seen.push(`${change.db_name} ${change.type}`)
  })
  await new Promise((resolve) => feed.once('confirm', resolve))
  await ask(server, 'PUT /one')
  await until('it is heard of', () => seen.includes('one created'))
  await ask(server, 'DELETE /one')
  await until('so is its end', () => seen.includes('one deleted'))
  stop(feed)
})
