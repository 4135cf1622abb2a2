import { request } from 'node:http'
import t from 'tap'
import { formatSequence, parseSequence } from '../../src/channels/sequence-id.ts'
import { DEFAULT_ADMIN_INTERFACE, readGatewayConfig } from '../../src/gateway/config.ts'
import { parseAddress } from '../../src/gateway/http/listener.ts'
import { GatewayServer } from '../support/gateway-server.ts'

t.test('a configuration file', async (t) => {
  const text =
    '{ "interface": ":4984", "log": ["*"], "databases": { "a": { "server": "walrus:", "sync": `function (doc) {\n  channel("x")\n}` } } }'
  const config = readGatewayConfig(text)
  t.equal(config.databases.get('a')!.sync, 'function (doc) {\n  channel("x")\n}', 'a text between backquotes')
  t.equal(config.adminInterface, DEFAULT_ADMIN_INTERFACE)
  t.same(config.ignored, ['databases.a.server'])
  t.equal(readGatewayConfig('{"databases":{"a":{"sync":"a`b"}}}').databases.get('a')!.sync, 'a`b')
  for (const wrong of [
    '[]',
    '{',
    '{"databases":{"a":{"sync":1}}}',
    '{"databases":[]}',
    '{"CORS":{"Origin":"*"}}',
    '{"a":`',
  ]) {
    t.throws(() => readGatewayConfig(wrong), { name: 'ConfigError' }, wrong)
  }
  t.throws(() => readGatewayConfig('{"databases":{"a":{"revs_limit":5}}}'), /at least 20/)
  t.same(parseAddress(':80'), { host: '0.0.0.0', port: 80 })
  t.same(parseAddress('[::1]:80'), { host: '::1', port: 80 })
  t.equal(parseAddress('host'), undefined)
})

t.test('sequences', async (t) => {
  for (const [given, meant] of [
    ['', '0'],
    ['7', '7'],
    ['"7"', '7'],
    ['9:7', '9:7'],
    ['0:7', '7'],
    ['5::7', '5'],
    ['5:9:7', '5'],
    ['9:9:7', '9:7'],
  ] as const) {
    t.equal(formatSequence(parseSequence(given)), meant, given)
  }
  for (const wrong of ['x', '-1', '1:', ':1', '1:2:3:4', '1::', '1.5']) {
    t.throws(() => parseSequence(wrong), /Invalid sequence/, wrong)
  }
})

t.test('databases of the file, and of administrators', async (t) => {
  const folder = t.testdir()
  const users = { ann: { password: 'letann', admin_channels: ['red'] } }
  const config = { databases: { notes: { users, roles: { staff: { admin_channels: ['blue'] } } } } }
  let server = await GatewayServer.start(folder, config)
  const as = 'ann:letann'
  t.equal(
    (await server.admin('PUT /other/', { body: { sync: 'function () { channel("!") }', users } })).status,
    201,
  )
  const writes = Array.from({ length: 40 }, (_, at) =>
    server.ask(`PUT /notes/doc${at % 20}`, { as, body: { channels: ['red'], at } }),
  )
  const statuses = (await Promise.all(writes)).map(({ status }) => status).sort()
  t.same(statuses, [...Array(20).fill(201), ...Array(20).fill(409)], 'of two writes of one document one wins')
  const x = await server.ask('PUT /other/x', { as, body: {} })
  t.equal(x.status, 201)
  const y = await server.ask('PUT /other/y', { as, body: {} })
  t.match(y.json.rev, /^1-[0-9a-f]{32}$/)
  t.not(y.json.rev, x.json.rev, 'the id of a revision is no hash of what it holds, which could be guessed')
  t.match((await server.admin('POST /other/_purge', { body: { y: ['*'] } })).json, { purged: { y: ['*'] } })
  const session = await server.ask('POST /notes/_session', { body: { name: 'ann', password: 'letann' } })
  const cookie = session.headers.get('set-cookie')!.split(';')[0]!
  await server.stop()
  server = await GatewayServer.start(folder, config)
  t.match((await server.ask('GET /notes/_all_docs', { as })).json, { total_rows: 20 })
  t.match(
    (await server.ask('GET /notes/_changes', { headers: { cookie } })).json,
    { last_seq: /^\d+$/ },
    'the session',
  )
  t.match((await server.ask('GET /other/_all_docs', { as })).json, { total_rows: 1 }, 'its own sync function')
  t.match((await server.admin('GET /notes/_role/staff')).json, { admin_channels: ['blue'] })
  const { url } = server
  const headers = { authorization: `Basic ${Buffer.from('admin:secret').toString('base64')}` }
  for (const path of ['/notes', '/gateway%2Fnotes', '/other/x']) {
    t.equal((await fetch(url + path, { headers })).status, 404, `CouchDB's API has no ${path}`)
  }
  await server.stop()
})

t.test("the ids of the gateway's own documents lead nowhere", async (t) => {
  const users = { ann: { password: 'letann', admin_channels: ['*'] } }
  const server = await GatewayServer.start(t.testdir(), { databases: { db: { users } } })
  const as = 'ann:letann'
  for (const id of ['%5Fsync%3Auser%3Aann', '%5Fsync:user:ann']) {
    for (const path of [`/db/${id}`, `/db/${id}?open_revs=all`, `/db/${id}/x`, `/db/${id}?rev=1-a`]) {
      t.equal((await server.ask(`GET ${path}`, { as })).status, 400, path)
    }
    t.equal((await server.ask(`PUT /db/${id}`, { as, body: {} })).status, 400)
    t.equal((await server.ask(`DELETE /db/${id}`, { as })).status, 400)
    t.equal((await server.ask(`PUT /db/${id}/x`, { as, text: 'x' })).status, 400)
  }
  const docs = [{ id: '_sync:user:ann' }]
  const got = await server.ask('POST /db/_bulk_get', { as, body: { docs }, headers: { accept: '*/*' } })
  t.match(got.text, /"bad_request"/)
  t.match((await server.ask('POST /db/_all_docs', { as, body: { keys: ['_sync:user:ann'] } })).json, {
    rows: [{ error: 'bad_request' }],
  })
  t.match((await server.ask('POST /db/_revs_diff', { as, body: { '_sync:user:ann': ['2-a'] } })).json, {
    '_sync:user:ann': { missing: ['2-a'], possible_ancestors: undefined },
  })
  const { text } = await server.ask(
    'GET /db/_changes?filter=_doc_ids&doc_ids=["_sync:user:ann"]&include_docs=true',
    { as },
  )
  t.notMatch(text, /derivedKey|_sync/)
  t.equal(
    (await server.admin('POST /db/_purge', { body: { '_sync:user:ann': ['*'] } })).text.trim(),
    '{"purged":{}}',
  )
  await server.stop()
})

t.test(
  "a compaction without room, and a request to upgrade to HTTP/2, as Java's client sends, which is an ordinary one",
  async (t) => {
    const full = { DAVENPORT_COMPACTION__RESERVE_BYTES: String(2 ** 50) }
    const server = await GatewayServer.start(t.testdir(), { databases: { db: {} } }, full)
    t.teardown(() => server.stop())
    t.equal(
      (await server.admin('POST /db/_compact')).status,
      507,
      'the disk has to have room for the new file',
    )
    const headers = {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABkAAQAAP',
    }
    const status = await new Promise((resolve, reject) => {
      const sent = request(`${server.adminUrl}/db/d`, { method: 'PUT', headers }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode))
      })
      sent.on('error', reject).end('{}')
    })
    t.equal(status, 201)
  },
)
