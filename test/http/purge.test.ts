import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Parameters<typeof ask>[2]) => ask(server, line, sending)

t.test('purge, and what is remembered', async (t) => {
  await send('PUT /p')
  const { json } = await send('PUT /p/a', { json: { v: 1 } })
  const { rev } = json as { rev: string }
  const feed = send('GET /p/_changes?feed=longpoll&since=now&timeout=20000')
  const purged = await send('POST /p/_purge', { json: { a: [rev, `1-${'0'.repeat(32)}`], b: [] } })
  t.same([purged.status, purged.json], [201, { purge_seq: null, purged: { a: [rev], b: [] } }])
  t.equal((await send('GET /p/a')).status, 404)
  const infos = [
    { id: 'a', revs: [rev, `1-${'0'.repeat(32)}`] },
    { id: 'b', revs: [] },
  ]
  t.same((await send('GET /p/_purged_infos')).json, { purged_infos: infos })
  await send('POST /p/_purge', { json: { b: [] } })
  t.same(
    (await send('GET /p/_purged_infos')).json,
    { purged_infos: infos },
    'what is asked twice is told once',
  )
  t.equal((await send('HEAD /p/_purged_infos')).status, 200)
  t.match((await send('GET /p')).json, { doc_count: 0, purge_seq: /^3-/, update_seq: /^2-/ })
  await send('PUT /p/later', { json: {} })
  t.match((await feed).json, { last_seq: /^[23]-/ })
})

t.test('refusals', async (t) => {
  await send('PUT /q')
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`d${i}`, []]))
  const revs = Array.from({ length: 1001 }, (_, i) => `1-${String(i).padStart(32, '0')}`)
  for (const [json, reason] of [
    [{ a: 'x' }, 'Invalid list of revisions'],
    [{ a: ['x'] }, 'Invalid rev format'],
    [{ a: [`1${'0'.repeat(21)}-a`] }, 'Invalid rev format'],
    [[], 'Request body must be a JSON object'],
    [many, 'Exceeded maximum number of documents.'],
    [{ a: revs }, 'Exceeded maximum number of revisions.'],
  ] as const) {
    const reply = await send('POST /q/_purge', { json })
    t.same([reply.status, reply.json], [400, { error: 'bad_request', reason }])
    if (!reason.startsWith('Invalid rev')) continue
    const looked = await send('POST /q/_revs_diff', { json })
    t.same([looked.status, looked.json], [400, { error: 'bad_request', reason }])
  }
  for (const line of ['POST /q/_purge', 'POST /nosuch/_purge']) {
    const reply = await send(line, { json: {}, as: null })
    t.same(
      [reply.status, reply.json],
      [401, { error: 'unauthorized', reason: 'You are not a server admin.' }],
    )
  }
  t.equal((await send('POST /nosuch/_purge', { json: {} })).status, 404)
  t.equal((await send('POST /q/_purge', { body: '{}' })).status, 415)
  t.equal((await send('PUT /q/_purged_infos_limit', { json: 2 })).status, 200)
  t.equal((await send('GET /q/_purged_infos_limit')).json, 2)
  for (const json of [0, -1, 1.5, '2', null]) {
    t.equal((await send('PUT /q/_purged_infos_limit', { json })).status, 400)
  }
})
