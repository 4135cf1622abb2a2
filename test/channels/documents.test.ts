/**
 * Documents of a database with channels, through CouchDB's API: each user reads those of his channels by every route that has an
 * answer for him, and writes what the sync function lets him write.
 */
import t, { type Test } from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const SYNC = `function (doc, oldDoc) {
  if (oldDoc && oldDoc.owner) requireUser(oldDoc.owner);
  if (doc.type === 'grant') access(doc.to, doc.what);
  channel(doc.channels);
}`
const SECURITY = {
  members: { roles: ['people'] },
  channels: true,
  sync: SYNC,
  users: { ann: { admin_channels: ['a'] }, bob: { admin_channels: ['b'] } },
  roles: { chief: { admin_channels: ['boss'] } },
}

async function start(t: Test): Promise<TestServer> {
  const server = await startTestServer({ threads: 1, config: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '1' } })
  t.teardown(() => server.stop())
  for (const name of ['ann', 'bob', 'eve']) {
    const roles = name === 'eve' ? ['people', 'chief'] : ['people']
    await ask(server, `PUT /_users/org.couchdb.user:${name}`, {
      json: { name, password: 'pw', roles, type: 'user' },
    })
  }
  await ask(server, 'PUT /notes')
  t.equal((await ask(server, 'PUT /notes/_security', { json: SECURITY })).status, 200)
  return server
}

type As = (line: string, sending?: Sending) => Promise<Reply>

function asks(server: TestServer, name: string): As {
  return (line, sending = {}) => ask(server, line, { ...sending, as: `${name}:pw` })
}

function revOf({ json }: Reply): string {
  return (json as { rev: string }).rev
}

const ids = ({ json }: Reply): string[] => (json as { rows: { id: string }[] }).rows.map(({ id }) => id)

