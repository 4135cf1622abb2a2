/** Listings by id: totals, offsets and skips count live documents, deleted ones cost no walk. */
import t from 'tap'
import type { StoredDatabase } from '../../src/database/database.ts'
import { edit, listedIds, put, testDatabase } from '../support/database-fixture.ts'

async function letters(): Promise<StoredDatabase> {
  const { database } = await testDatabase()
  await put(database, ...['e', 'd', 'c', 'b', 'a'].map((id) => edit(id, { n: id.charCodeAt(0) })))
  return database
}

const page = (database: StoredDatabase, options = {}) => {
  const { totalRows, offset, rows } = database.allDocs(options)
  return { totalRows, offset, ids: [...rows].map((row) => row.id).join('') }
}

t.test('ranges, as CouchDB answers them', async (t) => {
  const database = await letters()
  const same = (options: object, offset: number, ids: string): unknown =>
    t.same(page(database, options), { totalRows: 5, offset, ids }, JSON.stringify(options))
  same({}, 0, 'abcde')
  same({ skip: 2, limit: 2 }, 2, 'cd')
  same({ startKey: 'b' }, 1, 'bcde')
  same({ startKey: 'b', endKey: 'd', inclusiveEnd: false }, 1, 'bc')
  same({ descending: true, startKey: 'd', endKey: 'b' }, 1, 'dcb')
  same({ descending: true, startKey: 'd', endKey: 'b', inclusiveEnd: false }, 1, 'dc')
  same({ descending: true, limit: 2 }, 0, 'ed')
  same({ startKey: 'c', endKey: 'c' }, 2, 'c')
  same({ startKey: 'd', endKey: 'b' }, 3, '')
  same({ skip: 9 }, 5, '')
  same({ startKey: 'x' }, 5, '')
  same({ limit: 0 }, 0, '')
})

t.test('rows', async (t) => {
  const database = await letters()
  const [row] = database.allDocs({ startKey: 'c' }).rows
  t.match(row, { id: 'c', rev: '1-d5c87637c5e2a797ec7772d081b295b9', deleted: false })
  t.equal(row!.document().body().toString(), '{"n":99}')
  t.equal(database.lookup('zz'), undefined)
  t.match(database.lookup('a'), { id: 'a', rev: '1-9a579db8af9fec25e807137d20f228ba' })
})

t.test('order is that of UTF-8 bytes', async (t) => {
  const { database } = await testDatabase()
  const ids = ['😀', '～', '日本', 'Ω', 'é', 'ä', 'a', 'A', '_design/x', '-', '~', '{']
  await put(database, ...ids.map((id) => edit(id)))
  t.same(listedIds(database), ['-', 'A', '_design/x', 'a', '{', '~', 'ä', 'é', 'Ω', '日本', '～', '😀'])
})

t.test('runs of deleted documents', async (t) => {
  const { database, store } = await testDatabase()
  const name = (n: number): string => `d${String(n).padStart(4, '0')}`
  const isLive = (n: number): boolean => n % 200 === 7 || n > 990
  const all = Array.from({ length: 1000 }, (_, n) => n)
  await put(database, ...all.map((n) => edit(name(n), { n }, { deleted: !isLive(n) })))
  const live = all.filter(isLive).map(name)
  t.same(listedIds(database), live)
  t.same(listedIds(database, { descending: true }), [...live].reverse())
  for (const skip of [0, 1, 4, 5, 6, live.length - 1, live.length]) {
    t.same(listedIds(database, { skip }), live.slice(skip), `skip ${skip}`)
    t.same(listedIds(database, { skip, descending: true }), [...live].reverse().slice(skip), `back ${skip}`)
  }
  t.same(listedIds(database, { startKey: name(8), endKey: name(407), skip: 1 }), [name(407)])
  const offset = (options: object): number => {
    const listing = database.allDocs(options)
    listing.rows.return?.()
    return listing.offset
  }
  t.equal(offset({ startKey: name(208) }), 2)
  t.equal(offset({ startKey: name(208), descending: true }), live.length - 2)
  t.match(database.info(), { docCount: live.length, docDelCount: 1000 - live.length })
  t.equal(store().openSnapshots, 0)
})

t.test('rows hold one snapshot while writes go on, and let go of it', async (t) => {
  const fixture = await testDatabase()
  const { database } = fixture
  const first = await put(database, edit('a', { v: 1 }))
  await put(database, edit('b', { v: 1 }))
  const { rows } = database.allDocs()
  const seen = [rows.next().value!.id]
  await put(database, edit('a', { v: 2 }, { rev: first }), edit('aa'), edit('c'))
  await put(database, edit('b', {}, { rev: first, deleted: true }))
  const last = rows.next().value!
  t.same([...seen, last.id, last.document().body().toString()], ['a', 'b', '{"v":1}'])
  t.equal(fixture.store().openSnapshots, 1)
  t.ok(rows.next().done)
  t.ok(rows.next().done)
  t.equal(fixture.store().openSnapshots, 0, 'exhausted')
  t.same(listedIds(database), ['a', 'aa', 'c'])

  database.allDocs().rows.return!()
  t.equal(fixture.store().openSnapshots, 0, 'returned before the first row')
  for (const row of database.allDocs().rows) if (row.id === 'a') break
  t.equal(fixture.store().openSnapshots, 0, 'left by break')
  database.allDocs({ limit: 0 })
  t.equal(fixture.store().openSnapshots, 0, 'no rows wanted')
  t.throws(() => database.allDocs({ startKey: 'x'.repeat(70_000) }))
  t.equal(fixture.store().openSnapshots, 0, 'a page that could not be opened')
  const thrown = database.changes().rows
  t.throws(() => thrown.throw!(new Error('stop')), { message: 'stop' })
  t.equal(fixture.store().openSnapshots, 0, 'thrown into')
})
