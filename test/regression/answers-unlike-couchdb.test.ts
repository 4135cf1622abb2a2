/**
 * Requests at the edges of the routes, that were answered otherwise than by Apache CouchDB 3.5.2: paths below
 * endpoints, `w` beyond the nodes there are, `batch=ok` of a deletion, negative limits, keys beside ranges.
 */
import t from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const said = ({ status, json }: Reply) => [status, json]

t.before(async () => {
  await send('PUT /db')
  const docs = ['a', 'b', 'c', 'd', 'e'].map((_id) => ({ _id }))
  await send('POST /db/_bulk_docs', { json: { docs } })
})

t.test('paths below endpoints', async (t) => {
  const missing = [404, { error: 'not_found', reason: 'missing' }]
  const noDatabase = [404, { error: 'not_found', reason: 'Database does not exist.' }]
  const postOnly = [405, { error: 'method_not_allowed', reason: 'Only POST allowed' }]
  const gone = [410, { error: 'gone', reason: 'Temporary views are not supported in CouchDB' }]
  const incomplete = [400, { error: 'bad_request', reason: 'Incomplete path to _node request' }]
  for (const [line, wanted, json] of [
    ['GET /_all_dbs/x', missing],
    ['GET /_all_dbs/x/y', missing],
    ['GET /_dbs_info/x', missing],
    ['POST /_dbs_info/x', missing, { keys: [] }],
    ['GET /_db_updates/x', noDatabase],
    ['GET /_replicate/x', postOnly],
    ['GET /_node', incomplete],
    ['GET /db/_auto_purge', missing],
    ['POST /db/_temp_view', gone, {}],
    ['GET /db/_temp_view', gone],
    ['POST /nothing/_temp_view', noDatabase, {}],
  ] as [string, unknown, unknown?][]) {
    t.same(said(await send(line, json === undefined ? {} : { json })), wanted, line)
  }
  t.equal((await send('HEAD /_all_dbs/x')).status, 404)
})

t.test('w: a write of fewer copies than it asks for is accepted', async (t) => {
  const revOf = ({ json }: Reply): string => (json as { rev: string }).rev
  for (const [w, short] of [
    ['3', true],
    ['%2B2', true],
    ['1', false],
    ['0', false],
    ['-4', false],
    ['abc', false],
  ] as const) {
    const status = (usual: number): number => (short ? 202 : usual)
    const path = `/db/w${short ? 's' : 'f'}-${w.length}${w.at(-1)}`
    const made = await send(`PUT ${path}?w=${w}`, { json: {} })
    t.equal(made.status, status(201), `PUT ${w}`)
    t.equal((await send(`PUT ${path}?w=${w}`, { json: {} })).status, 409)
    t.equal((await send(`DELETE ${path}?rev=${revOf(made)}&w=${w}`)).status, status(200))
    const attached = await send(`PUT ${path}/f?w=${w}`, { body: 'x' })
    t.equal(attached.status, status(201))
    t.equal((await send(`DELETE ${path}/f?rev=${revOf(attached)}&w=${w}`)).status, status(200))
    t.equal((await send(`POST /db?w=${w}`, { json: {} })).status, status(201))
    t.equal((await send(`PUT /db/_local/l?w=${w}`, { json: {} })).status, status(201))
    t.equal((await send(`DELETE /db/_local/l?w=${w}`)).status, status(200))
    t.equal((await send(`POST /db/_purge?w=${w}`, { json: { none: ['1-a'] } })).status, status(201))
    t.equal((await send(`PUT ${path}r?new_edits=false&w=${w}`, { json: { _rev: '1-a' } })).status, 201)
    t.equal((await send('COPY /db/a', { headers: { destination: `${path.slice(4)}c` } })).status, 201)
    const bulk = await send(`POST /db/_bulk_docs?w=${w}`, { json: { docs: [{}, { _id: 'a' }] } })
    t.equal(bulk.status, status(201))
    const accepted = (bulk.json as { accepted?: boolean }[]).map((each) => each.accepted)
    t.same(accepted, [short ? true : undefined, undefined])
    const refused = await send(`POST /db/_bulk_docs?w=${w}`, { json: { docs: [{ _id: 'a' }] } })
    t.equal(refused.status, 201)
  }
})

t.test('batch=ok of a deletion means nothing', async (t) => {
  const { rev } = (await send('PUT /db/batched', { json: {} })).json as { rev: string }
  t.equal((await send('DELETE /db/batched?batch=ok&rev=1-abc')).status, 409)
  const reply = await send(`DELETE /db/batched?batch=ok&rev=${rev}`)
  t.match([reply.status, reply.json], [200, { ok: true, id: 'batched', rev: /^2-/ }])
})

t.test('a negative limit of _changes is none', async (t) => {
  const count = async (query: string): Promise<number> =>
    ((await send(`GET /db/_changes?${query}`)).json as { results: unknown[] }).results.length
  const all = await count('')
  for (const query of ['limit=-1', 'limit=-7&descending=true', 'limit=-1&feed=longpoll']) {
    t.equal(await count(query), all, query)
  }
  t.equal(await count('limit=-0'), 0)
})

