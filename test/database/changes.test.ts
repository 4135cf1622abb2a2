/** The update sequence and the strings that name a place in it. */
import t from 'tap'
import type { RandomBytes } from '../../src/base/random.ts'
import { SequenceCodec } from '../../src/database/layout/sequence.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import {
  changedIds,
  edit,
  outcomeOf,
  put,
  replicate,
  replicated,
  rev,
  testDatabase,
  testOptions,
} from '../support/database-fixture.ts'

t.test('each document once, at its last change', async (t) => {
  const { database } = await testDatabase()
  const first = await put(database, edit('a', { v: 1 }), edit('b', { v: 1 }), edit('c', { v: 1 }))
  const one = database.changes({ limit: 1 })
  t.same(
    [...one.rows].map((row) => [row.id, row.revs]),
    [['a', [first]]],
  )
  t.equal(one.pending(), 2)
  t.match(one.lastSeq(), /^1-[\w-]{12}$/)
  t.same(changedIds(database, { since: one.lastSeq() }), [
    ['b', false],
    ['c', false],
  ])

  await put(database, edit('a', { v: 2 }, { rev: first }))
  await put(database, edit('b', {}, { rev: first, deleted: true }))
  const order = [
    ['c', false],
    ['a', false],
    ['b', true],
  ]
  t.same(changedIds(database), order)
  t.same(changedIds(database, { descending: true }), [...order].reverse())
  t.same(
    changedIds(database, { descending: true, since: 'now', limit: 1 }),
    [['b', true]],
    'CouchDB ignores since',
  )
  t.same(changedIds(database, { since: 'now' }), [])
  t.same(changedIds(database, { since: 4 }), [['b', true]])
  t.same(changedIds(database, { since: '4' }), [['b', true]])

  const all = database.changes()
  t.equal(all.pending(), 3)
  t.equal(all.lastSeq().split('-')[0], '0')
  all.rows.next()
  t.same([all.pending(), all.lastSeq().split('-')[0]], [2, '3'])
  t.same(
    [...all.rows].map((row) => row.seqNumber),
    [4, 5],
  )
  t.same([all.pending(), all.lastSeq()], [0, database.info().updateSeq])
  const now = database.changes({ since: 'now' })
  t.ok(now.rows.next().done)
  t.same([now.lastSeq(), now.pending()], [database.info().updateSeq, 0])
})

t.test('a row has the winner and its body without the tree of ids', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('a', { v: 'c' }, 2, 'ca'), replicated('a', { v: 'd' }, 2, 'da'))
  await replicate(database, replicated('a', {}, 2, 'fa', true))
  const { rows } = database.changes({ style: 'all_docs' })
  const row = rows.next().value!
  t.same([row.id, row.deleted, row.revs], ['a', false, [rev('2d'), rev('2c'), rev('2f')]])
  const view = row.document()
  t.equal(view.body().toString(), '{"v":"d"}')
  t.same([view.conflicts(), view.deletedConflicts(), view.localSeq], [[rev('2c')], [rev('2f')], 2])
  t.same(view.revisions(), { start: 2, ids: ['d'.repeat(32), 'a'.repeat(32)] })
  t.ok(rows.next().done)
  t.same([...database.changes().rows][0]!.revs, [rev('2d')])
})

t.test('a page keeps to its snapshot', async (t) => {
  const { database } = await testDatabase()
  const first = await put(database, edit('a', { v: 1 }), edit('b', { v: 1 }))
  const page = database.changes()
  page.rows.next()
  await put(database, edit('b', { v: 2 }, { rev: first }), edit('c'))
  const rest = [...page.rows]
  t.same(
    rest.map((row) => [row.id, row.seqNumber]),
    [['b', 2]],
  )
  t.equal(page.pending(), 0)
  t.same(changedIds(database, { since: page.lastSeq() }), [
    ['b', false],
    ['c', false],
  ])
})

t.test('what since may be', async (t) => {
  const { database, disk } = await testDatabase()
  await put(database, edit('a'), edit('b'))
  for (const since of ['abc', '', '-1', '1-!', '1 ', '1.5', '[1]', 'NOW']) {
    t.match(
      outcomeOf(() => database.changes({ since })),
      { status: 400, reason: "Malformed sequence supplied in 'since' parameter." },
      JSON.stringify(since),
    )
  }
  t.equal(disk.stores.get('/data/a')!.openSnapshots, 0)
  const { updateSeq } = database.info()
  t.same(changedIds(database, { since: updateSeq }), [])
  t.equal(changedIds(database, { since: updateSeq.replace(/^2/, '1') }).length, 2, 'the number was changed')
  t.equal(changedIds(database, { since: 99 }).length, 2, 'beyond the end')
})

