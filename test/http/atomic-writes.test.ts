import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

let made = 0
async function database(...docs: object[]): Promise<string> {
  made += 1
  await send(`PUT /atomic${made}`)
  await send(`POST /atomic${made}/_bulk_docs`, { json: { docs } })
  return `/atomic${made}`
}

async function count(db: string): Promise<unknown> {
  const { doc_count, update_seq } = (await send(`GET ${db}`)).json as Record<string, unknown>
  return [doc_count, Number.parseInt(String(update_seq), 10)]
}

const whole = (docs: unknown[], more: object = {}) => ({ json: { docs, all_or_nothing: true, ...more } })

t.test('all_or_nothing writes everything', async (t) => {
  const db = await database()
  const reply = await send(`POST ${db}/_bulk_docs`, whole([{ _id: 'a' }, { _id: '_local/l' }, {}]))
  t.equal(reply.status, 201)
  t.match(reply.json, [{ ok: true, id: 'a' }, { ok: true, id: '_local/l', rev: '0-1' }, { ok: true }])
  t.same(await count(db), [2, 2])
  const rev = `1-${'a'.repeat(32)}`
  const replicated = whole([{ _id: 'a', _rev: rev }], { new_edits: false })
  t.same((await send(`POST ${db}/_bulk_docs`, replicated)).json, [])
  t.equal((await send(`GET ${db}/a?rev=${rev}`)).status, 200)
})

t.test('all_or_nothing: one conflict, and nothing is written', async (t) => {
  const db = await database({ _id: 'b', v: 1 })
  const docs = [{ _id: 'a' }, { _id: 'b', v: 2 }, { _id: 'c' }, { _id: '_local/l' }]
  const reply = await send(`POST ${db}/_bulk_docs`, whole(docs))
  const other = { error: 'not_written', reason: 'Another document of the request was refused.' }
  t.equal(reply.status, 409)
  t.same(reply.json, [
    { id: 'a', ...other },
    { id: 'b', error: 'conflict', reason: 'Document update conflict.' },
    { id: 'c', ...other },
    { id: '_local/l', ...other },
  ])
  t.same(await count(db), [1, 1])
  t.equal((await send(`GET ${db}/_local/l`)).status, 404)
  await send(`PUT ${db}/after`, { json: {} })
  t.same(await count(db), [2, 2], 'no number of the sequence was lost')
  const twice = await send(
    `POST ${db}/_bulk_docs`,
    whole([
      { _id: 'x', v: 1 },
      { _id: 'x', v: 2 },
    ]),
  )
  t.equal(twice.status, 409)
})

t.test('all_or_nothing: every invalid document is told', async (t) => {
  const db = await database()
  const docs = [{ _id: 'a' }, { _id: '_bad' }, { _id: 'c', _odd: 1 }, 5, { _id: 7 }]
  const reply = await send(`POST ${db}/_bulk_docs`, whole(docs))
  t.equal(reply.status, 400)
  t.match(reply.json, [
    { id: 'a', error: 'not_written' },
    { id: '_bad', error: 'illegal_docid' },
    { id: 'c', error: 'doc_validation' },
    { id: '', error: 'bad_request', reason: 'Document must be a JSON object' },
    { id: '', error: 'illegal_docid' },
  ])
  t.same(await count(db), [0, 0])
})

const MERGE = { 'content-type': 'application/merge-patch+json' }
const PATCH = { 'content-type': 'application/json-patch+json; charset=utf-8' }

t.test('merge patch: what it does not name keeps every byte', async (t) => {
  const db = await database()
  const body = '{"n":1.0,"big":123456789012345678901234567890,"10":"x","2":"\\u000b","o":{"a":1,"b":2}}'
  await send(`PUT ${db}/a`, { body, headers: { 'content-type': 'application/json' } })
  const reply = await send(`PATCH ${db}/a`, {
    body: '{"o":{"a":null,"c":2.50},"new":[null]}',
    headers: MERGE,
  })
  const { rev } = reply.json as { rev: string }
  t.equal(reply.status, 201)
  t.equal(reply.headers.etag, `"${rev}"`)
  t.match(rev, /^2-/)
  t.equal(
    (await send(`GET ${db}/a`)).text,
    `{"_id":"a","_rev":"${rev}","n":1.0,"big":123456789012345678901234567890,"10":"x","2":"\\u000B",` +
      `"o":{"b":2,"c":2.5},"new":[null]}\n`,
  )
  const plain = await send(`PUT ${db}/b`, { json: { v: 1 } })
  t.equal((await send(`PATCH ${db}/b`, { body: '{"_deleted":true}', headers: MERGE })).status, 200)
  t.equal((await send(`PATCH ${db}/b`, { body: '{}', headers: MERGE })).status, 404)
  t.equal(plain.status, 201)
})

t.test('attachments stay', async (t) => {
  const db = await database({ _id: 'a', _attachments: { 'x.txt': { data: 'aGVsbG8=' } } })
  t.equal((await send(`PATCH ${db}/a`, { body: '{"v":1}', headers: MERGE })).status, 201)
  t.equal((await send(`GET ${db}/a/x.txt`)).text, 'hello')
  const gone = '{"_attachments":{"x.txt":null}}'
  t.equal((await send(`PATCH ${db}/a`, { body: gone, headers: MERGE })).status, 201)
  t.equal((await send(`GET ${db}/a/x.txt`)).status, 404)
})

