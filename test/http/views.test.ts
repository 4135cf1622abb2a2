/** What views answer over real sockets, in one thread and in several. */
import t, { type Test } from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

type Send = (line: string, sending?: Sending) => Promise<Reply>

interface Listing {
  total_rows?: number
  offset?: number
  rows: { id?: string; key: unknown; value: unknown; doc?: unknown }[]
}

const KINDS = `function (doc) { if (doc.kind) emit(doc.kind, doc.n) }`
const DESIGN = {
  views: {
    kind: { map: KINDS },
    sum: {
      map: `function (doc) { if (doc.kind) emit([doc.kind, doc.n % 2, doc.n], doc.n) }`,
      reduce: '_sum',
    },
    most: { map: KINDS, reduce: 'function (keys, values) { return Math.max.apply(null, values) }' },
    twice: { map: 'function (doc) { for (var i = 0; i < 4; i++) emit(doc.kind === "apple" ? 1 : 2, i) }' },
    link: { map: 'function (doc) { if (doc.link) emit(doc._id, doc.link) }' },
    objects: { map: 'function (doc) { if (doc.o) emit(doc.o, null) }' },
  },
}
const DOCUMENTS = [
  { _id: 'd01', kind: 'apple', n: 1 },
  { _id: 'd02', kind: 'apple', n: 2 },
  { _id: 'd03', kind: 'banana', n: 3 },
  { _id: 'd04', kind: 'cherry', n: 4 },
  { _id: 'd05', kind: 'cherry', n: 5 },
]

t.setTimeout(300_000)

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    const send: Send = (line, sending) => ask(server, line, sending)
    await ranges(t, send)
    await documents(t, send)
    await severalQueries(t, send)
    await partitions(t, send)
    await upkeep(t, send)
    await beforeSwitch(t, send)
    if (threads === 0) await givenBack(t, server, send)
  })
}

async function filled(send: Send, name: string, docs: readonly object[] = DOCUMENTS): Promise<void> {
  await send(`PUT /${name}`)
  await send(`POST /${name}/_bulk_docs`, { json: { docs } })
  await send(`PUT /${name}/_design/f`, { json: DESIGN })
}

function ids({ json }: Reply): (string | undefined)[] {
  return (json as Listing).rows.map(({ id }) => id)
}

