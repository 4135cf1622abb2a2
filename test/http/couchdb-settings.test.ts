/** Settings of CouchDB's that say how requests are answered, changed while the server runs. */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const set = async (path: string, value: string) =>
  t.equal((await send(`PUT /_node/_local/_config/${path}`, { json: value })).status, 200, path)

t.before(() => send('PUT /db'))

t.test('who may list databases', async (t) => {
  const lines: [string, object?][] = [
    ['GET /_all_dbs'],
    ['GET /_dbs_info'],
    ['POST /_dbs_info', { keys: ['db'] }],
    ['GET /_db_updates?timeout=1'],
  ]
  const statuses = () =>
    Promise.all(lines.map(async ([line, json]) => (await send(line, { as: null, json })).status))
  t.same(await statuses(), [401, 401, 401, 401])
  await set('chttpd/admin_only_all_dbs', 'false')
  t.same(await statuses(), [200, 200, 200, 401])
  await set('chttpd/admin_only_all_dbs', 'true')
  t.same(await statuses(), [401, 401, 401, 401])
})

t.test('the headers of who wants few', async (t) => {
  const names = async (prefer: string) =>
    Object.keys((await send('GET /db', { headers: { prefer } })).headers).filter(
      (name) => !['connection', 'date', 'keep-alive'].includes(name),
    )
  const few = ['cache-control', 'content-length', 'content-type', 'server']
  t.same((await names('return=minimal')).sort(), few)
  t.same((await names('Return=MINIMAL')).sort(), few, 'capitals are the same')
  t.ok((await names('return=representation')).includes('x-couch-request-id'))
  await set('chttpd/prefer_minimal', 'Content-Type, X-Couch-Request-ID')
  t.same((await names('return=minimal')).sort(), ['content-length', 'content-type', 'x-couch-request-id'])
})

t.test('what the server says that it is', async (t) => {
  const said = async () => (await send('GET /')).headers['server']
  t.match(await said(), /^CouchDB\/3/)
  await set('chttpd/server_header_versions', 'false')
  t.equal(await said(), 'CouchDB')
})

t.test('whose security nobody changes', async (t) => {
  await send('PUT /people')
  const change = async () => (await send('PUT /people/_security', { json: { admins: {} } })).status
  t.equal(await change(), 200)
  await set('chttpd_auth/authentication_db', 'people')
  t.equal(await change(), 403, 'that of the users')
  await set('couchdb/users_db_security_editable', 'true')
  t.equal(await change(), 200)
})

t.test('how long a feed waits', async (t) => {
  await set('chttpd/changes_timeout', '20')
  for (const query of ['feed=longpoll', 'feed=longpoll&timeout=50000', 'feed=continuous']) {
    t.match((await send(`GET /db/_changes?${query}`)).json, { last_seq: /^0-/ }, query)
  }
})
