import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

interface Updates {
  results: { db_name: string; type: string; seq: string }[]
  last_seq: string
}

async function updates(query = ''): Promise<Updates> {
  return (await send(`GET /_db_updates?${query}`)).json as Updates
}

const told = (page: Updates): string[] => page.results.map(({ db_name, type }) => `${type} ${db_name}`)

t.test('normal', async (t) => {
  await send('PUT /a')
  await send('PUT /b%2Fc')
  const page = await updates()
  t.same(told(page), ['created _users', 'created _replicator', 'created a', 'created b/c'])
  t.same(Object.keys(page), ['results', 'last_seq'])
  await send('PUT /a/doc', { json: {} })
  await send('DELETE /b%2Fc')
  t.same(told(await updates(`since=${page.last_seq}`)).sort(), ['deleted b/c', 'updated a'])
  t.same(told(await updates('limit=1')), ['created _users'])
  t.equal(told(await updates('descending=true')).at(-1), 'created _users')
  const reply = await send('GET /_db_updates')
  const headers = { 'if-none-match': reply.headers.etag! }
  t.equal((await send('GET /_db_updates', { headers })).status, 304)
  t.same(
    (await send('GET /_all_dbs')).json,
    ['_replicator', '_users', 'a'],
    'the events are in no database of clients',
  )
})

t.test('feeds', async (t) => {
  const waiting = updates('feed=longpoll&since=now&timeout=20000')
  await send('PUT /d')
  t.same(told(await waiting), ['created d'])
  const [continuous, source] = await Promise.all([
    send('GET /_db_updates?feed=continuous&timeout=1'),
    send('GET /_db_updates?feed=eventsource&timeout=1&limit=1'),
  ])
  const lines = continuous.text.trim().split('\n')
  t.match(JSON.parse(lines[0]!), { db_name: '_users', type: 'created' })
  t.same(Object.keys(JSON.parse(lines.at(-1)!)), ['last_seq'])
  t.match(source.text, /^data: \{"db_name":"_users","type":"created","seq":"1-[^"]+"\}\nid: "1-/)
  const live = send('GET /_db_updates?feed=continuous&since=now&limit=1')
  await send('PUT /a/doc2', { json: {} })
  t.match(JSON.parse((await live).text.split('\n')[0]!), { db_name: 'a', type: 'updated' })
})

t.test('refusals', async (t) => {
  const feeds = 'Supported `feed` types: normal, continuous, longpoll, eventsource'
  for (const [query, reason] of [
    ['feed=nope', feeds],
    ['timeout=x', 'invalid_integer'],
    ['limit=-1', 'invalid_integer'],
    ['heartbeat=x&feed=nope', 'invalid_integer'],
    ['since=garbage', "Malformed sequence supplied in 'since' parameter."],
  ]) {
    const reply = await send(`GET /_db_updates?${query}`)
    t.same([reply.status, reply.json], [400, { error: 'bad_request', reason }])
  }
  t.equal((await send('GET /_db_updates', { as: null })).status, 401)
  t.equal((await send('POST /_db_updates', { json: {} })).headers.allow, 'GET')
})