async function ranges(t: Test, send: Send): Promise<void> {
  await filled(send, 'ranges')
  const view = (query: string, sending?: Sending): Promise<Reply> =>
    send(`${sending === undefined ? 'GET' : 'POST'} /ranges/_design/f/_view/${query}`, sending)

  t.test('offsets count rows before the first, those that are skipped too', async (t) => {
    for (const [query, offset, expected] of [
      ['kind', 0, ['d01', 'd02', 'd03', 'd04', 'd05']],
      ['kind?key="banana"', 2, ['d03']],
      ['kind?key="blueberry"', 3, []],
      ['kind?key="aaa"', 0, []],
      ['kind?startkey="banana"&skip=1&limit=1', 3, ['d04']],
      ['kind?startkey="banana"&skip=9', 5, []],
      ['kind?descending=true&startkey="banana"', 2, ['d03', 'd02', 'd01']],
      ['kind?descending=true&endkey="cherry"&inclusive_end=false', 0, []],
      ['kind?keys=["cherry","apple"]', 3, ['d04', 'd05', 'd01', 'd02']],
      ['kind?keys=["cherry","apple"]&descending=true', 3, ['d02', 'd01', 'd05', 'd04']],
      ['kind?keys=["none","cherry"]&skip=1', 4, ['d05']],
      ['kind?keys=["cherry","banana","cherry"]&skip=2', 5, ['d03', 'd04', 'd05']],
      ['kind?keys=["zz","aa"]', 0, []],
      ['kind?keys=["aa","zz"]', 5, []],
      ['kind?keys=[]', 0, []],
      ['kind?keys=["apple","cherry"]&inclusive_end=false', 3, []],
      ['kind?keys=["apple","cherry"]&startkey_docid=d02', 1, ['d02', 'd04', 'd05']],
      ['kind?key="apple"&startkey_docid=d02', 1, ['d02']],
      ['kind?key="apple"&endkey_docid=d01', 0, ['d01']],
      ['kind?endkey="cherry"&endkey_docid=&inclusive_end=false', 0, ['d01', 'd02', 'd03', 'd04', 'd05']],
      ['kind?descending=true&startkey="cherry"&startkey_docid=d04', 1, ['d04', 'd03', 'd02', 'd01']],
    ] as const) {
      const reply = await view(query)
      const { total_rows, offset: got } = reply.json as Listing
      t.same([total_rows, got, ids(reply)], [5, offset, expected], query)
    }
  })

  t.test('rows of one key and document are in one order in both directions', async (t) => {
    const values = async (query: string): Promise<string[]> =>
      ((await view(`twice?${query}`)).json as Listing).rows.map(({ id, value }) => `${id}:${value}`)
    const forwards = await values('')
    t.equal(forwards.length, 20)
    const documents = new Map<string, string[]>()
    for (const row of forwards) {
      const [id] = row.split(':') as [string]
      documents.set(id, [...(documents.get(id) ?? []), row])
    }
    const backwards = [...documents.values()].reverse().flat()
    t.same(await values('descending=true'), backwards)
    for (let skip = 0; skip < 20; skip++) {
      t.same(await values(`descending=true&skip=${skip}&limit=5`), backwards.slice(skip, skip + 5), `${skip}`)
      t.same(await values(`skip=${skip}&limit=5`), forwards.slice(skip, skip + 5), `${skip}`)
    }
  })

  t.test('what is said later counts, the query string more than a body', async (t) => {
    t.same(ids(await view('kind?startkey="b"&key="apple"')), ['d01', 'd02'])
    t.same(ids(await view('kind?limit=1', { json: { limit: 2, descending: true } })), ['d05'])
    t.same(ids(await view('kind?key="banana"', { json: { keys: ['apple'] } })), ['d03'])
    t.same(ids(await view('kind', { json: { keys: ['apple'], startkey: 'a', endkey: 'b' } })), ['d01', 'd02'])
  })

  t.test('objects are compared as they are written, in a body too', async (t) => {
    await send('PUT /ranges/o', {
      body: '{"o":{"b":1,"1":2}}',
      headers: { 'content-type': 'application/json' },
    })
    const asked = { headers: { 'content-type': 'application/json' } }
    for (const body of [
      '{"key":{"b":1,"1":2}}',
      '{"keys":[{"b":1,"1":2}]}',
      '{"keys":[{"b":1,"1":2},3]}',
      '{"startkey":{"b":1},"endkey":{"b":1,"1":3}}',
    ]) {
      const reply = await view('objects', { ...asked, body })
      // The sandbox has names that are numbers first, as every engine.
      t.equal(reply.status, 200, body)
    }
    t.same(ids(await view('objects', { ...asked, body: '{"key":{"1":2,"b":1}}' })), ['o'])
  })

  t.test('groups', async (t) => {
    const groups = async (query: string): Promise<unknown[]> =>
      ((await view(query)).json as Listing).rows.map(({ key, value }) => [key, value])
    t.same(await groups('sum'), [[null, 15]])
    t.same(await groups('sum?group_level=1&skip=1'), [
      [['banana'], 3],
      [['cherry'], 9],
    ])
    t.same(await groups('most?group=true&descending=true&limit=2'), [
      ['cherry', 5],
      ['banana', 3],
    ])
    t.same(await groups('most?group=true&keys=["cherry","none","apple"]&descending=true'), [
      ['cherry', 5],
      ['apple', 2],
    ])
    t.same(await groups('most?startkey="x"'), [])
    t.same(await groups('sum?limit=0'), [])
    t.equal((await view('sum?update_seq=true')).text.startsWith('{"update_seq":"'), true)
  })

  t.test('what makes no sense', async (t) => {
    const bad = 'query_parse_error'
    const order = 'No rows can match your key range, reverse your start_key and end_key or set descending='
    for (const [query, reason] of [
      ['sum?keys=[1,2]', 'Multi-key fetches for reduce views must use `group=true`'],
      ['sum?keys=[1,2]&group_level=2&group=true', 'Multi-key fetches for reduce views must use `group=true`'],
      ['sum?keys=[]', 'Multi-key fetches for reduce views must use `group=true`'],
      ['kind?keys=1', '`keys` must be an array of strings.'],
      ['kind?keys=[1,2]&key=1', '`keys` is incompatible with `key`, `start_key` and `end_key`'],
      ['sum?conflicts=false', '`conflicts` is invalid for reduce views.'],
      ['sum?group_level=x', 'Invalid value for integer: "x"'],
      ['kind?descending=true&startkey=1&endkey=2', `${order}false`],
      ['kind?startkey=2&endkey=1', `${order}true`],
      ['kind?startkey=[1]&endkey=[1.0]&startkey_docid=b&endkey_docid=a', `${order}true`],
      ['kind?partition=x', '`partition` parameter is not supported in this design doc'],
      ['kind?limit=268435457', 'Limit is too large, must not exceed 268435456'],
      ['kind?sorted=maybe', 'Invalid boolean parameter: "maybe"'],
      ['kind?build_before_switch=1', 'Invalid boolean parameter: "1"'],
    ] as const) {
      const { status, json } = await view(query)
      t.match([status, json], [400, { error: bad, reason }], query)
    }
    const several = await view('kind/queries', {
      json: { queries: [{ limit: 1 }, { startkey: 2, endkey: 1 }] },
    })
    t.match([several.status, several.json], [400, { error: bad }], 'nothing is answered of the others')
    t.equal((await view('kind/more')).status, 405)
    t.equal((await view('none/queries', { json: { queries: [{ limit: 'x' }] } })).status, 404)
  })

  t.test('a view that only reads its head', async (t) => {
    const reply = await send('HEAD /ranges/_design/f/_view/kind')
    t.same([reply.status, reply.text, reply.headers.etag], [200, '', undefined])
  })
}

