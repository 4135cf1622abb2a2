/** Mango as clients ask for it: PouchDB's plugin `find` over its http adapter, and nano. */
import nano from 'nano'
import t from 'tap'
import { failure } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { loadFindingPouchDb } from '../support/pouchdb.ts'

const PouchDB = await loadFindingPouchDb()
const server = await startTestServer()
t.teardown(() => server.stop())

const docs = Array.from({ length: 40 }, (_, n) => ({
  _id: `d${String(n).padStart(2, '0')}`,
  n,
  odd: n % 2 === 1,
}))

t.test('PouchDB', async (t) => {
  const database = new PouchDB(`${server.url}/pouch-find`)
  await database.bulkDocs(docs)
  const index = { fields: ['odd', 'n'], ddoc: 'odds', name: 'odds' }
  t.match(await database.createIndex({ index }), { result: 'created', id: '_design/odds', name: 'odds' })
  t.match(await database.createIndex({ index }), { result: 'exists' })
  t.match(await database.getIndexes(), { total_rows: 2, indexes: [{ name: '_all_docs' }, { name: 'odds' }] })
  const query = { selector: { odd: true, n: { $gt: 30 } }, sort: ['odd', 'n'], fields: ['n'] }
  const found = await database.find(query)
  t.same(found, { ...found, docs: [31, 33, 35, 37, 39].map((n) => ({ n })) })
  t.match(await database.explain(query), { index: { name: 'odds' }, covering: true })
  const warned = await database.find({ selector: { n: { $lt: 2 } } })
  t.equal(warned.docs.length, 2)
  t.match(warned.warning, /No matching index/)
  await t.rejects(database.find({ selector: { n: { $wrong: 1 } } }), failure({ error: 'invalid_operator' }))
  t.match(await database.deleteIndex({ ddoc: '_design/odds', name: 'odds', type: 'json' }), { ok: true })
  t.match(await database.getIndexes(), { total_rows: 1 })
})

t.test('nano', async (t) => {
  const couch = nano(server.url)
  await couch.db.create('nano-find')
  const database = couch.use<{ n: number; odd: boolean }>('nano-find')
  await database.bulk({ docs })
  const created = await database.createIndex({ index: { fields: ['n'] }, ddoc: 'n', name: 'n', type: 'json' })
  t.match(created, { result: 'created', id: '_design/n', name: 'n' })
  const page = await database.find({ selector: { n: { $gte: 10 } }, sort: [{ n: 'desc' }], limit: 3 })
  t.same(
    page.docs.map(({ n }) => n),
    [39, 38, 37],
  )
  const next = await database.find({
    selector: { n: { $gte: 10 } },
    sort: [{ n: 'desc' }],
    limit: 2,
    bookmark: page.bookmark!,
  })
  t.same(
    next.docs.map(({ n }) => n),
    [36, 35],
  )
  await t.rejects(
    database.find({ selector: {}, sort: ['odd'] }),
    failure({ statusCode: 400, error: 'no_usable_index' }),
  )
})
