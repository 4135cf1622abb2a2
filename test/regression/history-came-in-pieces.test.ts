/**
 * A replicated revision was dropped, though acknowledged, when its descendant was there before it or in the same
 * request. A longer history of a known revision was ignored: it stood beside what it belongs to, as a conflict,
 * `_revs_diff` went on asking for it, and a document whose deletion was known by the longer history came back to life.
 * A lowered `_revs_limit` was seen by the next write only, not by reads nor by a compaction.
 */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

async function replicate(db: string, ...docs: object[]): Promise<void> {
  const reply = await send(`POST ${db}/_bulk_docs`, { json: { new_edits: false, docs } })
  if (reply.text !== '[]\n') throw new Error(reply.text)
}

/** A revision of `a` with the ids of its history, newest first. */
function revision(start: number, ids: string, more: object = {}): object {
  return { _id: 'a', _rev: `${start}-${ids[0]}`, _revisions: { start, ids: [...ids] }, ...more }
}

t.test('the body of an ancestor that comes late, or beside its descendant', async (t) => {
  await send('PUT /late')
  await replicate('/late', revision(3, 'cba', { v: 3 }))
  await replicate('/late', revision(2, 'ba', { v: 2 }), revision(1, 'a', { _deleted: true }))
  t.same((await send('GET /late/a?rev=2-b')).json, { _id: 'a', _rev: '2-b', v: 2 })
  t.match((await send('GET /late/a?revs_info=true')).json, {
    _revs_info: [{ status: 'available' }, { status: 'available' }, { status: 'deleted' }],
  })
  await send('POST /late/_compact', { json: {} })
  await until('compacted', async () => (await send('GET /late/a?rev=2-b')).status === 404)
})

t.test('a longer history is joined', async (t) => {
  await send('PUT /longer')
  await replicate('/longer', revision(2, 'b', { v: 2 }))
  await replicate('/longer', revision(3, 'c', { _deleted: true }))
  t.match((await send('GET /longer/a')).json, { _rev: '2-b' }, 'two trees')
  await replicate('/longer', revision(3, 'cba', { _deleted: true }))
  t.match((await send('GET /longer/a')).json, { error: 'not_found', reason: 'deleted' })
  t.same((await send('POST /longer/_revs_diff', { json: { a: ['1-a', '2-b', '3-c'] } })).json, {})
})

t.test('a lowered limit is for reads and compactions', async (t) => {
  await send('PUT /limit')
  await replicate('/limit', revision(4, 'dcba', { v: 4 }))
  await send('PUT /limit/_revs_limit', { body: '2' })
  const shown = { _revisions: { start: 4, ids: ['d', 'c'] } }
  t.match((await send('GET /limit/a?revs=true')).json, shown)
  t.match((await send('GET /limit/a?revs=true&open_revs=all')).json, [{ ok: shown }])
  const wanted = { json: { docs: [{ id: 'a' }] } }
  t.match((await send('POST /limit/_bulk_get?revs=true', wanted)).json, {
    results: [{ docs: [{ ok: shown }] }],
  })
  t.same((await send('POST /limit/_revs_diff', { json: { a: ['1-a'] } })).json, {})
  await send('POST /limit/_compact', { json: {} })
  const cut = '{"a":{"missing":["1-a"]}}\n'
  await until(
    'cut',
    async () => (await send('POST /limit/_revs_diff', { json: { a: ['1-a', '3-c'] } })).text === cut,
  )
})