async function documents(t: Test, send: Send): Promise<void> {
  const data = Buffer.from('some bytes').toString('base64')
  const attached = { _attachments: { a: { content_type: 'text/plain', data } } }
  await filled(send, 'linked', [
    { _id: 'a', name: 'Ann', ...attached },
    { _id: 'own', link: { other: 1 }, ...attached },
    { _id: 'to', link: { _id: 'a' } },
    { _id: 'nowhere', link: { _id: 'b' } },
    { _id: 'null', link: { _id: null } },
    { _id: 'odd', link: { _id: ['a'] } },
    { _id: 'deep', link: { deep: { _id: 'a' } } },
    { _id: 'rev', link: { _id: 'a', _rev: 'no revision' } },
    { _id: 'quoted', link: '{"_id":"a"}' },
  ])
  const docs = async (query: string): Promise<Record<string, unknown>> => {
    const { json } = await send(`GET /linked/_design/f/_view/link?include_docs=true&${query}`)
    return Object.fromEntries((json as Listing).rows.map(({ id, doc }) => [id, doc]))
  }

  t.test('documents are the rows own, or those that their values name', async (t) => {
    const found = await docs('')
    const shown = Object.entries(found).map(([id, doc]) => [id, doc && (doc as { _id: string })._id])
    t.strictSame(Object.fromEntries(shown), {
      own: 'own',
      to: 'a',
      nowhere: null,
      null: null,
      odd: null,
      deep: 'deep',
      rev: null,
      quoted: 'quoted',
    })
    t.match(found['own'], { _attachments: { a: { stub: true } } })
    const whole = await docs('attachments=true')
    t.match(whole['own'], { _attachments: { a: { data } } })
    t.match(whole['to'], { _attachments: { a: { stub: true } } }, 'as in CouchDB')
  })

  t.test('a document that has gone since the index was built is none', async (t) => {
    const { json } = await send('GET /linked/own')
    await send(`DELETE /linked/own?rev=${(json as { _rev: string })._rev}`)
    t.equal((await docs('update=false'))['own'], null)
    t.notOk('own' in (await docs('')))
  })
}

async function severalQueries(t: Test, send: Send): Promise<void> {
  await filled(send, 'several')
  t.test('queries refine what the query string says, but for keys and groups', async (t) => {
    const { json } = await send('POST /several/_design/f/_view/sum/queries?limit=2&group=true&keys=[1,2]', {
      json: { queries: [{}, { group: true }, { reduce: false, limit: 1 }, { keys: [['apple', 1, 1]] }] },
    })
    t.same(
      (json as { results: Listing[] }).results.map(({ rows }) => rows.map(({ value }) => value)),
      [[15], [2, 1], [2], [1]],
    )
    const none = await send('POST /several/_design/f/_view/sum/queries', { json: { queries: [] } })
    t.same(none.json, { results: [] })
  })

  t.test('rows are as new as was asked for', async (t) => {
    const count = async (query: string): Promise<number> => {
      const { json } = await send(`GET /several/_design/f/_view/kind?limit=0&${query}`)
      return (json as Listing).total_rows!
    }
    t.equal(await count(''), 5)
    await send('PUT /several/new', { json: { kind: 'date' } })
    t.equal(await count('update=false'), 5)
    t.equal(await count('stale=ok'), 5)
    t.equal(await count('update=true'), 6)
  })

  t.test('a map that cannot go on says why, each time', async (t) => {
    await send('PUT /several/_design/bad', {
      json: { views: { v: { map: 'function (doc) { throw ["fatal", "bad_thing", "it broke"] }' } } },
    })
    for (let times = 0; times < 2; times++) {
      const { status, json } = await send('GET /several/_design/bad/_view/v')
      t.match([status, json], [500, { error: 'bad_thing', reason: 'it broke', ref: Number }])
    }
  })
}

