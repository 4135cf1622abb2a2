/**
 * What anybody sends to the gateway is read in turns and bounded: a body of JSON that was read in one step held everybody up for half
 * a minute, and as objects it took all memory.
 */
import t from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'

const MEBIBYTE = 1024 * 1024

t.test('bodies that become objects', async (t) => {
  const server = await GatewayServer.start(t.testdir())
  t.teardown(() => server.stop())
  const channels = { admin_channels: ['*'] }
  const users = { ann: { password: 'apple', ...channels }, GUEST: { disabled: true } }
  await server.admin('PUT /db/', { body: { users } })
  await server.admin('PUT /db/_user/ann', { body: { name: 'ann', password: 'apple', ...channels } })
  const headers = { 'content-type': 'application/json' }

  const anybody = await server.ask('POST /db/_session', {
    headers,
    text: JSON.stringify({ name: 'ann', password: 'apple', more: 'x'.repeat(64 * 1024) }),
  })
  t.equal(anybody.status, 413, 'credentials are short')

  const many = `{"docs":[${'[],'.repeat(2 * MEBIBYTE)}0]}`
  for (const path of ['_bulk_get', '_revs_diff', '_all_docs', '_changes']) {
    const answer = server.ask(`POST /db/${path}`, { as: 'ann:apple', headers, text: many })
    // It is read while others are answered: by the time that it is, many were.
    let others = 0
    let isOver = false
    const over = answer.finally(() => {
      isOver = true
    })
    while (!isOver) {
      await server.ask('GET /db/_session')
      others += 1
    }
    t.equal((await over).status, 413, path)
    t.ok(others > 1, `${others} others were answered beside ${path}`)
  }

  const docs = Array.from({ length: 100 }, (_, i) => ({ _id: `d${i}`, a: Array(20_000).fill([]) }))
  const written = await server.ask('POST /db/_bulk_docs', { as: 'ann:apple', body: { docs } })
  t.equal(written.status, 201)
  t.equal(written.json.length, 100)
  const ids = docs.map(({ _id }) => _id)
  const query = 'filter=_doc_ids&include_docs=true&limit=2'
  const some = await server.ask(`POST /db/_changes?${query}`, { as: 'ann:apple', body: { doc_ids: ids } })
  t.match(some.json, { results: [{ id: 'd0', doc: { _id: 'd0' } }, { id: 'd1' }], last_seq: Number })
})

t.test('long attachments within a document', async (t) => {
  const server = await GatewayServer.start(t.testdir())
  t.teardown(() => server.stop())
  await server.admin('PUT /db/', { body: {} })
  const bytes = Buffer.alloc(10 * MEBIBYTE, 'y')
  const given = (data: string) => ({ body: { _attachments: { a: { data } }, channels: ['a'] } })
  t.equal((await server.admin('PUT /db/doc', given(bytes.toString('base64')))).status, 201)
  const { text } = await server.admin('GET /db/doc/a')
  t.equal(text.length, bytes.length)
  for (const data of ['QQ', 'QQ=', 'QQ==QQ==', 'Q===', '=', 'Q*==', '====']) {
    t.equal((await server.admin('PUT /db/other', given(data))).status, 500, data)
  }
  for (const data of ['', 'QQ==', 'QUE=', 'QUFB', 'QU\nFB']) {
    t.ok((await server.admin(`PUT /db/d${data.length}`, given(data))).status < 500, data)
  }
})

t.test('rows with long documents', async (t) => {
  const server = await GatewayServer.start(t.testdir())
  t.teardown(() => server.stop())
  await server.admin('PUT /db/', { body: {} })
  const pad = 'x'.repeat(7 * MEBIBYTE)
  for (let i = 0; i < 8; i++) {
    const { status } = await server.admin(`PUT /db/d${i}`, { body: { pad, channels: ['a'] } })
    t.equal(status, 201)
  }
  const { text } = await server.admin('GET /db/_changes?include_docs=true')
  t.equal(text.match(/"id":"d/g)?.length, 8)
  t.ok(text.endsWith('}\n'))
})
