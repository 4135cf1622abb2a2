/** Requests at the edges of the gateway's routes, answered as Sync Gateway 1.5 answers them. */
import t from 'tap'
import { type GatewayRequest, GatewayServer } from '../support/gateway-server.ts'

const server = await GatewayServer.start(t.testdir())
t.teardown(() => server.stop())
const AS = { as: 'ann:letann' }
const ask = (line: string, request: GatewayRequest = {}) => server.ask(line, { ...AS, ...request })

t.before(async () => {
  await server.admin('PUT /db/', { body: {} })
  await server.admin('PUT /db/_user/ann', {
    body: { name: 'ann', password: 'letann', admin_channels: ['red'] },
  })
})

/** Writes a document of three revisions. */
async function threeRevisions(id: string): Promise<string[]> {
  const revs: string[] = []
  for (const n of [1, 2, 3]) {
    const rev = revs.at(-1)
    const { json } = await ask(`PUT /db/${id}${rev === undefined ? '' : `?rev=${rev}`}`, {
      body: { channels: ['red'], n },
    })
    revs.push((json as { rev: string }).rev)
  }
  return revs
}

t.test('a slash too many at the end of a path, or too few', async (t) => {
  await threeRevisions('doc')
  for (const [line, location] of [
    ['GET /db?x=1', '/db/?x=1'],
    ['GET /db/doc/?revs=true', '/db/doc?revs=true'],
    ['HEAD /db/doc/', '/db/doc'],
    ['PUT /db/doc/', '/db/doc'],
    ['GET /db/_all_docs/', '/db/_all_docs'],
    ['POST /db/_bulk_docs/', '/db/_bulk_docs'],
    ['GET /db/_local/x/', '/db/_local/x'],
    ['GET /db/_design/x/_view/y/', '/db/_design/x/_view/y'],
  ] as const) {
    const { status, headers, text } = await ask(line)
    t.same([status, headers.get('location')], [301, location], line)
    const page = `<a href="${location.replace('&', '&#38;')}">Moved Permanently</a>.\n\n`
    t.equal(text, line.startsWith('GET') ? page : '', line)
  }
  for (const [line, wanted, allow] of [
    ['DELETE /db', 405, 'GET, HEAD, POST, PUT'],
    ['POST /db/doc/', 405, 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS /db/doc/', 204, 'GET, HEAD, PUT, DELETE'],
  ] as const) {
    const { status, headers } = await ask(line)
    t.same([status, headers.get('allow')], [wanted, allow], line)
  }
  for (const path of ['/db/_nothing/', '/db//', '/db/_user'])
    t.match(await ask(`GET ${path}`), { status: 404, json: { reason: 'unknown URL' } }, path)
  for (const [path, location] of [
    ['/_all_dbs/', '/_all_dbs'],
    ['/db/_user', '/db/_user/'],
  ] as const) {
    t.equal((await server.admin(`GET ${path}`)).headers.get('location'), location, path)
  }
})

t.test('of a history nothing, and all', async (t) => {
  const [first, , last] = await threeRevisions('history')
  const lengths: unknown[] = []
  for (const limit of ['0', '1', '2', 'x', '-1', '']) {
    const { json } = await ask(`GET /db/history?revs=true&revs_limit=${limit}`)
    lengths.push((json as { _revisions?: { ids: string[] } })._revisions?.ids.length)
  }
  t.same(lengths, [undefined, 1, 2, 3, 3, 3])
  const query = `/db/history?revs=true&revs_from=null&atts_since=null`
  t.equal((await ask(`GET ${query}`)).status, 200)
  const accept = 'multipart/mixed'
  const bulk = async (limit: number, rev: unknown) => {
    const body = { docs: [{ id: 'history', rev }] }
    return (await ask(`POST /db/_bulk_get?revs=true&revs_limit=${limit}`, { body, headers: { accept } })).text
  }
  t.notMatch(await bulk(0, last), '_revisions')
  t.match(await bulk(1, null), `"_rev":"${last}"`)
  t.match(await bulk(1, first), `"_rev":"${first}"`)
})

t.test('revisions of no document', async (t) => {
  const open = (revs: string) => ask(`GET /db/none?open_revs=${revs}`)
  t.match(await open('all'), { status: 404, json: { reason: 'missing' } })
  t.match(await open('["1-a","2-b"]'), { status: 200, json: [{ missing: '1-a' }, { missing: '2-b' }] })
  t.same((await open('[]')).json, [])
})

t.test('a coding of bodies that is not known', async (t) => {
  for (const coding of ['deflate', 'identity', 'br']) {
    t.match(
      await ask('PUT /db/coded', { body: {}, headers: { 'content-encoding': coding } }),
      { status: 415, json: { reason: 'Unsupported Content-Encoding; use gzip' } },
      coding,
    )
  }
})

t.test('lists that are null or empty are none', async (t) => {
  for (const keys of ['', 'null', '[]']) {
    const { status, json } = await ask(`GET /db/_all_docs?keys=${keys}`)
    t.equal(status, 200, keys)
    t.equal((json as { rows: unknown[] }).rows.length > 0, keys !== '[]', keys)
  }
  const refused = { status: 400, json: { reason: "Missing 'doc_ids' filter parameter" } }
  t.match(await ask('GET /db/_changes?filter=_doc_ids&doc_ids=null'), refused)
  t.match(await ask('POST /db/_changes', { body: { filter: '_doc_ids', doc_ids: null } }), refused)
})

t.test('options of a feed in a body of any type', async (t) => {
  const headers = { 'content-type': 'text/plain' }
  const { status, json } = await ask('POST /db/_changes', { text: '{"limit":1}', headers })
  t.equal(status, 200)
  t.equal((json as { results: unknown[] }).results.length, 1)
  t.equal((await ask('POST /db/_all_docs', { text: '{"keys":[]}', headers })).status, 415)
})

t.test('users and roles in a body of any type, but not from a page of another origin', async (t) => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  for (const [line, text] of [
    ['PUT /db/_user/form', '{"password":"letform"}'],
    ['POST /db/_user/', '{"name":"posted","password":"letposted"}'],
    ['PUT /db/_role/form', '{"admin_channels":["red"]}'],
  ] as const) {
    const foreign = { ...form, origin: 'http://elsewhere.example' }
    t.equal((await server.admin(line, { text, headers: foreign })).status, 415, line)
    t.equal((await server.admin(line, { text, headers: form })).status, 201, line)
  }
})