async function partitions(t: Test, send: Send): Promise<void> {
  await send('PUT /parts?partitioned=true')
  const names = ['blue:1', 'blue:2', 'red:1', 'red:2', 'red:3', 'reda:1']
  await send('POST /parts/_bulk_docs', {
    json: { docs: names.map((_id, n) => ({ _id, kind: `k${n % 2}`, n })) },
  })
  await send('PUT /parts/_design/f', { json: DESIGN })
  await send('PUT /parts/_design/all', { json: { ...DESIGN, options: { partitioned: false } } })
  t.test('views of partitions', async (t) => {
    const view = (query: string, partition = 'red'): Promise<Reply> =>
      send(`GET /parts/_partition/${partition}/_design/f/_view/${query}`)
    t.same(ids(await view('kind')), ['red:1', 'red:3', 'red:2'])
    t.same(ids(await view('kind?descending=true')), ['red:2', 'red:3', 'red:1'])
    t.same(ids(await view('kind?key="k0"')), ['red:1', 'red:3'])
    t.same(ids(await view('kind?keys=["k1","k0"]')), ['red:2', 'red:1', 'red:3'])
    t.same(ids(await view('kind?startkey="k1"', 'none')), [])
    t.match((await view('kind?skip=2')).json, { total_rows: 6, offset: 4 })
    t.same(((await view('sum')).json as Listing).rows, [{ key: null, value: 9 }])
    t.same(ids(await send('GET /parts/_design/f/_view/kind?partition=blue')), ['blue:1', 'blue:2'])
    t.equal(ids(await send('GET /parts/_design/all/_view/kind')).length, 6)
    const posted = await send('POST /parts/_partition/red/_design/f/_view/kind', {
      json: { keys: ['k1', 'x'] },
    })
    t.same(ids(posted), ['red:2'])
    for (const [line, status] of [
      ['GET /parts/_partition/red/_design/f/_view/kind?partition=blue', 400],
      ['GET /parts/_partition/red/_design/f', 404],
      ['GET /parts/_partition/red/_design/none/_view/x', 404],
    ] as const) {
      t.equal((await send(line)).status, status, line)
    }
  })
}

async function upkeep(t: Test, send: Send): Promise<void> {
  await filled(send, 'kept')
  t.test('an index is told of, compacted and cleaned up', async (t) => {
    const info = async (): Promise<{
      update_seq: number
      updates_pending: { total: number }
      signature: string
    }> => ((await send('GET /kept/_design/f/_info')).json as { view_index: never }).view_index
    const { update_seq, updates_pending } = await info()
    t.equal(update_seq + updates_pending.total, 6, 'it may have been built unasked')
    await send('GET /kept/_design/f/_view/kind')
    const built = await info()
    t.match(built, { update_seq: 6, updates_pending: { total: 0 } })
    await send('PUT /kept/_design/other', {
      json: { views: { renamed: DESIGN.views.kind, ...DESIGN.views } },
    })
    const shared = (
      (await send('GET /kept/_design/other/_info')).json as { view_index: { signature: string } }
    ).view_index
    t.equal(shared.signature, built.signature, 'views that only differ in names share an index')
    const headers = { 'content-type': 'application/json' }
    t.equal((await send('POST /kept/_compact/f', { headers })).status, 202)
    t.equal((await send('POST /kept/_compact/none', { headers })).status, 404)
    t.equal((await send('POST /kept/_view_cleanup', { headers })).status, 202)
    t.match(await info(), { update_seq: 6 }, 'what a design document has stays')
    const { _rev } = (await send('GET /kept/_design/f')).json as { _rev: string }
    await send('PUT /kept/_design/f', { json: { _rev, views: { kind: DESIGN.views.kind } } })
    await send(`DELETE /kept/_design/other?rev=${await revOf('/kept/_design/other')}`)
    t.equal((await send('POST /kept/_view_cleanup', { headers })).status, 202)
    await send('PUT /kept/_design/again', { json: DESIGN })
    const again = (await send('GET /kept/_design/again/_info')).json
    t.match(again, { view_index: { update_seq: 0 } }, 'what none has goes')
  })

  t.test('an index of Mango is told of, and stays', async (t) => {
    await send('POST /kept/_index', { json: { index: { fields: ['n'] }, ddoc: 'm', name: 'n' } })
    await send('POST /kept/_find', { json: { selector: { n: 3 } } })
    const seq = async (): Promise<number> => {
      const { json } = await send('GET /kept/_design/m/_info')
      return (json as { view_index: { update_seq: number } }).view_index.update_seq
    }
    const built = await seq()
    t.ok(built > 0)
    const headers = { 'content-type': 'application/json' }
    t.equal((await send('POST /kept/_compact/m', { headers })).status, 202)
    t.equal((await send('POST /kept/_view_cleanup', { headers })).status, 202)
    t.equal(await seq(), built)
  })

  async function revOf(path: string): Promise<string> {
    return ((await send(`GET ${path}`)).json as { _rev: string })._rev
  }
}

