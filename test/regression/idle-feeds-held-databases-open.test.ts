/**
 * A feed that waited used to hold a lease of its database, so that idle long polls on more databases than may be open
 * turned every other request away with 503.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const MAX_OPEN = 3
const DATABASES = 12
const POLLS_EACH = 5

t.test('feeds that wait leave room for others, and hear of changes all the same', async (t) => {
  const server = await startTestServer({
    threads: 0,
    config: { DAVENPORT_COUCHDB__MAX_DBS_OPEN: String(MAX_OPEN) },
  })
  t.teardown(() => server.stop())
  const names = Array.from({ length: DATABASES }, (_, i) => `db${i}`)
  for (const name of names) await ask(server, `PUT /${name}`)
  await ask(server, 'PUT /db0/before', { json: {} })
  const { update_seq } = (await ask(server, 'GET /db0')).json as { update_seq: string }
  const since = encodeURIComponent(update_seq)

  const polls = names.flatMap((name) =>
    Array.from({ length: POLLS_EACH }, () =>
      ask(
        server,
        `GET /${name}/_changes?feed=longpoll&since=${name === 'db0' ? since : 'now'}&timeout=60000`,
      ),
    ),
  )
  const { databases } = server.server
  await until('every poll waits', () => names.every((name) => databases.watcherCount(name) === POLLS_EACH))
  t.ok(databases.openCount <= MAX_OPEN + 1, '`_users` is beside them')

  for (const name of names) {
    t.match(await ask(server, `GET /${name}`), { status: 200 }, `${name} is served`)
  }
  for (const name of names.slice(1)) await ask(server, `PUT /${name}/news`, { json: {} })
  await ask(server, 'PUT /db0/news', { json: {} })
  for (const reply of await Promise.all(polls)) {
    t.match(reply, { status: 200, json: { results: [{ id: 'news' }] } })
    t.equal((reply.json as { results: unknown[] }).results.length, 1)
  }
  t.equal(names.filter((name) => databases.watcherCount(name) > 0).length, 0, 'nobody watches any more')

  const doomed = ask(server, 'GET /db1/_changes?feed=longpoll&since=now&timeout=60000')
  await until('every poll waits', () => databases.watcherCount('db1') === 1)
  t.equal((await ask(server, 'DELETE /db1')).status, 200)
  t.match(await doomed, { status: 200, json: { results: [] } }, 'a deletion ends those that wait')
  t.equal(databases.watcherCount('db1'), 0)
})

t.test('who holds a database may look into `_users`, however many are open', async (t) => {
  for (const threads of [0, 1]) {
    const server = await startTestServer({
      threads,
      config: { DAVENPORT_COUCHDB__MAX_DBS_OPEN: String(MAX_OPEN) },
    })
    t.teardown(() => server.stop())
    const user = { name: 'ann', password: 'apple', roles: [], type: 'user' }
    await ask(server, 'PUT /_users/org.couchdb.user:ann', { json: user })
    const names = Array.from({ length: MAX_OPEN }, (_, i) => `held${i}`)
    const docs = Array.from({ length: 100 }, () => ({ pad: 'x'.repeat(100_000) }))
    for (const name of names) {
      await ask(server, `PUT /${name}`)
      await ask(server, `PUT /${name}/_security`, { json: { members: { names: ['ann'] } } })
      await ask(server, `POST /${name}/_bulk_docs`, { json: { docs } })
    }
    // All at once, so that none is given back before the others are read.
    const answers = names.map((name) =>
      ask(server, `GET /${name}/_all_docs?include_docs=true`, { as: 'ann:apple' }),
    )
    for (const { json } of await Promise.all(answers)) {
      t.equal((json as { rows: unknown[] }).rows.length, docs.length)
    }
  }
})
