import nano from 'nano'
import t from 'tap'
import { failure } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const couch = nano(server.url)

interface Item {
  n: number
  _id?: string
  _rev?: string
  text?: string
}

let made = 0
async function database(): Promise<nano.DocumentScope<Item>> {
  made += 1
  await couch.db.create(`nano${made}`)
  return couch.use<Item>(`nano${made}`)
}

t.test('databases', async (t) => {
  await couch.db.create('life')
  t.match(await couch.db.get('life'), { db_name: 'life', doc_count: 0, doc_del_count: 0 })
  t.ok((await couch.db.list()).includes('life'))
  await t.rejects(couch.db.create('life'), failure({ statusCode: 412, error: 'file_exists' }))
  await couch.db.destroy('life')
  await t.rejects(couch.db.get('life'), failure({ statusCode: 404, reason: 'Database does not exist.' }))
  await t.rejects(couch.db.create('Bad'), failure({ statusCode: 400, error: 'illegal_database_name' }))
})

t.test('documents', async (t) => {
  const db = await database()
  const first = await db.insert({ n: 1 }, 'a/b c+d')
  t.match(first, { ok: true, id: 'a/b c+d', rev: /^1-/ })
  t.match(await db.get('a/b c+d'), { n: 1 })
  t.match(await db.head('a/b c+d'), { etag: `"${first.rev}"` })
  await t.rejects(db.insert({ n: 2 }, 'a/b c+d'), failure({ statusCode: 409, error: 'conflict' }))
  const second = await db.insert({ n: 2, _id: 'a/b c+d', _rev: first.rev })
  t.match(await db.get('a/b c+d', { revs_info: true }), { _revs_info: [{}, {}] })
  const unnamed = await db.insert({ n: 3 })
  t.match(unnamed.id, /^[0-9a-f]{32}$/)
  await db.destroy('a/b c+d', second.rev)
  await t.rejects(db.get('a/b c+d'), failure({ statusCode: 404, reason: 'deleted' }))
})

t.test('bulk and list', async (t) => {
  const db = await database()
  const docs = Array.from({ length: 500 }, (_, n) => ({ _id: `k${String(n).padStart(3, '0')}`, n }))
  const results = await db.bulk({ docs })
  t.equal(results.length, 500)
  t.ok(results.every(({ rev }) => rev?.startsWith('1-')))
  const again = await db.bulk({ docs: [{ _id: 'k000', n: 0 }] })
  t.match(again, [{ id: 'k000', error: 'conflict' }])
  const list = await db.list({ startkey: 'k010', limit: 3, include_docs: true })
  t.match(list, {
    total_rows: 500,
    offset: 10,
    rows: [{ doc: { n: 10 } }, { doc: { n: 11 } }, { doc: { n: 12 } }],
  })
  const fetched = await db.fetch({ keys: ['k001', 'none'] })
  t.match(fetched.rows, [{ doc: { n: 1 } }, { key: 'none', error: 'not_found' }])
  const last = await db.list({ descending: true, limit: 1 })
  t.match(last.rows, [{ id: 'k499' }])
})

t.test('changes', async (t) => {
  const db = await database()
  await db.bulk({
    docs: [
      { _id: 'a', n: 1 },
      { _id: 'b', n: 2 },
    ],
  })
  const all = await db.changes()
  t.same(
    all.results.map(({ id }) => id),
    ['a', 'b'],
  )
  await db.insert({ n: 3 }, 'c')
  const since = await db.changes({ since: all.last_seq })
  t.same(
    since.results.map(({ id }) => id),
    ['c'],
  )
  t.match(await db.changes({ limit: 1, include_docs: true } as nano.DatabaseChangesParams), {
    results: [{ id: 'a', doc: { n: 1 } }],
    pending: 2,
  })
})

t.test('sessions', async (t) => {
  const answer = await couch.auth('admin', 'secret')
  t.match(answer, { ok: true, name: 'admin', roles: ['_admin'] })
  t.match(await couch.session(), { userCtx: { name: 'admin' } })
  await t.rejects(couch.auth('admin', 'wrong'), failure({ statusCode: 401 }))
})

t.test('uuids and the welcome', async (t) => {
  t.match(await couch.uuids(3), { uuids: [/^[0-9a-f]{32}$/, /^[0-9a-f]{32}$/, /^[0-9a-f]{32}$/] })
  t.match(await couch.info(), { couchdb: 'Welcome', version: /^3\./ })
})

t.test('views', async (t) => {
  const db = await database()
  const list = `function (head, req) {
    start({ headers: { 'content-type': 'text/plain' } })
    var row
    while (row = getRow()) send(row.key + ' ')
    return String(head.total_rows)
  }`
  const design = {
    views: {
      byNumber: { map: 'function (doc) { emit(doc.n, doc.text) }' },
      total: { map: 'function (doc) { emit(doc.n % 2, doc.n) }', reduce: '_sum' },
    },
    lists: { numbers: list },
  }
  await db.bulk({ docs: [1, 2, 3, 4].map((n) => ({ _id: `d${n}`, n, text: `t${n}` })) })
  await db.insert(design as unknown as Item, '_design/app')
  const all = await db.view<string>('app', 'byNumber')
  t.match(all, { total_rows: 4, offset: 0 })
  t.same(
    all.rows.map(({ id, key, value }) => [id, key, value]),
    [1, 2, 3, 4].map((n) => [`d${n}`, n, `t${n}`]),
  )
  const some = await db.view('app', 'byNumber', { keys: [3, 1], include_docs: true })
  t.match(
    some.rows.map(({ doc }) => doc),
    [{ n: 3 }, { n: 1 }],
  )
  const groups = await db.view('app', 'total', { group: true })
  t.same(
    groups.rows.map(({ key, value }) => [key, value]),
    [
      [0, 6],
      [1, 4],
    ],
  )
  t.equal(await db.viewWithList('app', 'byNumber', 'numbers', { startkey: 3 }), '3 4 4')
  let streamed = ''
  for await (const chunk of db.viewAsStream('app', 'byNumber', { limit: 1 })) streamed += String(chunk)
  t.match(JSON.parse(streamed), { rows: [{ id: 'd1' }] })
  await t.rejects(db.view('app', 'none'), failure({ statusCode: 404, reason: 'missing_named_view' }))
  t.match(await couch.db.compact(db.config.db, 'app'), { ok: true })
})
