/**
 * A database with channels, asked by every route with each of its methods: who sees his channels alone gets an answer where the
 * table of channels has one, and a refusal elsewhere. It holds in every thread as soon as `_security` was acknowledged.
 */
import t, { type Test } from 'tap'
import { answersByChannels } from '../../src/http/request/rights.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { lines } from '../support/rights.ts'

const REFUSAL = /^You see your channels/
const MEMBERS = { members: { names: ['mia'] }, admins: { names: ['dora'] } }
const GUARDED = { ...MEMBERS, channels: true }

async function start(t: Test): Promise<TestServer> {
  const server = await startTestServer({ threads: 1, config: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '1' } })
  t.teardown(() => server.stop())
  for (const name of ['mia', 'dora']) {
    const json = { name, password: 'pw', roles: [], type: 'user' }
    await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
  }
  await ask(server, 'PUT /notes')
  await ask(server, 'PUT /notes/doc', { json: { v: 'a secret' } })
  await ask(server, 'PUT /notes/_design/doc', {
    json: { views: { name: { map: 'function (d) { emit(d.v) }' } } },
  })
  return server
}

function setSecurity(server: TestServer, json: object) {
  return ask(server, 'PUT /notes/_security', { json })
}

async function isRefused(
  server: TestServer,
  method: string,
  target: string,
  as: string,
  headers: Record<string, string> = {},
): Promise<boolean> {
  const isDeletion = method === 'DELETE' && /^\/[^/]+$/.test(target)
  const body = method === 'GET' ? {} : { body: '[]' }
  const { status, json, text } = await ask(server, `${method} ${target}${isDeletion ? '?rev=1-a' : ''}`, {
    as,
    headers,
    ...body,
  })
  if (as.startsWith('mia') && /a secret|1-[0-9a-f]{32}/.test(text))
    throw new Error(`${method} ${target}: ${text}`)
  const { reason } = (json ?? {}) as { reason?: string }
  return status === 403 && REFUSAL.test(reason ?? '')
}

t.test('every route with each of its methods', async (t) => {
  const server = await start(t)
  t.equal((await setSecurity(server, GUARDED)).status, 200)
  let cells = 0
  const wrong: string[] = []
  for (const { path, methods, route, right } of lines()) {
    if (!path.includes('DB') || right === 'server-admin' || right === 'database-admin') continue
    const target = path.replace('DB', 'notes')
    for (const method of methods) {
      cells += 1
      const found = await isRefused(server, method, target, 'mia:pw')
      if (found === answersByChannels(route, method)) wrong.push(`${method} ${target}`)
      if (cells % 9 > 0) continue
      if (await isRefused(server, method, target, 'dora:pw')) wrong.push(`${target} of dora`)
    }
  }
  t.same(wrong, [])
  t.ok(cells > 100, `${cells} cells`)
  const disguised = { 'x-http-method-override': 'GET' }
  t.ok(await isRefused(server, 'POST', '/notes/_design_docs', 'mia:pw', disguised))
  const replication = { source: 'notes', target: `${server.url}/copy`, create_target: true }
  const replicated = await ask(server, 'POST /_replicate', { as: 'mia:pw', json: replication })
  t.ok(replicated.status >= 400 && !replicated.text.includes('"ok":true'), replicated.text)

  // What was acknowledged holds for each read that begins later.
  for (let round = 0; round < 10; round++) {
    await setSecurity(server, MEMBERS)
    t.equal((await ask(server, 'GET /notes/_design_docs', { as: 'mia:pw' })).status, 200)
    await setSecurity(server, GUARDED)
    t.equal((await ask(server, 'GET /notes/_design_docs', { as: 'mia:pw' })).status, 403)
  }

  // And a feed that has begun shows no more than channels when they come.
  await setSecurity(server, MEMBERS)
  const feed = ask(server, 'GET /notes/_changes?feed=continuous&include_docs=true&since=now&timeout=700', {
    as: 'mia:pw',
  })
  await ask(server, 'PUT /notes/first', { json: { v: 'open' } })
  await setSecurity(server, GUARDED)
  await ask(server, 'PUT /notes/second', { json: { v: 'hidden' } })
  t.notMatch((await feed).text, 'hidden')

  // What is no flag guards nothing, and is refused.
  for (const channels of ['true', 1, ['a'], null]) {
    const { status, json } = await setSecurity(server, { ...MEMBERS, channels })
    t.equal(status, 400)
    t.match(json, { reason: 'channels must be true or false' })
  }
})