t.test('a since of another incarnation starts at 0', async (t) => {
  const first = await testDatabase()
  await put(first.database, edit('a'), edit('b'), edit('c'))
  const stale = first.database.info().updateSeq
  await first.database.close()
  first.disk.files.delete('/data/a')
  const again = await createDatabase('/data/a', 'a', testOptions(first.disk))
  t.not(again.uuid, first.database.uuid)
  await put(again, edit('x'), edit('y'), edit('z'), edit('w'))
  t.equal(changedIds(again, { since: stale }).length, 4)
  t.equal(changedIds(again, { since: again.info().updateSeq }).length, 0)
})

t.test('a since of a history that a restored copy does not have starts at 0', async (t) => {
  const fixture = await testDatabase()
  await put(fixture.database, edit('a'), edit('b'))
  const common = fixture.database.info().updateSeq
  await fixture.database.close()
  const copy = fixture.disk.copy('/data/a')
  const lost = await openDatabase('/data/a', 'a', testOptions(fixture.disk))
  await put(lost, edit('c'), edit('d'))
  const stale = lost.info().updateSeq
  await lost.close()

  fixture.disk.files.set('/data/a', copy)
  const restored = await openDatabase('/data/a', 'a', testOptions(fixture.disk))
  t.equal(changedIds(restored, { since: stale }).length, 2, 'beyond the end')
  await put(restored, edit('x'), edit('y'), edit('z'))
  t.equal(changedIds(restored, { since: stale }).length, 5, 'passed by another history')
  t.same(changedIds(restored, { since: common }).length, 3, 'what both have is still good')
})

t.test('many epochs', (t) => {
  let made = 0
  const random: RandomBytes = (target) => {
    made += 1
    Buffer.from(target.buffer, target.byteOffset, target.length).writeUIntLE(made, 0, 6)
  }
  let record: Buffer | undefined
  const given: string[] = []
  for (let after = 0; after < 300; after += 1) {
    const codec = SequenceCodec.begin(record, after, random)
    record = codec.record()
    given.push(codec.format(after + 1))
    t.ok(record.length <= 257 * 12)
  }
  const codec = SequenceCodec.begin(record, 300, random)
  const read = given.map((since) => codec.parse(since, 300))
  t.same(
    read.map((number, at) => number === at + 1 || number === 0),
    given.map(() => true),
  )
  t.same(
    read.slice(200),
    Array.from({ length: 100 }, (_, at) => 201 + at),
    'the newer ones are known',
  )
  t.equal(read[0], 0, 'the oldest are not')
  t.equal(codec.parse(codec.format(1), 300), 1, 'but can be asked for anew')
  t.end()
})

t.test('sequences survive a restart and go on', async (t) => {
  const fixture = await testDatabase()
  await put(fixture.database, edit('a'), edit('b'))
  const { updateSeq } = fixture.database.info()
  const { instanceStartTime, uuid } = fixture.database
  const again = await fixture.reopen()
  t.same([again.info().updateSeq, again.updateSeqNumber], [updateSeq, 2])
  t.same([again.instanceStartTime, again.uuid], [instanceStartTime, uuid])
  await put(again, edit('c'))
  t.same(changedIds(again, { since: updateSeq }), [['c', false]])
})

t.test('listeners run once the change can be read', async (t) => {
  const { database, store } = await testDatabase()
  const heard: number[] = []
  const stop = database.onChange((seq) => {
    heard.push(seq)
    t.equal(changedIds(database).length, seq)
  })
  await Promise.all([put(database, edit('a')), put(database, edit('b'))])
  await put(database, edit('c'))
  t.equal(heard.at(-1), 3)
  t.same(heard, [...new Set(heard)].sort(), 'rising, none twice')
  const before = heard.length
  await database.update([edit('a')])
  store().failNext = 'WRITE_FAILED'
  await t.rejects(put(database, edit('d')))
  stop()
  await put(database, edit('e'))
  t.equal(heard.length, before, 'not for a conflict, a failed write, or after it was stopped')
})
