/** Attachments: how their bytes are packed, what stands for one, and ranges of them. */
import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { type GatewayRequest, GatewayServer } from '../support/gateway-server.ts'

const server = await GatewayServer.start(t.testdir(), { databases: { db: {} } })
t.teardown(() => server.stop())
const AS = { as: 'ann:letann' }
const ask = (line: string, request: GatewayRequest = {}) => server.ask(line, { ...AS, ...request })
const PLAIN = 'Hello attachment'
const PACKED = gzipSync(PLAIN)
const put = (id: string, _attachments: unknown, more: object = {}) =>
  ask(`PUT /db/${id}`, { body: { channels: 'red', _attachments, ...more } })

t.before(() => server.admin('PUT /db/_user/ann', { body: { password: 'letann', admin_channels: ['red'] } }))

t.test('packed by the client', async (t) => {
  const given = { content_type: 'text/plain', encoding: 'gzip', length: PLAIN.length }
  const { json } = await put('packed', { a: { ...given, data: PACKED.toString('base64') } })
  const next = await put('packed', { a: { stub: true, revpos: 1 } }, { _rev: json.rev, n: 2 })
  t.equal(next.status, 201)
  const wanted = { ...given, encoded_length: PACKED.length, revpos: 1, stub: true }
  t.match((await ask('GET /db/packed')).json._attachments.a, wanted, 'is told so, also of a stub')
  const read = await fetch(`${server.publicUrl}/db/packed/a`, {
    headers: { authorization: `Basic ${Buffer.from('ann:letann').toString('base64')}` },
  })
  t.same([read.headers.get('content-encoding'), await read.text()], ['gzip', PLAIN])
  const raw = await ask('GET /db/packed/a?content_encoding=false')
  t.same(
    ['content-encoding', 'x-content-encoding', 'content-type'].map((name) => raw.headers.get(name)),
    [null, 'gzip', 'application/gzip'],
  )
  const { data } = (await ask('GET /db/packed?attachments=true')).json._attachments.a
  t.equal(gunzipSync(Buffer.from(data, 'base64')).toString(), PLAIN)
  await put('odd', { a: { encoding: 'a\r\nb', data: PACKED.toString('base64') } })
  t.equal((await ask('GET /db/odd/a')).headers.get('content-encoding'), null, 'in a word that is none')
})

t.test('packed on the way', async (t) => {
  const headers = { 'content-encoding': 'gzip', 'content-type': 'text/plain' }
  const text = new Uint8Array(PACKED)
  t.equal((await ask('PUT /db/way/a', { text, headers })).status, 201)
  t.equal((await server.admin('GET /db/way/a')).text, PLAIN)
  const broken = new Uint8Array(Buffer.concat([PACKED.subarray(0, 12), Buffer.alloc(100, 'x')]))
  t.match(await ask('PUT /db/broken/a', { text: broken, headers }), { status: 400 })
  const parts = [
    '--b\r\ncontent-type: application/json\r\n\r\n',
    '{"channels":"red","_attachments":{"f":{"follows":true,"digest":"sha1-qvTGHdzF6KLavt4PO0gs2a6pQ00="}}}',
    '\r\n--b\r\n\r\nhello\r\n--b--',
  ]
  const related = { 'content-encoding': 'gzip', 'content-type': 'multipart/related; boundary=b' }
  const whole = new Uint8Array(gzipSync(parts.join('')))
  t.equal((await ask('PUT /db/related', { text: whole, headers: related })).status, 201)
  t.equal((await ask('GET /db/related/f')).text, 'hello')
})

t.test('packed on the way, and a thousand times as long', async (t) => {
  const limits = {
    DAVENPORT_COUCHDB__MAX_ATTACHMENT_SIZE: '100000',
    DAVENPORT_DAVENPORT__MAX_JSON_SIZE: '100000',
  }
  const small = await GatewayServer.start(t.testdir(), { databases: { db: {} } }, limits)
  t.teardown(() => small.stop())
  const long = (text: string) => new Uint8Array(gzipSync(text + ' '.repeat(10_000_000)))
  const put = (path: string, type: string, text: string) =>
    small.admin(`PUT ${path}`, {
      text: long(text),
      headers: { 'content-encoding': 'gzip', 'content-type': type },
    })
  for (const begin of ['--b\r\ncontent-type: application/json\r\n\r\n{}', ''])
    t.equal((await put('/db/long', 'multipart/related; boundary=b', begin)).status, 413)
  t.equal((await put('/db/long/a', 'text/plain', '')).status, 413)
  t.equal((await small.admin('GET /db/long')).status, 404)
})

