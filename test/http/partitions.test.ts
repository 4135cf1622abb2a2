import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

t.before(async () => {
  await send('PUT /plain')
  await send('PUT /p?partitioned=true&q=3')
  const docs = ['red:1', 'red:2', 'red:3', 'blue:1', 'blue:x:y', 'reda:1', '_design/d'].map((_id) => ({
    _id,
  }))
  await send('POST /p/_bulk_docs', { json: { docs } })
})

t.test('a database says that it is partitioned', async (t) => {
  t.match((await send('GET /p')).json, { props: { partitioned: true }, cluster: { q: 3 } })
  t.same(((await send('GET /plain')).json as { props: object }).props, {})
  t.equal((await send('PUT /p2?partitioned=yes')).status, 400)
  const refused = { status: 400, json: { reason: 'Cannot partition a system database' } }
  t.match(await send('PUT /_replicator?partitioned=true'), refused)
})

t.test('more rows of a partition than may be asked for', async (t) => {
  const setting = '/_node/_local/_config/query_server_config/partition_query_limit'
  t.equal((await send(`PUT ${setting}`, { json: '2' })).status, 200)
  const refused = { status: 400, json: { reason: 'Limit is too large, must not exceed 2' } }
  t.match(await send('GET /p/_partition/red/_all_docs?limit=3'), refused)
  t.equal((await send('GET /p/_partition/red/_all_docs?limit=2')).status, 200)
  t.equal((await send('GET /p/_all_docs?limit=3')).status, 200)
  t.equal((await send(`DELETE ${setting}`)).status, 200)
})

t.test('ids', async (t) => {
  const form = ['illegal_docid', 'Doc id must be of form partition:id']
  for (const [id, [error, reason]] of [
    ['nopart', form],
    [':x', ['illegal_partition', 'Partition must not be empty']],
    ['x:', ['illegal_docid', 'Document id must not be empty']],
    ['x:_y', ['illegal_docid', 'Only reserved document ids may start with underscore.']],
    ['_x:y', ['illegal_docid', 'Only reserved document ids may start with underscore.']],
  ] as const) {
    for (const [line, json] of [
      [`PUT /p/${id}`, {}],
      [`PUT /p/${id}?batch=ok`, {}],
      ['POST /p', { _id: id }],
      ['POST /p/_bulk_docs', { docs: [{ _id: 'ok:1' }, { _id: id }] }],
      ['POST /p/_bulk_docs', { docs: [{ _id: id, _rev: `1-${'a'.repeat(32)}` }], new_edits: false }],
    ] as const) {
      const reply = await send(line, { json })
      t.same([reply.status, reply.json], [400, { error, reason }], `${line} ${id}`)
    }
  }
  t.equal((await send('GET /p/ok:1')).status, 404, 'nothing of a refused request is written')
  t.same((await send('POST /p', { json: {} })).json, { error: form[0], reason: form[1] })
  t.equal((await send('COPY /p/red:1', { headers: { destination: 'nopart' } })).status, 400)
  t.equal((await send('PUT /p/_local/x', { json: {} })).status, 201)
})

t.test('ids that name no partition cannot be asked for either', async (t) => {
  const wanted = [400, { error: 'illegal_docid', reason: 'Doc id must be of form partition:id' }]
  const form = { headers: { destination: 'a:1' } }
  const merge = { body: '{}', headers: { 'content-type': 'application/merge-patch+json' } }
  for (const [line, sending] of [
    ['GET /p/nopart'],
    ['GET /p/nopart?rev=1-abc'],
    ['GET /p/nopart?deleted=true'],
    ['GET /p/nopart?open_revs=all'],
    ['GET /p/nopart?open_revs=["1-a"]'],
    ['GET /p/nopart/f'],
    ['PUT /p/nopart/f', { body: 'x' }],
    ['DELETE /p/nopart/f?rev=1-abc'],
    ['DELETE /p/nopart'],
    ['COPY /p/nopart', form],
    ['PATCH /p/nopart', merge],
    ['POST /p/_revs_diff', { json: { 'red:1': ['1-a'], nopart: ['1-a'] } }],
    ['POST /p/_missing_revs', { json: { nopart: ['1-a'] } }],
    ['POST /p/_purge', { json: { 'red:1': ['1-967a00dff5e02add41819138abb3284d'], nopart: ['1-a'] } }],
  ] as [string, Sending?][]) {
    const reply = await send(line, sending)
    t.same([reply.status, reply.json], wanted, line)
  }
  t.equal((await send('GET /p/red:1')).status, 200, 'nothing of a refused purge is done')
  for (const id of [':x', 'x:', '_x:y']) t.equal((await send(`GET /p/${id}`)).status, 404, id)
  const docs = [{ id: 'red:1' }, { id: 'nopart' }, { id: ':x' }, { id: '_design/d' }]
  t.match((await send('POST /p/_bulk_get', { json: { docs } })).json, {
    results: [
      { docs: [{ ok: { _id: 'red:1' } }] },
      { docs: [{ error: { rev: null, error: 'illegal_docid' } }] },
      { docs: [{ error: { rev: null, error: 'illegal_partition' } }] },
      { docs: [{ ok: { _id: '_design/d' } }] },
    ],
  })
  const keys = ['nopart', 'red:1']
  t.match((await send('POST /p/_all_docs', { json: { keys } })).json, {
    rows: [{ key: 'nopart', error: 'not_found' }, { key: 'red:1' }],
  })
})

