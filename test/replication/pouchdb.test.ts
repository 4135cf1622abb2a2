/** PouchDB as a third peer: what it pushes to one server is replicated to another one, and pulled from there. */
import t from 'tap'
import { startTestServer } from '../support/http-server.ts'
import { loadPouchDb, type Pouch } from '../support/pouchdb.ts'
import { call, treesDigest } from '../support/replicated.ts'

t.setTimeout(120_000)

const PouchDB = await loadPouchDb()

async function leaves(database: Pouch): Promise<string[]> {
  const { results } = await database.changes({ style: 'all_docs', since: 0 })
  return results.flatMap(({ id, changes }) => changes.map(({ rev }) => `${id} ${rev}`)).sort()
}

t.test('from one PouchDB to another by way of two servers, and back', async (t) => {
  const [here, there] = [await startTestServer(), await startTestServer()]
  t.teardown(async () => {
    await here.stop(0)
    await there.stop(0)
  })
  const first: Pouch = new PouchDB('replication-first', { adapter: 'memory' })
  const last: Pouch = new PouchDB('replication-last', { adapter: 'memory' })
  const onTheWay = async (from: Pouch, to: Pouch, a: string, b: string): Promise<void> => {
    await from.replicate.to(new PouchDB(a))
    const { status, body } = await call(here.url, 'POST', '/_replicate', {
      source: a.replace(`${here.url}/`, ''),
      target: b.replace(`${here.url}/`, ''),
    })
    t.equal(status, 200, JSON.stringify(body))
    await to.replicate.from(new PouchDB(b))
  }
  const [a, b] = [`${here.url}/a`, `${there.url}/b`]
  await call(here.url, 'PUT', '/a')
  await call(there.url, 'PUT', '/b')
  const data = Buffer.alloc(100_000, 'attached').toString('base64')
  const docs = Array.from({ length: 150 }, (_, n) => ({ _id: `d${n}`, n }))
  await first.bulkDocs(docs)
  await first.put({ _id: 'attached', _attachments: { x: { content_type: 'image/png', data } } })
  await onTheWay(first, last, a, b)
  t.same(await leaves(last), await leaves(first))
  // A conflict: both edit the same revision.
  for (const [database, side] of [
    [first, 'first'],
    [last, 'last'],
  ] as const) {
    await database.put({ ...(await database.get('d1')), side })
    await database.put({ ...(await database.get('d2')), _deleted: true, side })
  }
  await onTheWay(last, first, b, a)
  await onTheWay(first, last, a, b)
  t.same(await leaves(last), await leaves(first))
  t.equal(await treesDigest(here.url, 'a'), await treesDigest(there.url, 'b'))
  t.equal((await last.get('d1', { conflicts: true }))._conflicts?.length, 1)
})
