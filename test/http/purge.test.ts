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
  for (const [json, reason] of [
    [{ a: 'x' }, 'Invalid list of revisions'],
    [{ a: ['x'] }, 'Invalid rev format'],
    [{ a: [`1${'0'.repeat(21)}-a`] }, 'Invalid rev format'],
    [[], 'Request body must be a JSON object'],
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

t.test('many documents and many revisions, in parts', async (t) => {
  await send('PUT /many')
  const docs = Array.from({ length: 600 }, (_, i) => ({ _id: `d${String(i).padStart(3, '0')}` }))
  const written = (await send('POST /many/_bulk_docs', { json: { docs } })).json as {
    id: string
    rev: string
  }[]
  const revOf = (i: number): string => `1-${i.toString(16).padStart(32, '0')}`
  const revs = Array.from({ length: 2500 }, (_, i) => revOf(i))
  const branches = [...[3, 999, 1000, 2499].map(revOf), revOf(9999)].map((rev) => ({
    _id: 'branched',
    _rev: rev,
  }))
  await send('POST /many/_bulk_docs', { json: { docs: branches, new_edits: false } })
  const wished = {
    branched: revs,
    ...Object.fromEntries(written.map(({ id, rev }) => [id, [rev]])),
    none: [],
  }
  const { status, json } = await send('POST /many/_purge', { json: wished })
  t.equal(status, 201)
  t.strictSame(json, {
    purge_seq: null,
    purged: { ...wished, branched: [3, 999, 1000, 2499].map(revOf) },
  })
  t.match((await send('GET /many')).json, { doc_count: 1, doc_del_count: 0 })
})

t.test('as many revisions as the configuration says', async (t) => {
  await send('PUT /few')
  const key = '/_node/_local/_config/purge/max_revisions_number'
  t.teardown(() => send(`DELETE ${key}`))
  t.equal((await send(`PUT ${key}`, { json: '2' })).status, 200)
  const purge = async (json: object): Promise<unknown> => (await send('POST /few/_purge', { json })).json
  t.match(await purge({ a: ['1-a'], b: ['1-b'] }), { purged: { a: [], b: [] } })
  t.same(await purge({ a: ['1-a'], b: ['1-b', '1-c'] }), {
    error: 'bad_request',
    reason: 'Exceeded maximum number of revisions.',
  })
})
