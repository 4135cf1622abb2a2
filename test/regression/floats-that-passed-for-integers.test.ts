/**
 * Whole numbers that are written as floats, where Apache CouchDB 3.5.2 asks for an integer: `1.0` is none there, and
 * `JSON.parse` makes one of it.
 */
import t from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const headers = { 'content-type': 'application/json' }
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const sendText = (line: string, body: string) => ask(server, line, { body, headers })
const said = ({ status, json }: Reply) => [status, json]
const lengths = ({ json }: Reply) => {
  const { results, rows } = json as { results?: { rows: unknown[] }[]; rows?: unknown[] }
  return (results ?? [{ rows: rows! }]).map((each) => each.rows.length)
}

t.before(async () => {
  await send('PUT /db')
  const docs = ['a', 'b', 'c'].map((_id) => ({ _id, n: 1 }))
  const views = { by: { map: 'function (doc) { emit(doc.n, 1) }', reduce: '_sum' } }
  await send('POST /db/_bulk_docs', { json: { docs: [...docs, { _id: '_design/d', views }] } })
  await send('PUT /db/_local/l', { json: {} })
})

const LISTINGS = ['_all_docs', '_design_docs', '_local_docs', '_design/d/_view/by?reduce=false'] as const

t.test('limit, skip and group_level of listings and views', async (t) => {
  const refused = (written: string) => [
    400,
    { error: 'query_parse_error', reason: `Invalid value for integer: ${written}` },
  ]
  for (const path of LISTINGS) {
    const queries = path.replace(/\?|$/, '/queries$&')
    for (const name of ['limit', 'skip', 'group_level']) {
      for (const [text, written] of [
        ['1.0', '1.0'],
        ['1e0', '1.0'],
        ['0.0', '0.0'],
        ['1E+2', '100.0'],
        ['1.5', '1.5'],
        ['1e30', '1.0e30'],
      ] as const) {
        const query = `{"${name}":${text}}`
        t.match(said(await sendText(`POST /db/${path}`, query)), refused(written), `${path} ${query}`)
        const several = `{"queries":[{"skip":0},${query}]}`
        t.same(said(await sendText(`POST /db/${queries}`, several)), refused(written), `${queries} ${query}`)
      }
    }
    const all = lengths(await sendText(`POST /db/${path}`, '{}'))[0]!
    for (const [text, left] of [
      ['1', all - 1],
      ['0', all],
      ['-0', all],
    ] as const) {
      const query = `{"skip":${text},"note":"1.0"}`
      t.same(lengths(await sendText(`POST /db/${path}`, query)), [left], `${path} ${query}`)
      t.same(lengths(await sendText(`POST /db/${queries}`, `{"queries":[${query}]}`)), [left])
    }
  }
})

t.test('limits of a database', async (t) => {
  for (const text of ['5.0', '5e0', '5.5']) {
    t.match(said(await sendText('PUT /db/_revs_limit', text)), [400, { error: 'bad_request' }], text)
    t.same(said(await sendText('PUT /db/_purged_infos_limit', text)), [
      400,
      { error: 'bad_request', reason: '`purged_infos_limit` must be positive integer' },
    ])
  }
  t.equal((await send('GET /db/_revs_limit')).json, 1000)
  t.equal((await sendText('PUT /db/_revs_limit', '5')).status, 200)
  t.equal((await sendText('PUT /db/_purged_infos_limit', '5')).status, 200)
  t.equal((await send('GET /db/_revs_limit')).json, 5)
})

t.test('_revisions.start', async (t) => {
  const body = (start: string) => `{"_revisions":{"ids":["b.c","a.d"],"start":${start}}}`
  const refused = [400, { error: 'doc_validation', reason: "_revisions.start isn't an integer." }]
  for (const start of ['2.0', '2e0', '2.5']) {
    t.same(said(await sendText('PUT /db/r?new_edits=false', body(start))), refused, start)
    const docs = `{"new_edits":false,"docs":[${body(start).replace('{', '{"_id":"r",')}]}`
    t.same(said(await sendText('POST /db/_bulk_docs', docs)), refused, start)
  }
  t.equal((await sendText('PUT /db/r?new_edits=false', body('2'))).status, 201)
})

t.test('copies that a _bulk_docs asks for', async (t) => {
  for (const [w, query, status] of [
    ['2', '', 202],
    ['2.0', '', 201],
    ['"2"', '', 201],
    ['1', '?w=2', 201],
    ['2.0', '?w=2', 202],
    ['null', '?w=2', 202],
  ] as const) {
    const reply = await sendText(`POST /db/_bulk_docs${query}`, `{"docs":[{}],"w":${w}}`)
    const [{ accepted }] = reply.json as [{ accepted?: boolean }]
    t.same([reply.status, accepted], [status, status === 202 ? true : undefined], `${w} ${query}`)
  }
})

t.test('the revpos of an attachment is compared, and that of new data is its revision', async (t) => {
  const missing = [412, { error: 'missing_stub', reason: 'Invalid attachment stub in at for f' }]
  for (const revpos of ['1', '1.0', '7', '"q"', 'null', '-1', '1.5']) {
    const made = await sendText('PUT /db/at', `{"_attachments":{"f":{"data":"aGk=","revpos":${revpos}}}}`)
    t.equal(made.status, 201, `new data, ${revpos}`)
    const { rev } = made.json as { rev: string }
    const edit = `{"_rev":"${rev}","_attachments":{"f":{"stub":true,"revpos":${revpos}}}}`
    const edited = await sendText('PUT /db/at', edit)
    if (Number(revpos) === 1) t.equal(edited.status, 201, `stub, ${revpos}`)
    else t.same(said(edited), missing, `stub, ${revpos}`)
    const stored = (await send('GET /db/at')).json as { _rev: string; _attachments: object }
    t.match(stored, { _attachments: { f: { revpos: 1 } } }, revpos)
    await send(`POST /db/_purge`, { json: { at: [stored._rev] } })
  }
})

t.test('options of a replication', async (t) => {
  await send('PUT /_replicator')
  const job = (option: string) => `{"source":"db","target":"copy","create_target":true,${option}}`
  for (const name of ['worker_processes', 'http_connections', 'retries_per_request', 'checkpoint_interval']) {
    const { status, json } = await sendText('POST /_replicate', job(`"${name}":4.0`))
    t.match([status, json], [400, { error: 'bad_request' }], name)
    const document = await sendText(`PUT /_replicator/${name}`, job(`"${name}":4.0`))
    t.not(document.status, 201, name)
  }
  t.equal((await sendText('POST /_replicate', job('"worker_processes":4,"since_seq":"0"'))).status, 200)
})

t.test('the port of a node that is set up', async (t) => {
  const wish = '{"action":"enable_single_node","ensure_dbs_exist":["new"],"port":5984.0}'
  t.match(said(await sendText('POST /_cluster_setup', wish)), [400, { error: 'bad_request' }])
})

t.test('a sort that is a float is shown as one', async (t) => {
  t.match(said(await sendText('POST /db/_find', '{"selector":{},"sort":[1.0]}')), [
    400,
    { error: 'invalid_sort_field', reason: 'Invalid sort field: 1.0' },
  ])
  t.match(said(await sendText('POST /db/_find', '{"selector":{},"limit":1.0}')), [
    400,
    { error: 'invalid_non_neg_integer' },
  ])
})