t.test('slashes that are encoded, and what Sync Gateway keeps for itself', async (t) => {
  t.equal((await ask('PUT /db/_local%2Fenc', { body: { n: 1 } })).status, 201)
  t.match(await ask('GET /db/_local/enc'), { status: 200, json: { _id: '_local/enc', n: 1 } })
  t.match(await ask('GET /db/_local/enc%2Fx'), { status: 404, json: { reason: 'unknown URL' } })
  const view = { views: { v: { map: 'function (doc, meta) { emit(meta.id, 1) }' } } }
  t.equal((await server.admin('PUT /db/_design%2fenc', { body: view })).status, 201)
  t.equal((await server.admin('GET /db/_design%2Fenc%2F_view%2Fv')).status, 200)
  const putOwn = await server.admin('PUT /db/_design/sync_gateway', { body: {} })
  t.equal(putOwn.status, 403)
  t.equal((await server.admin('DELETE /db/_design/sync_gateway')).status, 403)
  t.equal((await server.admin('GET /db/_design/sync_housekeeping')).status, 403)
  t.match(await ask('GET /db/_design/sync_gateway'), { status: 200, json: { filters: { bychannel: 'ok' } } })
  const revs = { '_design/d': ['1-a'], other: ['1-a'] }
  t.same((await ask('POST /db/_revs_diff', { body: revs })).json, { other: { missing: ['1-a'] } })
  t.ok((await server.admin('POST /db/_revs_diff', { body: revs })).json['_design/d'])
})

