/** What CouchDB 3.5.2 answers to interactive edits, revision ids included. */
import t from 'tap'
import {
  edit,
  outcomeOf,
  put,
  replicate,
  replicated,
  rev,
  settled,
  testDatabase,
  told,
} from '../support/database-fixture.ts'

const R1 = '1-7a7e4b29f3af401e69b6f86e4c26b727'
const R2 = '2-d0df861eb528e79690cd2ff3c4d394f3'
const UNKNOWN = '1-0123456789abcdef0123456789abcdef'

const conflict = (id: string, given?: string) => ({
  ok: false,
  id,
  rev: given,
  status: 409,
  error: 'conflict',
  reason: 'Document update conflict.',
})

t.test('create, update, delete, recreate', async (t) => {
  const { database } = await testDatabase()
  t.equal(await put(database, edit('a', { v: 1 })), R1)
  t.equal(await put(database, edit('a', { v: 2 }, { rev: R1 })), R2)
  t.equal(database.get('a').body().toString(), '{"v":2}')
  t.equal(database.get('a', { rev: R1 }).body().toString(), '{"v":1}')

  const stew = '{"servings":4,"subtitle":"Delicious with freshly baked bread","title":"FishStew"}'
  const first = await put(database, edit('FishStew', stew))
  t.equal(first, '1-6a466d5dfda05e613ba97bd737829d67')
  const gone = await put(database, edit('FishStew', {}, { rev: first, deleted: true }))
  t.equal(gone, '2-8eaadb7c9aec2ac1d2fe9d8e2ced3b54')
  t.same(
    outcomeOf(() => database.get('FishStew')),
    { status: 404, error: 'not_found', reason: 'deleted' },
  )
  const back = await put(database, edit('FishStew', { servings: 4, again: true }))
  t.equal(back, '3-d838b8242cc602976a0a0a4054fb27ff')
})

t.test('conflicts', async (t) => {
  const { database } = await testDatabase()
  const first = await put(database, edit('a', { v: 1 }))
  t.same(await told(database.update([edit('a', { v: 1 })])), [conflict('a')], 'it exists')
  t.same(await told(database.update([edit('a', { v: 2 }, { rev: UNKNOWN })])), [conflict('a', UNKNOWN)])
  t.same(await told(database.update([edit('new', { v: 2 }, { rev: UNKNOWN })])), [conflict('new', UNKNOWN)])
  await put(database, edit('a', { v: 2 }, { rev: first }))
  t.same(
    await told(database.update([edit('a', { v: 3 }, { rev: first })])),
    [conflict('a', first)],
    'no leaf',
  )
  t.equal(database.updateSeqNumber, 2, 'a conflict changes nothing')
  t.match(await settled(database.update([edit('b'), edit('a', {}, { rev: 'junk' })])), {
    status: 400,
    reason: 'Invalid rev format',
  })
  t.equal(database.lookup('b'), undefined, 'an unreadable revision refuses the whole request')
})

t.test('tombstones', async (t) => {
  const { database } = await testDatabase()
  await put(database, edit('a', { v: 1 }))
  const gone = await put(database, edit('a', { why: 'spoiled' }, { rev: R1, deleted: true }))
  t.equal(gone, '2-bfdf362227b4bcc5df3193421d66a776')
  const view = database.get('a', { rev: gone })
  t.same([view.deleted, view.body().toString()], [true, '{"why":"spoiled"}'])
  t.match(database.lookup('a'), { id: 'a', rev: gone, deleted: true })
  t.same(await told(database.update([edit('a', { back: true }, { rev: gone })])), [conflict('a', gone)])
  t.same(await told(database.update([edit('a', {}, { rev: gone, deleted: true })])), [conflict('a', gone)])
  t.same(await told(database.update([edit('a', {}, { deleted: true })])), [conflict('a')])
  const back = await put(database, edit('a', { back: 'again' }))
  t.equal(back, '3-aae3cce3dc4afe26c4cf672e3d8bb2eb')
  t.same(database.get('a').revsInfo(), [
    { rev: back, status: 'available' },
    { rev: gone, status: 'deleted' },
    { rev: R1, status: 'available' },
  ])
  const bornDead = await put(database, edit('b', { born: 'dead' }, { deleted: true }))
  t.equal(bornDead, '1-2911c87a93633531707edf1ea3cafbb2')
  t.match(database.info(), { docCount: 1, docDelCount: 1 })
})