t.test('a partition', async (t) => {
  const deleted = await send('PUT /p/blue:gone', { json: {} })
  await send(`DELETE /p/blue:gone?rev=${(deleted.json as { rev: string }).rev}`)
  t.match((await send('GET /p/_partition/blue')).json, {
    db_name: 'p',
    partition: 'blue',
    doc_count: 2,
    doc_del_count: 1,
    sizes: { active: Number, external: Number },
  })
  for (const [line, error, reason] of [
    ['GET /p/_partition/_bad', 'illegal_partition', 'Partition must not start with an underscore'],
    ['POST /p/_partition/_bad', 'illegal_partition', 'Partition must not start with an underscore'],
    ['GET /p/_partition/a:b', 'illegal_partition', 'Partition must not contain a colon'],
    ['GET /plain/_partition/red', 'bad_request', 'database is not partitioned'],
    ['GET /plain/_partition/red/_all_docs', 'bad_request', 'database is not partitioned'],
    ['GET /p/_partition', 'bad_request', 'invalid_partition_req'],
    [
      'GET /p/_partition/red/_all_docs?partition=blue',
      'bad_request',
      'Conflicting value for `partition` in query string',
    ],
    [
      'GET /plain/_all_docs?partition=red',
      'query_parse_error',
      '`partition` parameter is not supported on this db.',
    ],
  ]) {
    const reply = await send(String(line))
    t.same([reply.status, reply.json], [400, { error, reason }], String(line))
  }
  t.equal((await send('PUT /p/_partition/red')).headers.allow, 'GET')
  t.equal((await send('GET /p/_partition/red/nothing')).status, 404)
})

t.test('_all_docs of a partition', async (t) => {
  const list = async (query: string, partition = 'red'): Promise<string[]> => {
    const { json } = await send(`GET /p/_partition/${partition}/_all_docs?${query}`)
    return (json as { rows: { id: string }[] }).rows.map(({ id }) => id)
  }
  t.same(await list(''), ['red:1', 'red:2', 'red:3'])
  t.same(await list('descending=true'), ['red:3', 'red:2', 'red:1'])
  t.same(await list('startkey="red:2"'), ['red:2', 'red:3'])
  t.same(await list('endkey="red:2"&inclusive_end=false'), ['red:1'])
  t.same(await list('startkey="a"&endkey="zzz"'), ['red:1', 'red:2', 'red:3'])
  t.same(await list('descending=true&startkey="red:2"'), ['red:2', 'red:1'])
  t.same(await list('startkey="zzz"'), [])
  t.same(await list('limit=1&skip=1'), ['red:2'])
  t.same((await send('GET /p/_partition/none/_all_docs')).json, { total_rows: 7, offset: 3, rows: [] })
  const keys = await send('POST /p/_partition/red/_all_docs', { json: { keys: ['red:1', 'blue:1'] } })
  t.match(keys.json, { rows: [{ id: 'red:1' }, { key: 'blue:1', error: 'not_found' }] })
  const { json } = await send('GET /p/_all_docs?partition=blue')
  t.same(
    (json as { rows: { id: string }[] }).rows.map(({ id }) => id),
    ['blue:1', 'blue:x:y'],
  )
})