async function beforeSwitch(t: Test, send: Send): Promise<void> {
  const docs = Array.from({ length: 1200 }, (_, n) => ({ _id: `d${n}`, kind: 'apple', n }))
  await filled(send, 'switched', docs)
  t.test('a changed design document goes on answering from the old index', async (t) => {
    await send('GET /switched/_design/f/_view/kind?limit=0')
    const { _rev } = (await send('GET /switched/_design/f')).json as { _rev: string }
    const changed = { _rev, views: { kind: { map: 'function (doc) { emit("new", doc.n) }' } } }
    await send('PUT /switched/_design/f', { json: changed })
    const first = async (query: string): Promise<unknown> => {
      const { json } = await send(`GET /switched/_design/f/_view/kind?limit=1&${query}`)
      return (json as Listing).rows[0]?.key
    }
    t.equal(await first('build_before_switch=true'), 'apple')
    t.equal(await first(''), 'new')
    t.equal(await first('build_before_switch=true'), 'new', 'once it is built')
  })
}

async function givenBack(t: Test, { server }: TestServer, send: Send): Promise<void> {
  await filled(send, 'held')
  t.test('an index is given back by every answer, read or not', async (t) => {
    let open = 0
    const { indexes } = server
    const real = indexes.open.bind(indexes)
    t.teardown(() => {
      indexes.open = real
    })
    indexes.open = async (...asked) => {
      const snapshot = await real(...asked)
      open += 1
      return {
        updateSeq: snapshot.updateSeq,
        sequence: snapshot.sequence,
        purgeSeq: snapshot.purgeSeq,
        trees: snapshot.trees,
        close() {
          open -= 1
          snapshot.close()
        },
      }
    }
    for (const line of [
      'GET /held/_design/f/_view/kind',
      'GET /held/_design/f/_view/sum?group=true',
      'HEAD /held/_design/f/_view/kind',
      'HEAD /held/_design/f/_view/sum',
      'POST /held/_design/f/_view/kind/queries',
      'GET /held/_design/f/_view/kind?include_docs=true',
    ]) {
      const json = line.startsWith('POST') ? { queries: [{}, { reduce: false }] } : undefined
      t.equal((await send(line, json === undefined ? {} : { json })).status, 200, line)
      t.equal(open, 0, line)
    }
  })
}

t.test('rows of one key and document stand in the order of their values as terms, either way', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const values = [
    '"b"',
    '"a"',
    '[null]',
    'null',
    '{"x":1}',
    'true',
    '3',
    '[1,2]',
    '2.5',
    '{"a":1}',
    '[]',
    '"B"',
  ]
  const map = `function (doc) { ${values.map((value) => `emit(1, ${value});`).join(' ')} emit(doc.n); emit(0, 1) }`
  await ask(server, 'PUT /db/_design/d', { json: { views: { v: { map } } } })
  await ask(server, 'POST /db/_bulk_docs', { json: { docs: [{ _id: 'x', n: 2 }] } })
  const rowsOf = async (query: string): Promise<string[]> => {
    const { rows } = (await ask(server, `GET /db/_design/d/_view/v?${query}`)).json as {
      rows: { value: unknown }[]
    }
    return rows.map(({ value }) => JSON.stringify(value))
  }
  const terms = [
    '2.5',
    '3',
    'null',
    'true',
    '{"a":1}',
    '{"x":1}',
    '[]',
    '[1,2]',
    '[null]',
    '"B"',
    '"a"',
    '"b"',
  ]
  t.same(await rowsOf(''), ['1', ...terms, 'null'])
  t.same(await rowsOf('descending=true'), ['null', ...terms, '1'])
  t.same(await rowsOf('descending=true&skip=2&limit=2'), terms.slice(1, 3))
  await ask(server, 'POST /db/_bulk_docs', { json: { docs: [{ _id: 'x', n: 1 }] } })
  t.same(await rowsOf('key=2'), ['null'], 'a write that was refused')
  const { json } = await ask(server, 'GET /db/x')
  await ask(server, 'PUT /db/x', { json: { ...(json as object), n: 1 } })
  t.same(await rowsOf('key=1'), [...terms.slice(0, 2), 'null', ...terms.slice(2)])
})
