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