t.test('JSON patch', async (t) => {
  const db = await database({ _id: 'a', list: [1, 2, 3], 'x/y': { '~': 1 }, n: 1 })
  const patch = async (...operations: object[]) => {
    const reply = await send(`PATCH ${db}/a`, { body: JSON.stringify(operations), headers: PATCH })
    const { _id, _rev, ...rest } = (await send(`GET ${db}/a`)).json as Record<string, unknown>
    return { reply, status: reply.status, rest }
  }
  const first = await patch(
    { op: 'test', path: '/x~1y/~0', value: 1 },
    { op: 'add', path: '/list/-', value: 4 },
    { op: 'add', path: '/list/0', value: 0 },
    { op: 'remove', path: '/list/1' },
    { op: 'replace', path: '/n', value: 'one' },
    { op: 'move', from: '/x~1y', path: '/moved' },
    { op: 'copy', from: '/moved', path: '/copied' },
    { op: 'add', path: '/moved/~0', value: 2 },
  )
  t.equal(first.status, 201)
  t.same(first.rest, { list: [0, 2, 3, 4], n: 'one', moved: { '~': 2 }, copied: { '~': 1 } })
  for (const [operation, status] of [
    [{ op: 'test', path: '/n', value: 'two' }, 422],
    [{ op: 'remove', path: '/none' }, 422],
    [{ op: 'replace', path: '/list/4', value: 1 }, 422],
    [{ op: 'add', path: '/list/01', value: 1 }, 422],
    [{ op: 'add', path: '/none/x', value: 1 }, 422],
    [{ op: 'move', from: '/moved', path: '/moved/x' }, 422],
    [{ op: 'add', path: 'n', value: 1 }, 400],
    [{ op: 'add', path: '/n' }, 400],
    [{ op: 'fly', path: '/n' }, 400],
    [{ op: 'replace', path: '/_id', value: 'other' }, 400],
    [{ op: 'add', path: '/_odd', value: 1 }, 400],
    [{ op: 'replace', path: '', value: 5 }, 400],
  ] as const) {
    const { status: got, rest } = await patch({ op: 'add', path: '/early', value: 1 }, operation)
    t.equal(got, status, JSON.stringify(operation))
    t.same(rest, first.rest, 'nothing of it is written')
  }
})

t.test('under If-Match, and without', async (t) => {
  const db = await database({ _id: 'a', n: 0 })
  const old = ((await send(`GET ${db}/a`)).json as { _rev: string })._rev
  const once = await send(`PATCH ${db}/a`, { body: '{"n":1}', headers: { ...MERGE, 'if-match': `"${old}"` } })
  t.equal(once.status, 201)
  const again = await send(`PATCH ${db}/a`, { body: '{"n":2}', headers: { ...MERGE, 'if-match': old } })
  t.same([again.status, again.json], [409, { error: 'conflict', reason: 'Document update conflict.' }])
  const unknown = { ...MERGE, 'if-match': `1-${'0'.repeat(32)}` }
  t.equal((await send(`PATCH ${db}/a`, { body: '{}', headers: unknown })).status, 409)
  t.equal((await send(`PATCH ${db}/none`, { body: '{}', headers: MERGE })).status, 404)
  const names = Array.from({ length: 60 }, (_, n) => `m${n}`)
  const puts = Array.from({ length: 10 }, async () => {
    const { _rev } = (await send(`GET ${db}/a`)).json as { _rev: string }
    await send(`PUT ${db}/a?conflicts=x&rev=${_rev}`, { json: { put: true } })
  })
  await Promise.all(puts)
  const statuses = await Promise.all(
    names.map(async (name) => {
      const body = JSON.stringify({ [name]: 1 })
      return (await send(`PATCH ${db}/a`, { body, headers: MERGE })).status
    }),
  )
  t.same(new Set(statuses), new Set([201]))
  const final = (await send(`GET ${db}/a`)).json as object
  t.ok(
    names.every((name) => name in final),
    'no patch undoes another',
  )
})

t.test('any other content type is answered as by CouchDB', async (t) => {
  const db = await database({ _id: 'a' })
  for (const sending of [{ json: {} }, {}]) {
    const reply = await send(`PATCH ${db}/a`, sending)
    t.same([reply.status, reply.headers.allow], [405, 'DELETE,GET,HEAD,POST,PUT,COPY'])
  }
})

t.test('patches of one document at the same time, beside other writers, and with data', async (t) => {
  const db = await database({ _id: 'a', put: 0, _attachments: { kept: { data: 'aGVsbG8=' } } })
  const patches = Array.from({ length: 200 }, async (_, n) => {
    const data = { _attachments: { [`f${n}`]: { data: Buffer.from(`data ${n}`).toString('base64') } } }
    const body = JSON.stringify({ [`m${n}`]: n, ...(n % 10 === 0 ? data : {}) })
    return (await send(`PATCH ${db}/a`, { body, headers: MERGE })).status
  })
  let puts = 0
  const putter = (async () => {
    for (let n = 1; n <= 20; n++) {
      const document = (await send(`GET ${db}/a`)).json as object
      if ((await send(`PUT ${db}/a`, { json: { ...document, put: n } })).status === 201) puts += 1
    }
  })()
  t.same(new Set(await Promise.all(patches)), new Set([201]))
  await putter
  const final = (await send(`GET ${db}/a`)).json as { _rev: string; _attachments: Record<string, object> }
  const wanted = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`m${n}`, n]))
  t.match(final, wanted)
  t.equal(Number.parseInt(final._rev, 10), 1 + 200 + puts, 'each was written once')
  t.equal(Object.keys(final._attachments).length, 21)
  t.equal((await send(`GET ${db}/a/f190`)).text, 'data 190')
  t.equal((await send(`GET ${db}/a/kept`)).text, 'hello')
})
