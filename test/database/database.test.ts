/** What a database says of itself, its settings, its opening, and what it does when the disk fails. */
import t, { type Test } from 'tap'
import type { StoredDatabase } from '../../src/database/database.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import {
  edit,
  NOW_MS,
  outcomeOf,
  put,
  replicate,
  replicated,
  rev,
  settled,
  testDatabase,
  testOptions,
} from '../support/database-fixture.ts'

t.test('creation and opening', async (t) => {
  const fixture = await testDatabase()
  const options = testOptions(fixture.disk)
  t.equal(fixture.database.instanceStartTime, `${NOW_MS}000`)
  t.match(fixture.database.uuid, /^[0-9a-f]{32}$/)
  t.match(await settled(createDatabase('/data/a', 'a', options)), { status: 503 }, 'it is open')
  await fixture.database.close()
  t.match(await settled(createDatabase('/data/a', 'a', options)), { status: 412, error: 'file_exists' })
  await fixture.reopen()
  t.match(await settled(openDatabase('/data/b', 'b', options)), {
    status: 404,
    reason: 'Database does not exist.',
  })
  t.match(await settled(openDatabase('/data/a', 'a', options)), { status: 503 }, 'it is open')

  const made = await createDatabase('/data/p', 'p', { ...options, properties: { partitioned: true, q: 2 } })
  await made.close()
  const opened = await openDatabase('/data/p', 'p', options)
  t.same(opened.properties, { partitioned: true, q: 2, n: 1 })

  fixture.disk.files.get('/data/p')!.trees = {}
  await opened.close()
  t.match(await settled(openDatabase('/data/p', 'p', options)), { status: 404 }, 'creation did not finish')
  t.notOk(fixture.disk.stores.has('/data/p'), 'and the file is closed again')
  const finished = await createDatabase('/data/p', 'p', options)
  t.equal(finished.info().docCount, 0, 'and creation can be taken up')
})

t.test('info', async (t) => {
  const { database, store } = await testDatabase()
  const empty = database.info()
  t.match(empty, { docCount: 0, docDelCount: 0, compactRunning: false, sizes: { external: 0 } })
  t.match([empty.updateSeq, empty.purgeSeq], [/^0-[\w-]{12}$/, /^0-[\w-]{12}$/])
  const first = await put(database, edit('a', { v: 'x'.repeat(100) }))
  t.equal(database.info().sizes.external, 108)
  await put(database, edit('a', { v: 1 }, { rev: first }))
  await put(database, edit('b', { v: 22 }))
  await replicate(database, replicated('b', { v: 333 }, 1, 'a'))
  const { sizes } = database.info()
  t.equal(sizes.external, '{"v":1}'.length + '{"v":22}'.length + '{"v":333}'.length, 'leaves alone count')
  const snapshot = store().snapshot()
  const trees = ['id', 'seq', 'local', 'meta'].map((tree) => snapshot.tree(tree).reduce().bytes)
  snapshot.close()
  t.equal(sizes.active, sizes.external + trees.reduce((sum, bytes) => sum + bytes))
  t.equal(sizes.file, store().stats().fileBytes)
  t.ok(sizes.file > sizes.active)
})

t.test('settings', async (t) => {
  const fixture = await testDatabase()
  t.equal(fixture.database.security(), undefined)
  t.equal(fixture.database.revsLimit(), 1000)
  await fixture.database.setSecurity(Buffer.from('{"admins":{}}'))
  await fixture.database.setRevsLimit(7)
  await fixture.database.ensureFullCommit()
  const set = fixture.database.security()!
  t.equal(set.toString(), '{"admins":{}}', 'seen at once')
  t.equal(fixture.database.security(), set, 'the same bytes until it is set anew')
  const again = await fixture.reopen()
  t.same([again.security()!.toString(), again.revsLimit()], ['{"admins":{}}', 7])
  for (const bad of [0, -1, 1.5, Number.NaN]) t.match(await settled(again.setRevsLimit(bad)), { status: 400 })
})