t.test('keys and ranges', async (t) => {
  const error = 'query_parse_error'
  const reason = '`keys` is incompatible with `key`, `start_key` and `end_key`'
  for (const [line, json] of [
    ['GET /db/_all_docs?keys=["a"]&startkey="b"'],
    ['GET /db/_design_docs?keys=["a"]&endkey="b"'],
    ['GET /db/_local_docs?keys=["_local/a"]&endkey="b"'],
    ['POST /db/_all_docs?keys=["e"]', { keys: ['c', 'a'] }],
    ['POST /db/_all_docs', { keys: ['c'], key: 'b' }],
    ['POST /db/_all_docs', { keys: [3], key: 4 }],
  ] as [string, unknown?][]) {
    const reply = await send(line, json === undefined ? {} : { json })
    t.same(said(reply), [400, { error, reason }], line)
  }
  const ids = async (line: string, json?: unknown) =>
    ((await send(line, { json })).json as { rows: { key: unknown }[] }).rows.map(({ key }) => key)
  t.same(await ids('GET /db/_all_docs?keys=["a"]&key="a"'), ['a'])
  t.same(await ids('GET /db/_all_docs?keys=[3]&key=3'), [3])
  t.same(await ids('POST /db/_all_docs?keys=["d","e"]', { keys: ['c', 'a'] }), ['d', 'e'])
  t.same(await ids('POST /db/_all_docs?startkey="b"', { keys: [] }), [])
  const queries = [{ keys: ['c'] }, { keys: ['c'], endkey: 'b' }, { keys: ['c', 'x'] }]
  t.match((await send('POST /db/_all_docs/queries', { json: { queries } })).json, {
    results: [
      { offset: Number, rows: [{ key: 'c' }] },
      { offset: Number, rows: [] },
      { offset: null, rows: [{ key: 'c' }, { key: 'x', error: 'not_found' }] },
    ],
  })
  const keyed = (await send('GET /db/_all_docs?update_seq=true&keys=["a"]')).json
  t.equal((keyed as { update_seq: unknown }).update_seq, null)
})

t.test('a feed that goes back ends with the present, and tells no change twice', async (t) => {
  await send('PUT /back')
  const docs = ['a', 'b', 'c', 'd', 'e'].map((_id) => ({ _id }))
  await send('POST /back/_bulk_docs', { json: { docs } })
  for (const feed of ['continuous', 'eventsource', 'live']) {
    for (const [limit, wanted] of [
      [999, 5],
      [5, 5],
      [2, 2],
      [0, 0],
    ] as const) {
      const { text } = await send(`GET /back/_changes?feed=${feed}&descending=true&limit=${limit}`)
      const ids = [...text.matchAll(/"id":"(.)"/g)].map(([, id]) => id)
      t.same(ids, ['e', 'd', 'c', 'b', 'a'].slice(0, wanted), `${feed} ${limit}`)
    }
  }
})

t.test('an attachment of a revision that is not there', async (t) => {
  const missing = [409, { error: 'not_found', reason: 'missing_rev' }]
  const conflict = [409, { error: 'conflict', reason: 'Document update conflict.' }]
  for (const [path, wanted] of [
    ['/db/unknown/att?rev=1-000', missing],
    ['/db/a/att?rev=1-0123456789abcdef0123456789abcdef', missing],
    ['/db/a/att', conflict],
  ] as const) {
    t.same(said(await send(`PUT ${path}`, { body: 'x' })), wanted, path)
  }
  t.same(said(await send('PUT /db/a/att', { body: 'x', headers: { 'if-match': '"1-000"' } })), missing)
})

t.test('storage engines, and the order of methods', async (t) => {
  const refused = [400, { error: 'bad_request', reason: 'invalid_engine_extension' }]
  t.same(said(await send('PUT /engine?engine=cowabunga')), refused)
  t.equal((await send('GET /engine')).status, 404)
  t.equal((await send('PUT /engine?engine=couch')).status, 201)
  const limit = await send('POST /db/_purged_infos_limit', { body: '2' })
  t.same(said(limit), [405, { error: 'method_not_allowed', reason: 'Only GET,PUT allowed' }])
  t.equal(limit.headers.allow, 'GET,PUT')
})

t.test('the leaves that revisions lead to stand as all leaves do', async (t) => {
  await send('PUT /leaves')
  const docs = [['a'], ['b', 'a'], ['c', 'a'], ['e', 'd', 'a']].map((ids) => ({
    _id: 'x',
    _revisions: { start: ids.length, ids },
    _deleted: ids[0] === 'c',
  }))
  await send('POST /leaves/_bulk_docs', { json: { docs, new_edits: false } })
  const revs = (found: { ok?: { _rev: string }; missing?: string }[]) =>
    found.map(({ ok, missing }) => ok?._rev ?? missing)
  const opened = async (query: string) =>
    revs((await send(`GET /leaves/x?${query}`)).json as { ok: { _rev: string } }[])
  t.same(await opened('open_revs=all'), ['2-b', '2-c', '3-e'])
  t.same(await opened('open_revs=["9-x","1-a"]&latest=true'), ['2-b', '2-c', '3-e', '9-x'])
  t.same(await opened('open_revs=["2-d","2-b"]&latest=true'), ['2-b', '3-e'])
  t.same(await opened('open_revs=["3-e","9-x","2-b","2-a","3-e","9-x"]'), ['2-b', '3-e', '2-a', '9-x'])
  const bulk = await send('POST /leaves/_bulk_get?latest=true', { json: { docs: [{ id: 'x', rev: '1-a' }] } })
  const [{ docs: got }] = (bulk.json as { results: [{ docs: { ok: { _rev: string } }[] }] }).results
  t.same(revs(got), ['2-b', '2-c', '3-e'])
})

