/**
 * Design documents were stored whatever was in them (`views: []`, a reduce function `_foo`): what is stored now is
 * there when views come. Every way in refuses them, with CouchDB's reason.
 */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const error = 'invalid_design_doc'
const reason = '`views` field must have object type'
const views = 5

t.test('every way in', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const send = (line: string, sending?: Sending) => ask(server, line, sending)
  await send('PUT /db')
  await send('PUT /db/source', { json: { views } })
  const rev = ((await send('PUT /db/_design/old', { json: { a: 1 } })).json as { rev: string }).rev
  const multipart = `--b\r\ncontent-type: application/json\r\n\r\n{"views":5}\r\n--b--`
  const merge = { headers: { 'content-type': 'application/merge-patch+json' } }
  for (const [line, sending] of [
    ['PUT /db/_design/d', { json: { views } }],
    ['PUT /db/_design/d?new_edits=false', { json: { _rev: '1-abc', views } }],
    [`PUT /db/_design/old?rev=${rev}`, { json: { _deleted: true, views } }],
    ['POST /db', { json: { _id: '_design/d', views } }],
    ['COPY /db/source', { headers: { destination: '_design/d' } }],
    ['PUT /db/_design/d', { body: multipart, headers: { 'content-type': 'multipart/related;boundary=b' } }],
    ['PATCH /db/_design/old', { body: '{"views":5}', ...merge }],
    [`PATCH /db/_design/old?rev=${rev}`, { body: '{"views":5}', ...merge }],
  ] as [string, Sending][]) {
    const reply = await send(line, sending)
    t.same([reply.status, reply.json], [400, { error, reason }], line)
  }
  const docs = [{ _id: '_design/d', views }, { _id: 'a' }]
  const bulk = await send('POST /db/_bulk_docs', { json: { docs } })
  t.match([bulk.status, bulk.json], [201, [{ id: '_design/d', error, reason }, { ok: true }]])
  const replicated = { new_edits: false, docs: [{ _id: '_design/d', _rev: '1-a', views }] }
  t.same((await send('POST /db/_bulk_docs', { json: replicated })).json, [
    { id: '_design/d', rev: '1-a', error, reason },
  ])
  const whole = await send('POST /db/_bulk_docs', { json: { docs, all_or_nothing: true } })
  t.match([whole.status, whole.json], [409, [{ error, reason }, { error: 'conflict' }]])
  t.match((await send('GET /db/_design_docs')).json, { total_rows: 1, rows: [{ value: { rev } }] })
  t.equal((await send('PUT /db/_local/_design', { json: { views } })).status, 201, 'a local document is none')
})
