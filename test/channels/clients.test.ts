/** `_changes` of a database with channels by all feeds, `_find`, and PouchDB as two users with overlapping channels, live. */
import t, { type Test } from 'tap'
import { openChangesSocket } from '../support/changes-socket.ts'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { twoLiveUsers } from '../support/two-live-users.ts'

t.setTimeout(120_000)

const SYNC = `function (doc, oldDoc) {
  if (oldDoc && !oldDoc._deleted) requireAccess(oldDoc.channels);
  if (!doc._deleted) requireAccess(doc.channels);
  channel(doc.channels);
}`
const GRANTING = `function (doc) {
  channel(doc.channels);
  if (doc.role) role(doc.to, doc.role);
}`
const USERS = { ann: { admin_channels: ['anns', 'shared'] }, bob: { admin_channels: ['bobs', 'shared'] } }
const SECURITY = { members: {}, channels: true, sync: SYNC, users: USERS }

async function start(t: Test, threads: number): Promise<TestServer> {
  const server = await startTestServer({ threads, config: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '1' } })
  t.teardown(() => server.stop())
  for (const name of ['ann', 'bob']) {
    const json = { name, password: 'pw', roles: [], type: 'user' }
    await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
  }
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/_security', { json: SECURITY })
  return server
}

interface Told {
  results: { id: string; seq: string; deleted?: boolean; doc?: object }[]
  last_seq: string
}
const told = ({ json }: Reply): Told => json as Told
const idsOf = (reply: Reply): string[] => told(reply).results.map(({ id }) => id)

t.test('feeds', async (t) => {
  const server = await start(t, 1)
  const put = (id: string, json: object): Promise<Reply> => ask(server, `PUT /db/${id}`, { json })
  const ann = (line: string, json?: object): Promise<Reply> =>
    ask(server, line, { as: 'ann:pw', ...(json === undefined ? {} : { json }) })
  await put('hers', { channels: ['anns'], n: 1 })
  await put('his', { channels: ['bobs'], n: 2 })
  await put('both', { channels: ['shared'], n: 3 })
  const first = await ann('GET /db/_changes?include_docs=true')
  t.same(idsOf(first), ['hers', 'both'])
  t.notMatch(first.text, 'bobs')
  t.match((await ann('GET /db/_changes?limit=1')).json, { results: [{ id: 'hers' }], pending: 1 })
  t.match((await ann('GET /db/_changes?limit=5')).json, { pending: 0 })
  t.same(idsOf(await ann('GET /db/_changes?filter=_doc_ids&doc_ids=["both","his"]')), ['both'])
  t.same(idsOf(await ann('POST /db/_changes?filter=_selector', { selector: { n: { $lt: 3 } } })), ['hers'])
  for (const refused of ['filter=_view&view=a/b', 'filter=a/b', 'descending=true']) {
    const { status } = await ann(`GET /db/_changes?${refused}`)
    t.ok([400, 403, 404].includes(status), `${refused}: ${status}`)
  }
  const since = told(first).last_seq
  t.same(idsOf(await ann(`GET /db/_changes?since=${since}`)), [])

  const longpoll = ann(`GET /db/_changes?feed=longpoll&since=${since}`)
  const continuous = ann(`GET /db/_changes?feed=continuous&since=${since}&limit=2`)
  const events = ann(`GET /db/_changes?feed=eventsource&since=now&timeout=900`)
  const headers = { authorization: `Basic ${Buffer.from('ann:pw').toString('base64')}` }
  const { next, socket } = await openChangesSocket(server, '/db/_changes?feed=websocket', {
    headers,
    options: { since },
  })
  t.same(await next(), [])
  await put('hidden', { channels: ['bobs'] })
  await put('news', { channels: ['anns'] })
  t.same(idsOf(await longpoll), ['news'])
  t.match(await next(), [{ id: 'news' }])
  socket.close()
  await put('more', { channels: ['shared'] })
  const lines = (await continuous).text.split('\n').filter((line) => line !== '')
  t.same(
    lines.map((line) => JSON.parse(line).id),
    ['news', 'more', undefined],
  )
  const { text } = await events
  t.notMatch(text, 'hidden')

  // A channel that comes by `_security` is told from its beginning; one that is taken away is told no more.
  const now = told(await ann('GET /db/_changes')).last_seq
  await ask(server, 'PUT /db/_security', {
    json: { ...SECURITY, users: { ann: { admin_channels: ['bobs'] } } },
  })
  t.same(idsOf(await ann(`GET /db/_changes?since=${now}`)), ['his', 'hidden'])
  // Roles of the user likewise, whoever gives them.
  const roles = { boss: { admin_channels: ['anns'] } }
  await ask(server, 'PUT /db/_security', { json: { ...SECURITY, users: {}, roles } })
  const before = told(await ann('GET /db/_changes')).last_seq
  const { json: user } = await ask(server, 'GET /_users/org.couchdb.user:ann')
  await ask(server, 'PUT /_users/org.couchdb.user:ann', { json: { ...(user as object), roles: ['boss'] } })
  t.same(idsOf(await ann(`GET /db/_changes?since=${before}`)), ['hers', 'news'])

  // What `_security` gives to a role that a document grants, too.
  await ask(server, 'PUT /db/_security', { json: { ...SECURITY, sync: GRANTING, users: {}, roles: {} } })
  await put('grant', { channels: [], to: 'ann', role: 'role:chief' })
  const chief = told(await ann('GET /db/_changes')).last_seq
  const chiefs = { chief: { admin_channels: ['bobs'] } }
  await ask(server, 'PUT /db/_security', { json: { ...SECURITY, sync: GRANTING, users: {}, roles: chiefs } })
  t.same(idsOf(await ann(`GET /db/_changes?since=${chief}`)), ['his', 'hidden'])
  await ask(server, 'PUT /db/_security', { json: { ...SECURITY, users: {}, roles } })

  const selector = { n: { $gt: 0 } }
  const found = await ann('POST /db/_find', { selector })
  t.match(found.json, { docs: [{ _id: 'hers' }] })
  t.equal((found.json as { docs: unknown[] }).docs.length, 1)
  t.equal((await ann('POST /db/_find', { selector, count: true })).status, 403)
  t.equal((await ann('POST /db/_find', { selector, sort: ['n'] })).status, 400)

  // Who is no member any more hears no more, be it that his feed ends or, where it was being sent, is cut off.
  const last = ann('GET /db/_changes?feed=continuous&since=now&timeout=30000').then(
    (reply) => reply.text,
    (error: NodeJS.ErrnoException) => String(error.code),
  )
  await ask(server, 'PUT /db/_security', { json: { ...SECURITY, members: { names: ['bob'] } } })
  await put('after', { channels: ['anns'] })
  t.notMatch(await last, 'after')
})

t.test('PouchDB, live', async (t) => {
  const server = await start(t, 1)
  await twoLiveUsers(t, 'channels', (name) => `${server.http.url.replace('//', `//${name}:pw@`)}/db`)
})