t.test('whom _up asks for a name', async (t) => {
  const set = (key: string, value: string) => send(`PUT /_node/_local/_config/chttpd/${key}`, { json: value })
  const remove = (key: string) => send(`DELETE /_node/_local/_config/chttpd/${key}`)
  t.teardown(() => Promise.all([remove('require_valid_user'), remove('require_valid_user_except_for_up')]))
  for (const [everywhere, exceptForUp, up, root] of [
    ['false', 'false', 200, 200],
    ['false', 'true', 200, 401],
    ['true', 'false', 401, 401],
    ['true', 'true', 200, 401],
  ] as const) {
    await set('require_valid_user', everywhere)
    await set('require_valid_user_except_for_up', exceptForUp)
    const told = `${everywhere} ${exceptForUp}`
    t.equal((await send('GET /_up', { as: null })).status, up, told)
    t.equal((await send('GET /', { as: null })).status, root, told)
  }
})

t.test('query servers are told to reload', async (t) => {
  const line = 'POST /_reload_query_servers'
  t.same(said(await send(line, { json: {} })), [200, { ok: true }])
  t.equal((await send(line, { body: '{}', headers: { 'content-type': 'text/plain' } })).status, 415)
  t.equal((await send('GET /_reload_query_servers')).status, 405)
  t.equal((await send(line, { json: {}, as: null })).status, 401)
})

t.test('a revision of a local document cannot be asked for', async (t) => {
  await send('PUT /local-revisions')
  await send('PUT /local-revisions/_local/l', { json: { v: 1 } })
  const get = async (query: string) => said(await send(`GET /local-revisions/_local/l?${query}`))
  const missing = [404, { error: 'not_found', reason: 'missing' }]
  t.same(await get('rev=0-1'), missing)
  t.same(await get('rev=zz'), [400, { error: 'bad_request', reason: 'Invalid rev format' }])
  t.same(await get('rev=0-9&latest=true'), [200, { _id: '_local/l', _rev: '0-1', v: 1 }])
  t.same(await get('open_revs=all'), missing)
  t.same(await get('open_revs=["0-1"]'), [200, [{ missing: '0-1' }]])
  const docs = [{ id: '_local/l' }, { id: '_local/l', rev: '0-1' }]
  const bulk = await send('POST /local-revisions/_bulk_get', { json: { docs } })
  const error = { id: '_local/l', error: 'not_found', reason: 'missing' }
  t.same(bulk.json, {
    results: ['undefined', '0-1'].map((rev) => ({ id: '_local/l', docs: [{ error: { ...error, rev } }] })),
  })
})

t.test('analyzers of texts and indexes of texts, which are not there', async (t) => {
  const bad = (reason: string) => [400, { error: 'bad_request', reason }]
  const unavailable = [503, { error: 'service unavailable', reason: 'Search is not available' }]
  for (const [json, wanted] of [
    [{}, bad('analyzer parameter is mandatory')],
    [{ analyzer: {}, text: 'x' }, bad('analyzer parameter must be a string or an object')],
    [{ analyzer: 1, text: 'x' }, bad('analyzer parameter must be a string or an object')],
    [{ analyzer: 'standard' }, bad('text parameter is mandatory')],
    [{ analyzer: 'standard', text: 1 }, bad('text parameter must be a string')],
    [{ analyzer: { name: 'standard' }, text: 'x' }, unavailable],
  ]) {
    t.same(said(await send('POST /_search_analyze', { json })), wanted, JSON.stringify(json))
  }
  t.same(said(await send('GET /_search_analyze?text=x')), bad('analyzer parameter is mandatory'))
  t.same(said(await send('GET /_search_analyze?analyzer=standard&text=x')), unavailable)
  t.equal((await send('PUT /_search_analyze', { json: {} })).headers.allow, 'GET,POST')
  const missing = [404, { error: 'not_found', reason: 'missing' }]
  t.same(said(await send('POST /_nouveau_analyze', { json: { analyzer: 'standard', text: 'x' } })), missing)
  t.equal((await send('GET /_nouveau_analyze')).headers.allow, 'POST')
  for (const type of ['text', 'nouveau']) {
    const told = said(await send('POST /db/_index', { json: { index: { fields: ['n'] }, type } }))
    t.same(told, [503, { error: 'required index service unavailable', reason: type }])
  }
})
