import t, { type Test } from 'tap'
import { FakeReplications } from '../support/fake-replications.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'pass-that-nobody-sees'
const REPLICATION = {
  source: {
    url: `http://user:${PASSWORD}@a.test/db`,
    headers: { Cookie: PASSWORD },
    auth: { basic: { username: 'user', password: PASSWORD } },
  },
  target: `https://user:${PASSWORD}@b.test/db?x=1`,
  target_proxy: `http://proxy:${PASSWORD}@c.test:8080/`,
}
const PLAIN = { source: 'http://a.test/db', target: 'http://b.test/db' }

/** Users ann, bob and dan; `x/_replicator` is everybody's, and dan its administrator. */
async function start(t: Test): Promise<{ server: TestServer; fake: FakeReplications }> {
  const fake = new FakeReplications()
  const server = await startTestServer({ replications: fake })
  t.teardown(() => server.stop())
  for (const name of ['ann', 'bob', 'dan']) {
    const user = { name, password: name, type: 'user', roles: name === 'ann' ? ['staff'] : [] }
    const { status } = await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json: user })
    t.equal(status, 201)
  }
  await ask(server, 'PUT /x%2F_replicator')
  const security = { admins: { names: ['dan'], roles: [] }, members: { names: [], roles: [] } }
  await ask(server, 'PUT /x%2F_replicator/_security', { json: security })
  return { server, fake }
}

t.test('a document has its owner, and nobody else changes it', async (t) => {
  const { server } = await start(t)
  const path = '/x%2F_replicator/a'
  const { json } = await ask(server, `PUT ${path}`, { json: PLAIN, as: 'ann:ann' })
  const { rev } = json as { rev: string }
  t.match((await ask(server, `GET ${path}`, { as: 'ann:ann' })).json, { ...PLAIN, owner: 'ann' })
  const refused = { status: 403, json: { reason: "Can't update replication documents from other users." } }
  for (const owner of ['bob', 'ann', undefined, null]) {
    t.match(
      await ask(server, `PUT ${path}`, { json: { ...PLAIN, _rev: rev, owner }, as: 'bob:bob' }),
      refused,
    )
  }
  t.match(await ask(server, `DELETE ${path}?rev=${rev}`, { as: 'bob:bob' }), refused)
  t.match(
    await ask(server, `PUT /x%2F_replicator/b`, { json: { ...PLAIN, owner: 'ann' }, as: 'bob:bob' }),
    refused,
  )
  const docs = [{ ...PLAIN, _id: 'c', _rev: '1-a', owner: 'ann' }]
  t.match(
    await ask(server, 'POST /x%2F_replicator/_bulk_docs', {
      json: { new_edits: false, docs },
      as: 'bob:bob',
    }),
    { json: [{ error: 'forbidden' }] },
  )
  const changed = await ask(server, `PUT ${path}`, {
    json: { ...PLAIN, _rev: rev, owner: 'ann' },
    as: 'dan:dan',
  })
  t.equal(changed.status, 201, 'an administrator of the database may')
  const { rev: last } = changed.json as { rev: string }
  t.equal((await ask(server, `DELETE ${path}?rev=${last}`, { as: 'ann:ann' })).status, 200)
})