t.test('what a path says of a partition the query string says too', async (t) => {
  const ids = (rows: unknown) => (rows as { id: string }[]).map(({ id }) => id)
  for (const line of [
    'POST /p/_partition/blue/_all_docs/queries',
    'POST /p/_all_docs/queries?partition=blue',
  ]) {
    const { json } = await send(line, { json: { queries: [{}, { limit: 1 }] } })
    const { results } = json as { results: { rows: unknown }[] }
    t.same(
      results.map(({ rows }) => ids(rows)),
      [['blue:1', 'blue:x:y'], ['blue:1']],
      line,
    )
  }
  const query = { selector: { _id: { $gt: null } }, fields: ['_id'] }
  const wanted = { docs: [{ _id: 'blue:1' }, { _id: 'blue:x:y' }] }
  for (const line of ['POST /p/_partition/blue/_find', 'POST /p/_find?partition=blue']) {
    t.match(await send(line, { json: query }), { status: 200, json: wanted }, line)
    t.match(await send(line, { json: { ...query, partition: 'blue' } }), { status: 200, json: wanted }, line)
    t.equal((await send(line, { json: { ...query, partition: 'red' } })).status, 400, line)
  }
  t.match((await send('POST /p/_explain?partition=blue', { json: query })).json, {
    opts: { partition: 'blue' },
  })
  t.equal((await send('POST /plain/_find?partition=blue', { json: query })).status, 400)
  const index = { index: { fields: ['k'] }, name: 'k', ddoc: 'k' }
  t.match((await send('POST /p/_partition/blue/_index', { json: index })).json, { result: 'created' })
  t.match((await send('GET /p/_partition/blue/_index')).json, {
    indexes: [{ name: '_all_docs' }, { name: 'k', partitioned: true }],
  })
  t.equal((await send('DELETE /p/_partition/blue/_index/k/json/k')).status, 200)
})

t.test('a partition that is full takes nothing that makes it longer', async (t) => {
  const setting = '/_node/_local/_config/couchdb/max_partition_size'
  const setBytes = async (bytes: number) =>
    t.equal((await send(`PUT ${setting}`, { json: String(bytes) })).status, 200)
  t.teardown(() => send(`DELETE ${setting}`))
  await send('PUT /full?partitioned=true')
  await setBytes(10_240)
  const docs = Array.from({ length: 15 }, (_, at) => ({ _id: `a:${at}`, value: 'x'.repeat(1024) }))
  const filled = await send('POST /full/_bulk_docs', { json: { docs } })
  t.equal(
    (filled.json as { ok?: true }[]).filter(({ ok }) => ok).length,
    15,
    'the state before a request counts',
  )
  const overflow = (id: string) => ({
    error: 'partition_overflow',
    reason: `Partition limit exceeded due to update on '${id}'`,
  })
  const refused = (id: string) => ({ status: 403, json: overflow(id) })
  t.match(await send('PUT /full/a:new', { json: {} }), refused('a:new'))
  t.match(await send('POST /full', { json: { _id: 'a:new' } }), refused('a:new'))
  t.match(await send('COPY /full/a:0', { headers: { destination: 'a:new' } }), refused('a:new'))
  const headers = { 'content-type': 'text/plain' }
  const [, { rev }] = filled.json as [unknown, { rev: string }]
  t.match(await send(`PUT /full/a:1/att?rev=${rev}`, { body: 'x', headers }), refused('a:1'))
  const mixed = await send('POST /full/_bulk_docs', { json: { docs: [{ _id: 'a:new' }, { _id: 'b:new' }] } })
  t.match(mixed.json, [
    { id: 'a:new', ...overflow('a:new') },
    { id: 'b:new', ok: true },
  ])

  const shorter = { _id: 'a:1', _rev: rev, value: '' }
  const shortened = await send('POST /full', { json: shorter })
  t.equal(shortened.status, 201, 'shorter documents')
  const { rev: next } = shortened.json as { rev: string }
  t.match(await send('PUT /full/a:1', { json: { ...shorter, _rev: next, value: 'y' } }), refused('a:1'))
  t.equal(
    (await send('PUT /full/a:1', { json: { ...shorter, _rev: next } })).status,
    201,
    'of the same length',
  )
  t.equal((await send('PUT /full/a:1', { json: shorter })).status, 409)
  const [{ rev: first }] = filled.json as [{ rev: string }]
  t.equal((await send(`DELETE /full/a:0?rev=${first}`)).status, 200)
  t.equal((await send('PUT /full/_design/d', { json: { long: 'x'.repeat(100) } })).status, 201)
  t.equal((await send('PUT /full/_local/a:b', { json: { long: 'x'.repeat(100) } })).status, 201)
  const replicated = { _rev: `1-${'a'.repeat(32)}`, value: 'x'.repeat(100) }
  t.equal((await send('PUT /full/a:new?new_edits=false', { json: replicated })).status, 201)

  await setBytes(1_000_000)
  t.equal((await send('PUT /full/a:more', { json: {} })).status, 201)
  await setBytes(0)
  t.equal((await send('PUT /full/a:no-bound', { json: {} })).status, 201)
  await setBytes(10_240)
  t.match(await send('PUT /full/a:last', { json: {} }), refused('a:last'))
  const purged = (filled.json as { id: string; rev: string }[]).slice(2, 12)
  await send('POST /full/_purge', { json: Object.fromEntries(purged.map(({ id, rev }) => [id, [rev]])) })
  t.equal((await send('PUT /full/a:last', { json: {} })).status, 201, 'purges make room')
})