t.test('a tombstone beside a live leaf can be extended', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('a', { v: 1 }, 1, 'a'), replicated('a', {}, 2, 'ba', true))
  await replicate(database, replicated('a', { v: 'c' }, 2, 'ca'))
  const extended = await put(database, edit('a', { v: 'd' }, { rev: rev('2b') }))
  t.match(extended, /^3-/)
  t.equal(database.get('a').rev, extended)
  t.same(database.get('a').conflicts(), [rev('2c')])
})

t.test('several edits of one document in one request', async (t) => {
  const { database } = await testDatabase()
  t.same(await told(database.update([edit('d', { v: 1 }), edit('d', { v: 2 }), edit('d', { v: 1 })])), [
    { ok: true, id: 'd', rev: R1 },
    conflict('d'),
    conflict('d'),
  ])
  t.same(
    await told(database.update([edit('e', { v: 1 }), edit('e', { v: 2 }, { rev: R1 })])),
    [{ ok: true, id: 'e', rev: R1 }, conflict('e', R1)],
    'no edit builds on another of its request',
  )
  t.same(
    await told(
      database.update([edit('d', { v: 2 }, { rev: R1 }), edit('d', {}, { rev: R1, deleted: true })]),
    ),
    [{ ok: true, id: 'd', rev: R2 }, conflict('d', R1)],
  )
  t.same(await database.update([edit('x', { v: 1 }, { deleted: true }), edit('x', { v: 2 })]).then(okOnly), [
    true,
    true,
  ])
  t.equal(database.get('x').localSeq, 4, 'one place in the sequence for both')
})

const okOnly = (results: { ok: boolean }[]): boolean[] => results.map((result) => result.ok)

t.test('a deletion and a recreation in one request', async (t) => {
  const { database } = await testDatabase()
  await put(database, edit('a', { v: 1 }))
  const results = await database.update([edit('a', {}, { rev: R1, deleted: true }), edit('a', { v: 2 })])
  t.same(okOnly(results), [true, false], 'the document was live when the request came')
  t.equal(database.lookup('a')?.deleted, true)
})

t.test('an edit whose revision is there already, without its history', async (t) => {
  const { database } = await testDatabase()
  await put(database, edit('a', { v: 1 }))
  await replicate(database, edit('a', { v: 2 }, { rev: R2 }))
  t.same(database.get('a').conflicts(), [R1])
  t.equal(await put(database, edit('a', { v: 2 }, { rev: R1 })), R2)
  const view = database.get('a')
  t.same([view.rev, view.conflicts(), view.body().toString()], [R2, [], '{"v":2}'])
  t.same(
    view.revsInfo().map((info) => info.rev),
    [R2, R1],
  )
})

t.test('a request mixes successes and failures, in its order', async (t) => {
  const { database } = await testDatabase()
  await put(database, edit('a', { v: 1 }), edit('b', { v: 1 }))
  t.same(await told(database.update([edit('z', { v: 1 }), edit('a', { v: 2 }), edit('c', { v: 1 })])), [
    { ok: true, id: 'z', rev: R1 },
    conflict('a'),
    { ok: true, id: 'c', rev: R1 },
  ])
  const rows = [...database.changes().rows].map((row) => `${row.seqNumber} ${row.id}`)
  t.same(rows, ['1 a', '2 b', '3 c', '4 z'], 'numbers follow the order of the ids')
})

t.test('deleting the winner of a conflict brings the other one up', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('tie', { v: 'b' }, 2, 'ba'), replicated('tie', { v: 'c' }, 2, 'ca'))
  const gone = await put(database, edit('tie', {}, { rev: rev('2c'), deleted: true }))
  t.equal(gone, '3-dda1116dde5aac003953893fa5544b5c')
  const view = database.get('tie')
  t.same([view.rev, view.conflicts(), view.deletedConflicts()], [rev('2b'), [], [gone]])
})

t.test('an id longer than a key is refused', async (t) => {
  const { database } = await testDatabase()
  const long = 'x'.repeat(70_000)
  t.match(await settled(database.update([edit(long)])), { status: 400, error: 'illegal_docid' })
  t.match(
    outcomeOf(() => database.get(long)),
    { status: 400 },
  )
})