t.test('a channel without a name', async (t) => {
  const filter = 'filter=sync_gateway/bychannel'
  for (const channels of [',', 'red,', 'a,,b']) {
    const answer = await ask(`GET /db/_changes?${filter}&channels=${channels}`)
    t.match(answer, { status: 400, json: { reason: 'Illegal channel name ""' } }, channels)
  }
})

t.test('online after a time', async (t) => {
  const state = async () => (await server.admin('GET /db/')).json.state
  await server.admin('POST /db/_offline')
  t.equal((await server.admin('POST /db/_online', { body: { delay: 1 } })).status, 200)
  t.equal((await server.admin('POST /db/_online', { body: { delay: 3000 } })).status, 200)
  t.equal(await state(), 'Offline')
  while ((await state()) !== 'Online') await new Promise((resolve) => setTimeout(resolve, 50))
  await server.admin('POST /db/_offline')
  t.equal((await server.admin('POST /db/_online', { text: 'no JSON' })).status, 200)
  t.equal(await state(), 'Online')
})

t.test('leaves of changes', async (t) => {
  const push = (rev: string, more: object = {}) =>
    ask('PUT /db/leaves?new_edits=false', { body: { channels: ['red'], _rev: rev, ...more } })
  await push('1-a')
  await push('2-b', { _revisions: { start: 2, ids: ['b', 'a'] } })
  await push('2-c', { _revisions: { start: 2, ids: ['c', 'a'] }, _deleted: true })
  await push('2-d', { _revisions: { start: 2, ids: ['d', 'a'] } })
  const leaves = async (query: string) => {
    const { results } = (await ask(`GET /db/_changes?style=all_docs&${query}`)).json
    const { changes } = results.find(({ id }: { id: string }) => id === 'leaves')
    return changes.map(({ rev }: { rev: string }) => rev).sort()
  }
  t.same(await leaves(''), ['2-b', '2-c', '2-d'])
  t.same(await leaves('active_only=true'), ['2-b', '2-d'])
})

t.test('views of administrators', async (t) => {
  await server.admin('PUT /views/', { body: {} })
  const map = 'function (doc, meta) { emit(doc.key, doc.value) }'
  const views = { rows: { map }, sum: { map, reduce: '_sum' }, count: { map, reduce: '_count' } }
  await server.admin('PUT /views/_design/d', { body: { views } })
  for (const [id, key, value] of [
    ['v1', ['a', 1], 10],
    ['v2', ['a', 2], 20],
    ['v3', ['b', 1], 5],
  ] as const)
    await server.admin(`PUT /views/${id}`, { body: { key, value } })
  const view = async (path: string) => (await server.admin(`GET /views/_design/d/_view/${path}`)).json
  const ids = async (query: string) => {
    const { rows, total_rows } = await view(`rows?${query}`)
    t.equal(total_rows, rows.length, query)
    return rows.map(({ id }: { id: string }) => id)
  }
  t.same(await ids('limit=2'), ['v1', 'v2'])
  t.same(await ids('endkey=["a",2]'), ['v1', 'v2'])
  t.same(await ids('endkey=["a",2]&inclusive_end=false'), ['v1'])
  const { rows } = await view('rows?include_docs=true&limit=1')
  t.same(rows, [{ id: 'v1', key: ['a', 1], value: 10, doc: { key: ['a', 1], value: 10 } }])
  t.same((await view('sum')).rows, [{ id: '', key: null, value: 35 }])
  t.same((await view('count?reduce=true')).rows, [{ id: '', key: null, value: 3 }])
  t.same((await view('sum?group_level=1')).rows, [
    { id: '', key: ['a'], value: 30 },
    { id: '', key: ['b'], value: 5 },
  ])
  t.equal((await view('sum?group=true')).rows.length, 3)
  t.equal((await view('sum?reduce=false')).rows[0].id, 'v1')
})

t.test('a user of all channels and of others', async (t) => {
  const body = { password: 'letall', admin_channels: ['red', '*'] }
  await server.admin('PUT /db/_user/all', { body })
  const { json } = await server.admin('GET /db/_user/all')
  t.same(json.admin_channels, ['*', 'red'])
  t.same(json.all_channels, ['!', '*', 'red'])
})