t.test('validation functions', async (t) => {
  const fixture = await testDatabase()
  const { database } = fixture
  const has = (): boolean => fixture.database.hasValidation()
  t.notOk(has())
  await put(database, edit('a', { validate_doc_update: 'no design document' }))
  await put(
    database,
    edit('_design/none', '{"x":{"validate_doc_update":1},"y":"\\"validate_doc_update\\":"}'),
  )
  await put(database, edit('_design/value', '{"x":["validate_doc_update"],"z":"validate_doc_update"}'))
  t.notOk(has())
  const first = await put(
    database,
    edit('_design/v', '{"views":{"a":{"map":""}},"validate_doc_update":"function"}'),
  )
  t.ok(has())
  await fixture.reopen()
  t.ok(has(), 'after a restart')
  const second = await put(fixture.database, edit('_design/v', { views: {} }, { rev: first }))
  t.notOk(has(), 'taken out')
  const third = await put(fixture.database, edit('_design/v', { validate_doc_update: 'f' }, { rev: second }))
  t.ok(has())
  await put(fixture.database, edit('_design/v', { validate_doc_update: 'f' }, { rev: third, deleted: true }))
  t.notOk(has(), 'deleted')

  await replicate(fixture.database, replicated('_design/w', { validate_doc_update: 'f' }, 1, 'a'))
  await replicate(fixture.database, replicated('_design/w', { plain: 1 }, 1, 'b'))
  t.notOk(has(), 'a conflict that lost')
  await put(fixture.database, edit('_design/w', {}, { rev: rev('1b'), deleted: true }))
  t.ok(has(), 'and that won when the winner was deleted')
})

const refused = async (t: Test, database: StoredDatabase, status: number): Promise<void> => {
  t.match(await settled(put(database, edit('z'))), { status })
  t.match(await settled(database.putLocal('z', Buffer.from('{}'), undefined)), { status })
}

t.test('writes that fail', async (t) => {
  const fixture = await testDatabase()
  const { database } = fixture
  const first = await put(database, edit('a', { v: 1 }))
  fixture.store().failNext = 'WRITE_FAILED'
  const both = await Promise.allSettled([
    put(database, edit('b')),
    put(database, edit('a', { v: 2 }, { rev: first })),
  ])
  t.same(
    both.map((result) => result.status),
    ['rejected', 'rejected'],
  )
  t.equal(database.updateSeqNumber, 1)
  t.equal(database.lookup('b'), undefined)
  t.equal(database.get('a').rev, first)
  await put(database, edit('a', { v: 2 }, { rev: first }))
  t.equal(database.changes().pending(), 1, 'no trace is left')

  fixture.store().failNext = 'POISONED'
  await refused(t, database, 503)
  t.equal(database.get('a').body().toString(), '{"v":2}', 'reads go on')
})

t.test('damage', async (t) => {
  const fixture = await testDatabase()
  await put(fixture.database, edit('a', { v: 1 }))
  fixture.disk.files.get('/data/a')!.values.length = 0
  const damaged = { status: 500, error: 'storage_damaged' }
  t.match(
    outcomeOf(() => fixture.database.get('a').body()),
    damaged,
  )
  t.match(
    outcomeOf(() => [...fixture.database.allDocs().rows][0]!.document().body()),
    damaged,
  )
  const trees = fixture.disk.files.get('/data/a')!.trees
  fixture.disk.files.get('/data/a')!.trees = {
    ...trees,
    id: trees['id']!.map((entry) => ({ ...entry, value: Buffer.from([9]) })),
    seq: trees['seq']!.map((entry) => ({ ...entry, value: entry.value.subarray(0, 5) })),
  }
  t.match(
    outcomeOf(() => fixture.database.get('a')),
    damaged,
    'an unknown version',
  )
  t.match(
    outcomeOf(() => [...fixture.database.changes().rows]),
    damaged,
    'a value that is cut',
  )
  t.equal(fixture.store().openSnapshots, 0)
})

t.test('a closed database', async (t) => {
  const { database } = await testDatabase()
  const writing = put(database, edit('a'))
  const closing = database.close()
  await writing
  await closing
  await refused(t, database, 503)
  t.match(
    outcomeOf(() => database.get('a')),
    { status: 503, reason: 'The database is being closed.' },
  )
  t.match(
    outcomeOf(() => database.changes()),
    { status: 503 },
  )
})
