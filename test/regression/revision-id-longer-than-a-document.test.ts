/**
 * The id of a replicated revision could be as long as a request. It is in the tree that each edit of its document reads and writes, a
 * thousand of them perhaps, and in headers and addresses that nobody takes. Ids have a bound, far above those that anybody makes.
 */
import t from 'tap'
import { MAX_REVISION_ID_BYTES as MOST } from '../../src/database/revisions/revision-id.ts'
import { GatewayServer } from '../support/gateway-server.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const LONGEST = 'ä'.repeat(MOST / 2)
const TOO_LONG = `${LONGEST}x`
const reason = `The id of a revision has at most ${MOST} bytes.`

for (const threads of [0, 1]) {
  t.test(`CouchDB's API with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await ask(server, 'PUT /db')
    const put = (id: string, json: object) => ask(server, `PUT /db/${id}?new_edits=false`, { json })
    t.match(await put('a', { _rev: `1-${TOO_LONG}` }), {
      status: 400,
      json: { error: 'bad_request', reason },
    })
    const ancestors = { start: 3, ids: ['c', TOO_LONG, 'a'] }
    t.match(await put('a', { _rev: '3-c', _revisions: ancestors }), { status: 400, json: { reason } })
    t.equal((await ask(server, 'GET /db/a')).status, 404)

    const rev = `1-${LONGEST}`
    t.match(await put('b', { _rev: rev }), { status: 201, json: { rev } })
    const found = await ask(server, `GET /db/b?rev=${encodeURIComponent(rev)}`)
    t.match(found, { status: 200, json: { _rev: rev } })
    t.equal(Buffer.from(found.headers.etag!, 'latin1').toString(), `"${rev}"`)
    t.match(await ask(server, `PUT /db/b?rev=${encodeURIComponent(rev)}`, { json: {} }), { status: 201 })

    const docs = [
      { _id: 'c', _rev: `1-${TOO_LONG}` },
      { _id: 'd', _rev: '1-d' },
      { _id: 'e', _revisions: ancestors },
    ]
    const written = await ask(server, 'POST /db/_bulk_docs', { json: { docs, new_edits: false } })
    t.match(written, {
      status: 201,
      json: [
        { id: 'c', reason },
        { id: 'e', reason },
      ],
    })
    t.equal((await ask(server, 'GET /db/d')).status, 200)
    t.equal((await ask(server, 'GET /db/c')).status, 404)
  })
}

t.test('the gateway', async (t) => {
  const server = await GatewayServer.start(t.testdir(), { databases: { db: {} } })
  t.teardown(() => server.stop())
  const put = (id: string, ids: string[]) =>
    server.admin(`PUT /db/${id}?new_edits=false`, { body: { _revisions: { start: ids.length, ids } } })
  t.match(await put('a', [TOO_LONG]), { status: 400, json: { reason: 'Invalid revision ID' } })
  t.match(await put('a', ['b', TOO_LONG]), { status: 400 })
  t.match(await put('a', ['b', LONGEST]), { status: 201 })
})