t.test('what stands for one', async (t) => {
  const missing = (what: string) => ({ status: 400, json: { reason: what } })
  for (const given of [{}, { content_type: 'text/plain' }, { follows: true }, { data: null }])
    t.match(await put('no', { x: given }), missing('Missing data of attachment "x"'))
  for (const revpos of [undefined, 0, 'a', null])
    t.match(
      await put('no', { x: { stub: true, digest: 'd', revpos } }),
      missing('Missing/invalid revpos in stub attachment "x"'),
    )
  for (const [data, type] of [
    [5, 'float64'],
    [true, 'bool'],
    [{}, 'map[string]interface {}'],
    [[], '[]interface {}'],
  ])
    t.match(await put('no', { x: { data } }), missing(`invalid attachment data (type ${type})`))
  t.equal((await put('none', null)).status, 201)
  await put('there', {})
  t.equal((await put('there', { x: {} })).status, 409, 'a conflict comes first')
  const redacted = { _id: 'there', _removed: true }
  t.match(await ask('PUT /db/gone', { body: redacted }), {
    status: 404,
    json: { reason: 'Document revision is not accessible' },
  })
})

t.test('ranges', async (t) => {
  await put('ranges', { ten: { data: Buffer.from('0123456789').toString('base64') }, none: { data: '' } })
  for (const [range, status, text] of [
    ['bytes=5-6', 206, '56'],
    ['bytes=-3', 206, '789'],
    ['bytes=0-9', 200, '0123456789'],
    ['bytes=-50', 200, '0123456789'],
    ['bytes=50-40', 200, '0123456789'],
    ['bytes=-0', 416, undefined],
    ['bytes=10-', 416, undefined],
  ] as const) {
    const answer = await ask('GET /db/ranges/ten', { headers: { range } })
    t.equal(answer.status, status, range)
    if (text !== undefined) t.equal(answer.text, text, range)
  }
  t.equal((await ask('GET /db/ranges/none', { headers: { range: 'bytes=-5' } })).status, 200)
})

t.test('come with open_revs, whether asked for or not', async (t) => {
  const { json } = await put('open', { a: { data: Buffer.from(PLAIN).toString('base64') } })
  const { rev } = json
  for (const revs of ['all', `["${rev}"]`]) {
    const [{ ok }] = (await ask(`GET /db/open?open_revs=${revs}`)).json
    t.equal(Buffer.from(ok._attachments.a.data, 'base64').toString(), PLAIN, revs)
  }
  const mixed = await ask('GET /db/open?open_revs=all', { headers: { accept: 'multipart/mixed' } })
  t.match(mixed.text, `X-Rev-ID: ${rev}`)
})

t.test('a stub of a revision that a compaction has taken away', async (t) => {
  const data = (text: string) => ({ data: Buffer.from(text).toString('base64') })
  const push = (ids: string[], _attachments: unknown) =>
    ask('PUT /db/branched?new_edits=false', {
      body: { channels: 'red', _attachments, _revisions: { start: ids.length, ids } },
    })
  await push(['a'], { old: data('old'), swapped: data('first') })
  await push(['b', 'a'], { old: { stub: true, revpos: 1 }, swapped: { stub: true, revpos: 1 } })
  await push(['c', 'b', 'a'], { old: { stub: true, revpos: 1 }, swapped: data('second') })
  await server.admin('POST /db/_compact')
  while ((await ask('GET /db/branched?rev=2-b')).status !== 404) await new Promise((r) => setTimeout(r, 20))
  const stub = { old: { stub: true, revpos: 1 } }
  t.equal((await push(['d', 'b', 'a'], stub)).status, 201, 'is that of the leaf that came of it')
  t.equal((await ask('GET /db/branched/old?rev=3-d')).text, 'old')
  const swapped = { swapped: { stub: true, revpos: 1, digest: 'sha1-none' } }
  t.equal((await push(['e', 'b', 'a'], swapped)).status, 400, 'but not what it has got since')
  const other = { old: { stub: true, revpos: 1, digest: 'sha1-none' } }
  t.equal((await push(['f', 'b', 'a'], other)).status, 400, 'nor another content')
  await server.admin('PUT /db/_user/bob', { body: { password: 'letbob', admin_channels: ['blue'] } })
  const bob = await server.ask('PUT /db/branched?new_edits=false', {
    as: 'bob:letbob',
    body: { channels: 'blue', _attachments: stub, _revisions: { start: 3, ids: ['g', 'b', 'a'] } },
  })
  t.equal(bob.status, 400, 'nor for who may not read it')
})