t.test('credentials are their owner’s, wherever a document is read', async (t) => {
  const { server } = await start(t)
  const db = '/x%2F_replicator'
  const first = await ask(server, `PUT ${db}/a`, { json: REPLICATION, as: 'ann:ann' })
  const { rev } = first.json as { rev: string }
  const reads = [
    `GET ${db}/a`,
    `GET ${db}/a?rev=${rev}`,
    `GET ${db}/a?open_revs=all`,
    `GET ${db}/_all_docs?include_docs=true`,
    `GET ${db}/_all_docs?include_docs=true&keys=["a"]`,
    `GET ${db}/_changes?include_docs=true`,
    `GET ${db}/_changes?include_docs=true&style=all_docs&descending=true`,
  ]
  for (const line of reads) {
    const seen = await ask(server, line, { as: 'bob:bob' })
    t.equal(seen.status, 200, line)
    t.notMatch(seen.text, PASSWORD, line)
    t.match(seen.text, 'b.test', line)
    for (const as of ['ann:ann', 'dan:dan'])
      t.match((await ask(server, line, { as })).text, PASSWORD, `${as} ${line}`)
  }
  const got = await ask(server, `POST ${db}/_bulk_get`, { json: { docs: [{ id: 'a' }] }, as: 'bob:bob' })
  t.equal(got.status, 200)
  t.notMatch(got.text, PASSWORD)
  t.match((await ask(server, `GET ${db}/a`, { as: 'bob:bob' })).json, {
    source: { url: 'http://a.test/db' },
    target: 'https://b.test/db?x=1',
    target_proxy: 'http://c.test:8080/',
    owner: 'ann',
    _rev: rev,
  })
  const selector = { source: { headers: { Cookie: { $regex: '^pass' } } } }
  const found = await ask(server, `POST ${db}/_changes?filter=_selector`, {
    json: { selector },
    as: 'bob:bob',
  })
  t.same((found.json as { results: unknown[] }).results, [], 'nobody finds out what he may not see')
  await ask(server, 'PUT /copy')
  await ask(server, 'PUT /copy/_security', { json: { members: { names: ['bob'], roles: [] } } })
  const copied = await ask(server, 'POST /_replicate', {
    json: { source: 'x/_replicator', target: 'copy' },
    as: 'bob:bob',
  })
  t.equal(copied.status, 200)
  const copy = await ask(server, 'GET /copy/a', { as: 'bob:bob' })
  t.match(copy.json, { owner: 'ann', target: 'https://b.test/db?x=1' })
  t.notMatch(copy.text, PASSWORD)
  await until('it has begun', async () => {
    const { text } = await ask(server, 'GET /_scheduler/jobs')
    t.notMatch(text, PASSWORD)
    return text.includes('started')
  })
  t.notMatch(server.lines.join('\n'), PASSWORD)
})

t.test('a replication has the rights of its owner', async (t) => {
  const { server, fake } = await start(t)
  const ownerOf = (id: string): unknown => fake.begun.find(({ job }) => job.origin!.docId === id)?.job.owner
  const put = async (id: string, members: object, as: string): Promise<void> => {
    const json = { ...PLAIN, target: `http://b.test/${id}`, ...members }
    t.equal((await ask(server, `PUT /x%2F_replicator/${id}`, { json, as })).status, 201)
  }
  await put('own', {}, 'ann:ann')
  await put('less', { user_ctx: { name: 'ann', roles: ['_admin'] } }, 'ann:ann')
  await put('admin', {}, 'admin:secret')
  await put('other', { user_ctx: { name: 'bob', roles: ['staff'] } }, 'admin:secret')
  await put('forged', { user_ctx: { name: 'admin', roles: ['_admin'] } }, 'bob:bob')
  await put('given', { owner: 'ann' }, 'dan:dan')
  await until('all have begun', () => fake.begun.length === 5)
  t.same(ownerOf('own'), { name: 'ann', roles: ['staff'] })
  t.same(ownerOf('less'), { name: 'ann', roles: [] })
  t.match(ownerOf('admin'), { name: 'admin', roles: ['_admin'] })
  t.same(ownerOf('other'), { name: 'bob', roles: ['staff'] })
  t.same(ownerOf('given'), { name: 'ann', roles: ['staff'] })
  t.equal(ownerOf('forged'), undefined)
  t.match((await ask(server, 'GET /_scheduler/docs/x/_replicator/forged')).json, { state: 'failed' })
})

t.test('who is no user any more has no rights', async (t) => {
  const { server, fake } = await start(t)
  const json = { ...PLAIN, owner: 'gone' }
  await ask(server, 'PUT /_replicator/a', { json })
  await until('it is refused', async () => {
    const { text } = await ask(server, 'GET /_scheduler/docs/_replicator/a')
    return text.includes('no user any more')
  })
  t.equal(fake.begun.length, 0)
})

t.test('others see nothing of `_replicator`', async (t) => {
  const { server } = await start(t)
  t.match(await ask(server, 'GET /_replicator', { as: 'bob:bob' }), { status: 403 })
  t.match(await ask(server, 'PUT /_replicator/a', { json: PLAIN, as: 'bob:bob' }), { status: 403 })
  t.match(await ask(server, 'GET /_replicator/_all_docs', { as: 'bob:bob' }), { status: 401 })
  for (const path of ['docs', 'jobs', 'docs/_replicator/a', 'jobs/a']) {
    t.match(await ask(server, `GET /_scheduler/${path}`, { as: 'bob:bob' }), { status: 401 })
  }
})
