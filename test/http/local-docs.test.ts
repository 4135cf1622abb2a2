import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
type Listing = { rows: { id: string; doc?: object }[] }
const ids = async (query: string) =>
  ((await send(`GET /db/_local_docs?${query}`)).json as Listing).rows.map(({ id }) => id)

t.before(async () => {
  await send('PUT /db')
  for (const id of ['b', 'a', 'é', 'c'])
    await send(`PUT /db/_local/${encodeURIComponent(id)}`, { json: { id } })
  await send('PUT /db/plain', { json: {} })
})

t.test('lists local documents, and no others', async (t) => {
  const { json } = await send('GET /db/_local_docs')
  t.match(json, {
    total_rows: null,
    offset: null,
    rows: ['a', 'b', 'c', 'é'].map((id) => ({
      id: `_local/${id}`,
      key: `_local/${id}`,
      value: { rev: '0-1' },
    })),
  })
  t.notMatch((await send('GET /db/_all_docs')).text, '_local')
  t.notMatch((await send('GET /db/_changes')).text, '_local')
})

t.test('ranges, order, documents', async (t) => {
  t.same(await ids('limit=2&skip=1'), ['_local/b', '_local/c'])
  t.same(await ids('descending=true&limit=2'), ['_local/é', '_local/c'])
  t.same(await ids('startkey="_local/b"&endkey="_local/c"'), ['_local/b', '_local/c'])
  t.same(await ids('startkey="_local/b"&endkey="_local/c"&inclusive_end=false'), ['_local/b'])
  const { rows } = (await send('GET /db/_local_docs?include_docs=true&key="_local/a"')).json as Listing
  t.same(
    rows.map(({ doc }) => doc),
    [{ _id: '_local/a', _rev: '0-1', id: 'a' }],
  )
})

t.test('by keys, and several queries', async (t) => {
  const keys = ['_local/c', '_local/none', '_local/a']
  const named = (await send('POST /db/_local_docs', { json: { keys } })).json as Listing
  t.match(named.rows, [{ id: '_local/c' }, { key: '_local/none', error: 'not_found' }, { id: '_local/a' }])
  const queries = [{ limit: 1 }, { keys: ['_local/b'] }]
  const { results } = (await send('POST /db/_local_docs/queries', { json: { queries } })).json as {
    results: Listing[]
  }
  t.same(
    results.map(({ rows }) => rows.map(({ id }) => id)),
    [['_local/a'], ['_local/b']],
  )
})

t.test('what indexes keep for themselves is shown when it is asked for', async (t) => {
  await send('PUT /system')
  for (const id of ['a', 'purge-mrview-1', 'purge-mrview-2', 'purse', 'shard-sync-x-y', 'z'])
    await send(`PUT /system/_local/${id}`, { json: {} })
  const listed = async (line: string, json?: object) =>
    ((await send(line, json && { json })).json as Listing).rows.map((row) => row.id?.slice(7)).join()
  t.equal(await listed('GET /system/_local_docs'), 'a,purse,z')
  t.equal(await listed('GET /system/_local_docs?include_system=false'), 'a,purse,z')
  t.equal(await listed('GET /system/_local_docs?skip=1&limit=1'), 'purse', 'they are not counted')
  t.equal(await listed('GET /system/_local_docs?descending=true&skip=1'), 'purse,a')
  t.equal(await listed('POST /system/_local_docs', { limit: 2 }), 'a,purse')
  t.equal(await listed('POST /system/_local_docs', { include_system: true }), 'a,purse,z')
  const all = 'a,purge-mrview-1,purge-mrview-2,purse,shard-sync-x-y,z'
  t.equal(await listed('GET /system/_local_docs?include_system=true'), all)
  t.equal(await listed('POST /system/_local_docs?include_system=true', {}), all)
  t.equal(await listed('GET /system/_local_docs?include_system=true&skip=1&limit=1'), 'purge-mrview-1')
  const keys = ['_local/shard-sync-x-y', '_local/a']
  t.equal(await listed('POST /system/_local_docs', { keys }), 'shard-sync-x-y,a', 'by name it is found')
  const queries = [{}, { limit: 1 }]
  const line = 'POST /system/_local_docs/queries?include_system=true'
  const { results } = (await send(line, { json: { queries } })).json as { results: Listing[] }
  t.same(
    results.map(({ rows }) => rows.length),
    [3, 1],
  )
})

