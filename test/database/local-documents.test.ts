/** Local documents: no history, no place in the sequence, no conflicts. */
import t from 'tap'
import { changedIds, edit, outcomeOf, settled, testDatabase } from '../support/database-fixture.ts'

const body = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

t.test('revisions, as CouchDB gives them', async (t) => {
  const fixture = await testDatabase()
  const { database } = fixture
  t.equal(await database.putLocal('a', body({ v: 1 }), undefined), '0-1')
  t.match(database.getLocal('a'), { id: 'a', rev: '0-1' })
  t.equal(database.getLocal('a')!.body.toString(), '{"v":1}')
  t.equal(await database.putLocal('a', body({ v: 2 }), undefined), '0-1', 'without a revision it begins anew')
  t.equal(await database.putLocal('a', body({ v: 2 }), '0-1'), '0-2')
  t.equal(await database.putLocal('a', body({ v: 4 }), '0-3'), '0-4', 'any revision is believed')
  t.equal((await fixture.reopen()).getLocal('a')!.rev, '0-4')
  const again = fixture.database
  for (const bad of ['1-1', '0-a', '0-', 'x', '0--1']) {
    t.match(
      await settled(again.putLocal('a', body({}), bad)),
      { status: 400, reason: 'Invalid rev format' },
      bad,
    )
  }
  t.equal(again.getLocal('none'), undefined)
  t.equal(await again.deleteLocal('a', undefined), '0-0')
  t.equal(again.getLocal('a'), undefined)
  t.match(await settled(again.deleteLocal('a', '0-4')), { status: 404, reason: 'missing' })
})

t.test('in a bulk request, beside documents', async (t) => {
  const { database } = await testDatabase()
  const results = await database.update([
    edit('_local/bulk', { v: 1 }),
    edit('a', { v: 1 }),
    edit('_local/bulk', { v: 2 }, { rev: '0-1' }),
    edit('_local/bad', { v: 2 }, { rev: '3-1' }),
    edit('_local/never', {}, { deleted: true }),
  ])
  t.match(results, [
    { ok: true, id: '_local/bulk', rev: '0-1' },
    { ok: true, id: 'a' },
    { ok: true, id: '_local/bulk', rev: '0-2' },
    { ok: false, id: '_local/bad', refusal: { status: 400, reason: 'Invalid rev format' } },
    { ok: true, id: '_local/never', rev: '0-0' },
  ])
  t.equal(database.getLocal('bulk')!.body.toString(), '{"v":2}')
  t.same(changedIds(database), [['a', false]])
  t.match(database.info(), { docCount: 1, docDelCount: 0 })
  t.equal(database.allDocs().totalRows, 1)
})

t.test('listing', async (t) => {
  const { database, store } = await testDatabase()
  for (const id of ['a', 'b', 'c', 'd']) await database.putLocal(id, body({ id }), undefined)
  const ids = (options = {}): string => [...database.localDocs(options)].map((row) => row.id).join('')
  t.equal(ids(), 'abcd')
  t.equal(ids({ startKey: '_local/b', endKey: '_local/c' }), 'bc')
  t.equal(ids({ descending: true, skip: 1, limit: 2 }), 'cb')
  t.equal(ids({ startKey: 'c', endKey: 'b' }), '')
  t.equal(store().openSnapshots, 0)
  t.match(
    outcomeOf(() => database.getLocal('x'.repeat(70_000))),
    { status: 400 },
  )
})
