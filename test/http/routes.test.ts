import { METHODS } from 'node:http'
import t, { type Test } from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())

const send = (line: string, sending?: Sending): Promise<Reply> => ask(server, line, sending)

async function refuses(
  t: Test,
  line: string,
  status: number,
  error: string,
  reason: string,
  sending?: Sending,
): Promise<void> {
  const reply = await send(line, sending)
  t.same([reply.status, reply.json], [status, { error, reason }], `${line} is refused`)
  t.equal(reply.headers['content-type'], 'application/json')
}

let made = 0
async function database(docs: object[] = []): Promise<string> {
  made += 1
  const name = `routes${made}`
  await send(`PUT /${name}`)
  if (docs.length > 0) await send(`POST /${name}/_bulk_docs`, { json: { docs } })
  return name
}

const REV = `1-${'0'.repeat(32)}`

t.test('headers', async (t) => {
  const reply = await send('GET /')
  t.match(reply.headers, {
    server: /^CouchDB\/3\.\d+\.\d+ \(Davenport\//,
    'x-couch-request-id': /^[0-9a-f]{10}$/,
    'x-couchdb-body-time': /^\d+$/,
    'cache-control': 'must-revalidate',
    'content-type': 'application/json',
  })
  const own = { 'x-couch-request-id': 'a-Client_s-Own-0123456789-0123456789' }
  t.equal((await send('GET /', { headers: own })).headers['x-couch-request-id'], own['x-couch-request-id'])
  for (const bad of ['x'.repeat(37), 'a b', 'é']) {
    const { headers } = await send('GET /', { headers: { 'x-couch-request-id': bad } })
    t.match(headers['x-couch-request-id'], /^[0-9a-f]{10}$/)
  }
  const minimal = await send('GET /', { headers: { prefer: 'return=minimal' } })
  t.equal(minimal.headers['x-couch-request-id'], undefined)
  t.equal(minimal.headers['content-type'], 'application/json')
})

t.test('a challenge for those who ask for one', async (t) => {
  const headers = { 'x-couchdb-www-authenticate': 'Basic realm="mine"' }
  const reply = await send('GET /_all_dbs', { as: null, headers })
  t.equal(reply.status, 401)
  t.equal(reply.headers['www-authenticate'], 'Basic realm="mine"')
  t.equal((await send('GET /_all_dbs', { as: null })).headers['www-authenticate'], undefined)
})

t.test('locations follow the proxy', async (t) => {
  const name = await database()
  const cases: [Record<string, string>, string][] = [
    [{ host: 'couch.example:1' }, 'http://couch.example:1'],
    [{ 'x-forwarded-host': 'public.example' }, 'http://public.example'],
    [{ 'x-forwarded-host': 'public.example', 'x-forwarded-ssl': 'on' }, 'https://public.example'],
    [{ 'x-forwarded-host': 'public.example', 'x-forwarded-proto': 'https' }, 'https://public.example'],
    [{ 'x-forwarded-host': 'public.example', 'x-forwarded-proto': 'gopher' }, 'http://public.example'],
  ]
  for (const [index, [headers, origin]] of cases.entries()) {
    const reply = await send(`PUT /${name}/d%2F${index}`, { json: {}, headers })
    t.equal(reply.headers.location, `${origin}/${name}/d%2F${index}`)
  }
})

t.test('a document: ETag, 304, HEAD as long as GET', async (t) => {
  const name = await database()
  const put = await send(`PUT /${name}/a`, { json: { v: 1 } })
  const etag = put.headers.etag!
  const get = await send(`GET /${name}/a`)
  t.equal(get.headers.etag, etag)
  t.equal(get.text, `{"_id":"a","_rev":${etag},"v":1}\n`)
  const head = await send(`HEAD /${name}/a`)
  t.equal(head.headers['content-length'], String(Buffer.byteLength(get.text)))
  t.equal(head.text, '')
  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`]) {
    const reply = await send(`GET /${name}/a`, { headers: { 'if-none-match': tag } })
    t.equal(reply.status, 304, tag)
    t.equal(reply.text, '')
    t.equal(reply.headers['content-length'], '0')
  }
  t.equal((await send(`GET /${name}/a`, { headers: { 'if-none-match': '"other"' } })).status, 200)
  t.equal((await send(`GET /${name}/a?revs_info=true`)).headers.etag, undefined)
  t.equal((await send(`GET /${name}/a?conflicts=true`)).headers.etag, etag)
})

t.test('revisions that do not agree', async (t) => {
  const name = await database()
  await send(`PUT /${name}/a`, { json: { v: 1 } })
  const path = `PUT /${name}/a`
  const etagReason = 'Document rev and etag have different values'
  await refuses(
    t,
    `${path}?rev=1-a`,
    400,
    'bad_request',
    'Document rev from request body and query string have different values',
    { json: { _rev: REV } },
  )
  await refuses(t, path, 400, 'bad_request', etagReason, {
    json: { _rev: REV },
    headers: { 'if-match': '1-a' },
  })
  await refuses(t, `${path}?rev=1-a`, 400, 'bad_request', etagReason, {
    json: {},
    headers: { 'if-match': '1-b' },
  })
  await refuses(t, `${path}?rev=nonsense`, 400, 'bad_request', 'Invalid rev format', { json: {} })
  await refuses(t, path, 400, 'bad_request', 'Invalid rev format', { json: {}, headers: { 'if-match': 'x' } })
  await refuses(t, path, 409, 'conflict', 'Document update conflict.', { json: { _rev: REV } })
  await refuses(t, `PUT /${name}/new?rev=${REV}`, 409, 'conflict', 'Document update conflict.', { json: {} })
})

t.test('upper-case hex names the same revision', async (t) => {
  const name = await database()
  const { json } = await send(`PUT /${name}/a`, { json: {} })
  const { rev } = json as { rev: string }
  t.equal((await send(`GET /${name}/a?rev=${rev.toUpperCase()}`)).status, 200)
  t.equal(
    (await send(`PUT /${name}/a`, { json: {}, headers: { 'if-match': `"${rev.toUpperCase()}"` } })).status,
    201,
  )
})

t.test('design documents: either spelling writes, one is redirected', async (t) => {
  const name = await database()
  t.equal((await send(`PUT /${name}/_design%2Fa`, { json: {} })).status, 201)
  const reply = await send(`GET /${name}/_design%2Fa?rev=1-x`)
  t.equal(reply.status, 301)
  t.match(reply.headers.location, new RegExp(`/${name}/_design/a\\?rev=1-x$`))
  t.equal((await send(`GET /${name}/_design/a`)).status, 200)
  await refuses(t, `GET /${name}/_design/a/_view/x`, 404, 'not_found', 'missing_named_view')
  await refuses(t, `GET /${name}/_design/none/_view/x`, 404, 'not_found', 'missing')
})

t.test('listings: ranges of JSON values that are no strings', async (t) => {
  const name = await database([{ _id: 'a' }, { _id: 'b' }, { _id: '_design/d' }])
  const ids = async (query: string): Promise<string[]> => {
    const { json } = await send(`GET /${name}/_all_docs?${query}`)
    return (json as { rows: { id: string }[] }).rows.map(({ id }) => id)
  }
  t.same(await ids('startkey=5'), ['_design/d', 'a', 'b'])
  t.same(await ids('endkey=5'), [])
  t.same(await ids('startkey=null&descending=true'), [])
  t.same(await ids('endkey=%7B%7D&descending=true'), ['b', 'a', '_design/d'])
  t.same(await ids('key=%5B%5D'), [])
  t.same(await ids('startkey=%22a%22&endkey=%22b%22&inclusive_end=false'), ['a'])
  t.same(await ids('keys=%5B%22b%22%2C%22a%22%5D&skip=1'), ['a'])
  t.same(await ids('keys=%5B%5D'), [])
})

t.test('design documents alone, counted from the first of them', async (t) => {
  const ids = ['_design/a', '_design/b', '_design/c', 'Z', 'x']
  const name = await database(ids.map((_id) => ({ _id })))
  const list = async (query: string): Promise<unknown> => {
    const { json } = await send(`GET /${name}/_design_docs?${query}`)
    const page = json as { total_rows: number; offset: number; rows: { key: string }[] }
    return [page.total_rows, page.offset, page.rows.map(({ key }) => key).join()]
  }
  t.same(await list(''), [3, 0, '_design/a,_design/b,_design/c'])
  t.same(await list('descending=true'), [3, 0, '_design/c,_design/b,_design/a'])
  t.same(await list('startkey=%22_design%2Fb%22'), [3, 1, '_design/b,_design/c'])
  t.same(await list('skip=1&limit=1'), [3, 1, '_design/b'])
  t.same(await list('endkey=%22_design%2Fb%22&inclusive_end=false'), [3, 0, '_design/a'])
  t.same(await list('startkey=%22x%22'), [3, 3, ''])
  t.same(await list('keys=%5B%22_design%2Fb%22%2C%22x%22%2C%22_design%2Fz%22%5D'), [
    3,
    null,
    '_design/b,_design/z',
  ])
})

t.test('a query parameter is named as Erlang prints it', async (t) => {
  const name = await database()
  const parse = (query: string, reason: string, json?: unknown): Promise<void> => {
    const line = json === undefined ? `GET /${name}/_all_docs?${query}` : `POST /${name}/_all_docs`
    return refuses(t, line, 400, 'query_parse_error', reason, json === undefined ? {} : { json })
  }
  await parse('limit=abc', 'Invalid value for integer: "abc"')
  await parse('limit=', 'Invalid value for integer: []')
  await parse('limit=%22', 'Invalid value for integer: "\\""')
  await parse('limit=1.5', 'Invalid value for integer: "1.5"')
  await parse('limit=%01', 'Invalid value for integer: [1]')
  await parse('skip=-1', 'Invalid value for positive integer: "-1"')
  await parse('include_docs=1', 'Invalid boolean parameter: "1"')
  await parse('update=soon', 'Invalid value for `update`.')
  await parse('group_level=1', 'Invalid use of grouping on a map view.')
  await parse('', 'Invalid value for integer: <<"5">>', { limit: '5' })
  await parse('', 'Invalid value for positive integer: -1', { skip: -1 })
  await parse('', '`keys` is incompatible with `key`, `start_key` and `end_key`', {
    keys: ['a', 'b'],
    key: 'a',
  })
})

t.test('_changes', async (t) => {
  const name = await database(Array.from({ length: 6 }, (_, n) => ({ _id: `d${n}` })))
  const rows = async (query: string): Promise<Record<string, unknown>[]> => {
    const { json } = await send(`GET /${name}/_changes?${query}`)
    return (json as { results: Record<string, unknown>[] }).results
  }
  const text = (await send(`GET /${name}/_changes?limit=2`)).text
  t.match(text, /^\{"results":\[\n\{.*\},\r\n\{.*\}\n\],\n"last_seq":"[^"]+","pending":4\}\n$/)
  t.same(
    (await rows('seq_interval=2&limit=6')).map(({ seq }) => seq === null),
    [false, true, false, true, false, true],
  )
  t.same(
    (await rows('descending=true&limit=2')).map(({ id }) => id),
    ['d5', 'd4'],
  )
  const [first] = await rows('limit=1')
  const quoted = encodeURIComponent(JSON.stringify(first!['seq']))
  t.equal((await rows(`since=${quoted}`)).length, 5)
  t.same(await rows('limit=0'), [])
  const etag = (await send(`GET /${name}/_changes`)).headers.etag!
  t.equal((await send(`GET /${name}/_changes`, { headers: { 'if-none-match': etag } })).status, 304)
  await send(`PUT /${name}/more`, { json: {} })
  t.equal((await send(`GET /${name}/_changes`, { headers: { 'if-none-match': etag } })).status, 200)
  await refuses(t, `GET /${name}/_changes?seq_interval=0`, 400, 'bad_request', 'invalid_seq_interval')
})

t.test('a longpoll waits for a change; continuous feeds and event sources go on', async (t) => {
  const name = await database([{ _id: 'a' }])
  const { json } = await send(`GET /${name}/_changes`)
  const since = (json as { last_seq: string }).last_seq
  const waiting = send(`GET /${name}/_changes?feed=longpoll&since=${since}&heartbeat=20`)
  const later = send(`GET /${name}/_changes?feed=continuous&since=${since}&limit=2`)
  const events = send(`GET /${name}/_changes?feed=eventsource&limit=1`, {
    headers: { 'last-event-id': since },
  })
  await send(`PUT /${name}/b`, { json: {} })
  t.match((await waiting).json, { results: [{ id: 'b' }], pending: 0 })
  await send(`PUT /${name}/c`, { json: {} })
  const lines = (await later).text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  t.match(lines, [{ id: 'b' }, { id: 'c' }, { last_seq: String }])
  t.match((await events).text, /^data: \{"seq":"[^"]+","id":"b".*\}\nid: "[^"]+"\n\n$/)
})

t.test('a feed ends when its database goes', async (t) => {
  const name = await database()
  const feed = send(`GET /${name}/_changes?feed=continuous&heartbeat=true`)
  const longpoll = send(`GET /${name}/_changes?feed=longpoll&since=now&heartbeat=10`)
  // Both are known to wait once each has sent what it sends at once.
  await send(`GET /${name}`)
  t.equal((await send(`DELETE /${name}`)).status, 200)
  await Promise.allSettled([feed, longpoll])
  t.pass()
})

t.test('open_revs as JSON and as multipart', async (t) => {
  const name = await database()
  const docs = ['b', 'c'].map((id) => ({ _id: 'a', _rev: `1-${id}`, v: id }))
  await send(`POST /${name}/_bulk_docs`, { json: { docs, new_edits: false } })
  const wanted = [{ ok: { _id: 'a', _rev: '1-b', v: 'b' } }, { ok: { _id: 'a', _rev: '1-c', v: 'c' } }]
  t.same((await send(`GET /${name}/a?open_revs=all`)).json, wanted)
  const some = `GET /${name}/a?open_revs=${encodeURIComponent('["1-c","1-x"]')}`
  t.same((await send(some)).json, [wanted[1], { missing: '1-x' }])
  const mixed = await send(some, { headers: { accept: 'multipart/mixed' } })
  const boundary = /^multipart\/mixed; boundary="([0-9a-f]{32})"$/.exec(mixed.headers['content-type']!)![1]!
  t.same(mixed.text.split(`--${boundary}`), [
    '',
    '\r\nContent-Type: application/json\r\n\r\n{"_id":"a","_rev":"1-c","v":"c"}\r\n',
    '\r\nContent-Type: application/json; error="true"\r\n\r\n{"missing":"1-x"}\r\n',
    '--',
  ])
})

t.test('rights', async (t) => {
  const name = await database([{ _id: 'a' }])
  const nobody = { as: null }
  await refuses(t, `GET /${name}/a`, 401, 'unauthorized', 'You are not authorized to access this db.', nobody)
  await refuses(t, 'GET /_all_dbs', 401, 'unauthorized', 'You are not a server admin.', nobody)
  await refuses(t, `PUT /${name}x`, 401, 'unauthorized', 'You are not a server admin.', nobody)
  await refuses(t, `DELETE /${name}`, 401, 'unauthorized', 'You are not a server admin.', nobody)
  await refuses(t, 'GET /_up/more', 401, 'unauthorized', 'You are not a server admin.', nobody)
  await refuses(t, 'GET /nothing', 404, 'not_found', 'Database does not exist.', nobody)
  await refuses(t, `GET /${name}`, 401, 'unauthorized', 'Name or password is incorrect.', { as: 'admin:no' })
  await send(`PUT /${name}/_security`, { json: {} })
  t.equal((await send(`GET /${name}/a`, nobody)).status, 200)
  t.equal((await send(`PUT /${name}/b`, { json: {}, as: null })).status, 201)
  const notAdmin = 'You are not a db or server admin.'
  for (const line of ['PUT /_design/d', 'PUT /_security', 'PUT /_revs_limit']) {
    await refuses(t, line.replace(' ', ` /${name}`), 401, 'unauthorized', notAdmin, { json: {}, as: null })
  }
  const bulk = await send(`POST /${name}/_bulk_docs`, {
    json: { docs: [{ _id: 'c' }, { _id: '_design/d' }] },
    as: null,
  })
  t.match(bulk.json, [{ ok: true }, { id: '_design/d', error: 'unauthorized', reason: notAdmin }])
  await send(`PUT /${name}/_design/d`, { json: {} })
  await refuses(t, `DELETE /${name}/_design/d`, 401, 'unauthorized', notAdmin, nobody)
})

t.test('a validation function protects documents, and neither local ones nor itself', async (t) => {
  const name = await database([{ _id: 'a' }])
  const design = { validate_doc_update: 'function () { throw({ forbidden: "no" }) }' }
  const { json } = await send(`PUT /${name}/_design/v`, { json: design })
  await refuses(t, `PUT /${name}/b`, 403, 'forbidden', 'no', { json: {} })
  const bulk = await send(`POST /${name}/_bulk_docs`, { json: { docs: [{ _id: 'b' }] } })
  t.same([bulk.status, bulk.json], [201, [{ id: 'b', error: 'forbidden', reason: 'no' }]])
  t.equal((await send(`PUT /${name}/_local/b`, { json: {} })).status, 201)
  const { rev } = json as { rev: string }
  t.equal((await send(`DELETE /${name}/_design/v?rev=${rev}`)).status, 200)
  t.equal((await send(`PUT /${name}/b`, { json: {} })).status, 201)
})

t.test('what is not there says so', async (t) => {
  const name = await database()
  const lines = [`POST /${name}/_nouveau_cleanup`, `GET /${name}/_search_cleanup`]
  for (const line of lines) {
    const { status, json } = await send(line, { json: {} })
    t.match([status, json], [501, { error: 'not_implemented', reason: String }], line)
  }
})

t.test('shards are those that CouchDB would have', async (t) => {
  const nodes = ['nonode@nohost']
  await send('PUT /sharded?q=3')
  const shards = { '00000000-55555554': nodes, '55555555-aaaaaaa9': nodes, 'aaaaaaaa-ffffffff': nodes }
  t.same((await send('GET /sharded/_shards')).json, { shards })
  // Their CRC-32: e8b7be43, 71beeff9.
  t.same((await send('GET /sharded/_shards/a')).json, { range: 'aaaaaaaa-ffffffff', nodes })
  t.same((await send('GET /sharded/_shards/b')).json, { range: '55555555-aaaaaaa9', nodes })
  await send('PUT /parted?q=2&partitioned=true')
  t.same((await send('GET /parted/_shards/a:1')).json, { range: '80000000-ffffffff', nodes })
  t.same((await send('GET /parted/_shards/b:1')).json, { range: '00000000-7fffffff', nodes })
  t.equal((await send('GET /parted/_shards/_design/d')).status, 200)
  t.match(await send('GET /parted/_shards/a'), { status: 400, json: { error: 'illegal_docid' } })
  const manyShards = (await send('PUT /many?q=99999')).status
  t.equal(manyShards, 201)
  const { json } = await send('GET /many/_shards')
  t.equal(Object.keys((json as { shards: object }).shards).length, 99_999)
  t.same(await send('POST /sharded/_sync_shards').then(({ status, json }) => [status, json]), [
    202,
    { ok: true },
  ])
  t.match(await send('PUT /sharded/_shards'), { status: 405, headers: { allow: 'GET' } })
  t.match(await send('GET /sharded/_sync_shards'), { status: 405, headers: { allow: 'POST' } })
})

t.test('batch=ok is written soon', async (t) => {
  const name = await database()
  const reply = await send(`PUT /${name}/a?batch=ok`, { json: { v: 1 } })
  t.same([reply.status, reply.json], [202, { ok: true, id: 'a' }])
  for (;;) if ((await send(`GET /${name}/a`)).status === 200) break
  t.pass()
})

t.test('a form must come from a page of this server', async (t) => {
  const name = await database()
  const line = `POST /${name}/form`
  const from = (referer: string): Sending => ({ body: '', headers: { referer } })
  await refuses(t, line, 400, 'bad_request', 'Referer header required.')
  const foreign = 'Referer header must match host.'
  await refuses(t, line, 400, 'bad_request', foreign, from('http://elsewhere.example/'))
  await refuses(t, line, 400, 'bad_request', foreign, from('nonsense'))
  const type = 'Content-Type must be multipart/form-data'
  await refuses(t, line, 415, 'bad_content_type', type, from(`${server.http.url}/page`))
})

t.test('every method that the parser knows gets an answer of ours', async (t) => {
  const name = await database()
  for (const method of METHODS.filter(
    (method) => !['CONNECT', 'GET', 'HEAD', 'PUT', 'DELETE'].includes(method),
  )) {
    const { status, headers } = await send(`${method} /${name}`)
    t.equal(status, method === 'POST' ? 415 : 405, method)
    t.match(headers.server, /^CouchDB/)
  }
})

t.test('method override works for POST alone', async (t) => {
  const name = await database()
  const override = (method: string): Record<string, string> => ({ 'x-http-method-override': method })
  t.equal((await send(`POST /${name}/a`, { json: {}, headers: override('PUT') })).status, 201)
  t.equal((await send(`GET /${name}/a`, { headers: override('DELETE') })).status, 200)
  t.equal((await send(`POST /${name}/a`, { json: {}, headers: override('HEAD') })).status, 200)
  t.equal((await send(`POST /${name}/a`, { json: {}, headers: override('BREW') })).status, 400)
})