t.test('what each user reads and writes', async (t) => {
  const server = await start(t)
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map((name) => asks(server, name)) as [As, As, As]
  const put = async (id: string, json: object): Promise<string> =>
    revOf(await ask(server, `PUT /notes/${id}`, { json }))

  const forAnn = await put('for-ann', { channels: ['a'], text: 'hers' })
  await put('for-both', { channels: ['a', 'b'], text: 'theirs' })
  await put('for-boss', { channels: ['boss'], text: 'his' })
  await put('for-all', { channels: ['!'], text: 'everybody' })
  await put('for-nobody', { text: 'secret' })
  await ask(server, 'PUT /notes/_design/views', { json: { text: 'secret' } })

  t.same(ids(await ann('GET /notes/_all_docs')), ['for-all', 'for-ann', 'for-both'])
  t.same(ids(await bob('GET /notes/_all_docs?include_docs=true')), ['for-all', 'for-both'])
  t.same(ids(await eve('GET /notes/_all_docs?descending=true')), ['for-boss', 'for-all'])
  t.same(ids(await ann('GET /notes/_all_docs?skip=1&limit=1')), ['for-ann'])
  t.match((await ann('GET /notes/_all_docs')).json, { total_rows: null, offset: null })
  t.match(
    (await bob('POST /notes/_all_docs', { json: { keys: ['for-ann', 'for-both', '_design/views'] } })).json,
    {
      rows: [{ error: 'not_found' }, { id: 'for-both' }, { error: 'not_found' }],
    },
  )
  t.match((await ann('GET /notes/for-ann')).json, { text: 'hers' })
  t.match(await bob('GET /notes/for-ann'), { status: 403, json: { error: 'forbidden' } })
  t.equal((await bob(`GET /notes/for-ann?rev=${forAnn}`)).status, 404)
  t.equal((await bob('GET /notes/for-ann?open_revs=all')).status, 404)
  t.equal((await bob('GET /notes/none')).status, 404)
  t.equal((await bob('GET /notes/_design/views')).status, 404)
  t.match((await ann('GET /notes')).json, { db_name: 'notes', doc_count: undefined })

  const wanted = { docs: [{ id: 'for-ann', rev: forAnn }, { id: 'for-both' }] }
  for (const query of ['?revs=true', '']) {
    const gotten = await bob(`POST /notes/_bulk_get${query}`, { json: wanted })
    t.match(gotten.json, {
      results: [{ docs: [{ error: { error: 'not_found' } }] }, { docs: [{ ok: { text: 'theirs' } }] }],
    })
  }
  const asked = { 'for-ann': [forAnn], none: ['1-a'] }
  t.same((await ann('POST /notes/_revs_diff', { json: asked })).json, { none: { missing: ['1-a'] } })
  t.same(
    (await bob('POST /notes/_revs_diff', { json: { 'for-ann': [forAnn, '2-b'] } })).json,
    {
      'for-ann': { missing: [forAnn, '2-b'] },
    },
    'nobody hears of revisions that he may not see',
  )

  // Writes.
  const written = await ann('PUT /notes/mine', { json: { owner: 'ann', channels: ['a'] } })
  t.equal(written.status, 201)
  t.match(await bob(`PUT /notes/mine?rev=${revOf(written)}`, { json: {} }), { status: 409 })
  t.match(await bob('PUT /notes/mine', { json: {} }), { status: 409 })
  const stolen = {
    _id: 'mine',
    _rev: '2-b',
    _revisions: { start: 2, ids: ['b', revOf(written).slice(2)] },
    channels: ['b'],
  }
  t.match((await bob('POST /notes/_bulk_docs', { json: { docs: [stolen], new_edits: false } })).json, [
    { id: 'mine', error: 'forbidden', reason: 'wrong user' },
  ])
  t.equal((await ann('PUT /notes/_design/own', { json: {} })).status, 403)
  t.match(
    (await ann('POST /notes/_bulk_docs', { json: { docs: [{ _id: '_local/x' }, { _id: 'n' }] } })).json,
    [{ error: 'forbidden' }, { ok: true }],
  )
  t.equal((await ann('PUT /notes/late?batch=ok', { json: { channels: ['b'] } })).status, 201)
  t.match((await bob('GET /notes/late')).status, 200, 'what was acknowledged to one is there for another')

  // Attachments, and stubs of those that one may not read.
  const picture = await ann(`PUT /notes/mine/picture?rev=${revOf(written)}`, {
    body: 'a secret picture',
    headers: { 'content-type': 'text/plain' },
  })
  t.equal(picture.status, 201)
  t.equal((await ann('GET /notes/mine/picture')).text, 'a secret picture')
  t.equal((await bob('GET /notes/mine/picture')).status, 403)
  await ask(server, 'PUT /notes/free', {
    json: { channels: ['a'], _attachments: { p: { data: 'c2VjcmV0' } } },
  })
  const { json: free } = await ask(server, 'GET /notes/free')
  const { _rev } = free as { _rev: string }
  const taken = {
    _id: 'free',
    _rev: '2-b',
    _revisions: { start: 2, ids: ['b', _rev.slice(2)] },
    channels: ['b'],
    _attachments: { p: { stub: true } },
  }
  t.match(await bob('POST /notes/_bulk_docs', { json: { docs: [taken], new_edits: false } }), {
    json: [{ error: 'missing_stub' }],
  })
  t.equal((await bob('GET /notes/free/p?rev=2-b')).status, 404)

  // Checkpoints are each user's own.
  t.equal((await ann('PUT /notes/_local/mark', { json: { at: 1 } })).status, 201)
  t.match((await ann('GET /notes/_local/mark')).json, { _id: '_local/mark', at: 1 })
  t.equal((await bob('GET /notes/_local/mark')).status, 404)
  t.equal((await ask(server, 'GET /notes/_local/mark')).status, 404)

  // Grants of documents, and what takes them away; deletions; channels that a document leaves.
  const grant = await put('grant', { type: 'grant', to: 'bob', what: 'a' })
  t.equal((await bob('GET /notes/for-ann')).status, 200)
  await ask(server, `DELETE /notes/grant?rev=${grant}`)
  t.equal((await bob('GET /notes/for-ann')).status, 403)
  await put(`for-ann?rev=${forAnn}`, { channels: ['x'] })
  t.equal((await ann('GET /notes/for-ann')).status, 403)
  t.equal((await ann(`GET /notes/for-ann?rev=${forAnn}`)).status, 404)
  const { rows } = (await ann('GET /notes/_all_docs?keys=["for-all"]')).json as {
    rows: { value: { rev: string } }[]
  }
  await ask(server, `DELETE /notes/for-all?rev=${rows[0]!.value.rev}`)
  t.match(await ann('GET /notes/for-all'), { status: 404, json: { reason: 'deleted' } })

  // Another function counts for everything that is there.
  const other = { ...SECURITY, sync: 'function (doc) { channel("b"); }' }
  await ask(server, 'PUT /notes/_security', { json: other })
  t.equal((await bob('GET /notes/for-nobody')).status, 200)
  t.equal((await ann('GET /notes/for-both')).status, 403)
  // And what is purged is nobody's.
  const { json: mine } = await ask(server, 'GET /notes/mine')
  await ask(server, 'POST /notes/_purge', { json: { mine: [(mine as { _rev: string })._rev] } })
  t.equal((await bob('GET /notes/mine')).status, 404)
  t.equal((await ask(server, 'GET /notes/for-nobody')).status, 200)
  // As nobody is let in who is no member.
  t.equal((await ask(server, 'GET /notes/for-nobody', { as: null })).status, 401)
  // Another database of the name has other documents.
  await ask(server, 'DELETE /notes')
  await ask(server, 'PUT /notes')
  await ask(server, 'PUT /notes/_security', { json: SECURITY })
  await put('for-nobody', { text: 'secret' })
  t.same(ids(await bob('GET /notes/_all_docs')), [])

  // What cannot be read is refused when it is set.
  for (const wrong of [
    { sync: 1 },
    { users: [] },
    { users: { a: 1 } },
    { roles: { a: { admin_channels: 'x' } } },
  ]) {
    t.equal((await ask(server, 'PUT /notes/_security', { json: { channels: true, ...wrong } })).status, 400)
    t.equal(
      (await ask(server, 'PUT /notes/_security', { json: wrong })).status,
      200,
      'they are the client’s own',
    )
  }
})