t.test('there is no update sequence', async (t) => {
  const { json } = await send('GET /db/_local_docs?update_seq=true&limit=0')
  t.same(json, { total_rows: null, offset: null, update_seq: null, rows: [] })
})

t.test('attachments are dropped, of whatever kind they are', async (t) => {
  const documents = { inline: { a: { data: 'eA==' } }, stub: { a: { stub: true } }, none: {} }
  for (const [id, _attachments] of Object.entries(documents)) {
    const json = { n: 1, _attachments }
    t.equal((await send(`PUT /db/_local/put-${id}`, { json })).status, 201)
    t.equal((await send('POST /db', { json: { ...json, _id: `_local/post-${id}` } })).status, 201)
    const docs = [{ ...json, _id: `_local/bulk-${id}` }]
    t.match((await send('POST /db/_bulk_docs', { json: { docs } })).json, [{ ok: true, rev: '0-1' }])
    for (const way of ['put', 'post', 'bulk']) {
      const found = (await send(`GET /db/_local/${way}-${id}?attachments=true`)).json
      t.same(found, { _id: `_local/${way}-${id}`, _rev: '0-1', n: 1 })
    }
  }
  const wrong = [{ a: { data: '*' } }, { _a: { data: '' } }, { a: 1 }, []]
  for (const _attachments of wrong) {
    t.equal((await send('PUT /db/_local/wrong', { json: { _attachments } })).status, 400)
  }
})

t.test('copies to them and from them', async (t) => {
  const copy = (from: string, destination: string) =>
    send(`COPY /db/${from}`, { headers: { destination } }).then(({ status, json }) => [
      status,
      (json as { rev?: string; reason?: string }).rev ?? (json as { reason?: string }).reason,
    ])
  const attached = { b: 2, _attachments: { f: { data: 'eA==' } } }
  await send('PUT /db/attached', { json: attached })
  t.same(await copy('attached', '_local/copy'), [201, '0-1'])
  t.same(await copy('attached', '_local/copy?rev=0-1'), [201, '0-2'])
  t.same((await send('GET /db/_local/copy')).json, { _id: '_local/copy', _rev: '0-2', b: 2 })
  t.same(await copy('_local/copy', '_local/again'), [201, '0-1'])
  t.match(await copy('_local/copy', 'ordinary'), [201, /^1-/])
  t.match((await send('GET /db/ordinary')).json, { _id: 'ordinary', b: 2 })
  t.same(await copy('_local/copy', 'ordinary'), [409, 'Document update conflict.'])
  t.same(await copy('_local/none', 'x'), [404, 'missing'])
  t.same(await copy('_local/copy?rev=0-2', 'x'), [404, 'missing'])
  t.match(await copy('_local/copy', '_local/x?rev=1-a'), [400, 'Invalid rev format'])
})

t.test('a key of _all_docs finds one, a range does not', async (t) => {
  const keys = ['_local/a', 'plain', '_local/none']
  const named = (await send('POST /db/_all_docs?include_docs=true', { json: { keys } })).json as Listing
  t.match(named.rows, [
    { id: '_local/a', doc: { _id: '_local/a', id: 'a' } },
    { id: 'plain' },
    { key: '_local/none', error: 'not_found' },
  ])
  const ranged = (await send('GET /db/_all_docs?key="_local/a"')).json as Listing
  t.same(ranged.rows, [])
  const queries = [{ keys: ['_local/a'] }, { keys: ['_local/a', 'plain'] }]
  const { results } = (await send('POST /db/_all_docs/queries', { json: { queries } })).json as {
    results: Listing[]
  }
  t.same(
    results.map(({ rows }) => rows.map(({ id }) => id)),
    [[], ['_local/a', 'plain']],
    'the only key of one of several queries is a range',
  )
})
