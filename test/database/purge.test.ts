/** Purging, on the model's store and on the engine's. */

import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import { parseRevision } from '../../src/database/revisions/revision-id.ts'
import {
  changedIds,
  edit,
  fileDatabase,
  listedIds,
  outcomeOf,
  purgeOf,
  put,
  replicate,
  replicated,
  rev,
  settled,
  testDatabase,
} from '../support/database-fixture.ts'

const number = (seq: string): number => Number.parseInt(seq, 10)

function counts(database: StoredDatabase): number[] {
  const { docCount, docDelCount, updateSeq, purgeSeq } = database.info()
  return [docCount, docDelCount, number(updateSeq), number(purgeSeq)]
}

t.test('the only leaf: the document is gone as if it had never been', async (t) => {
  const { database } = await testDatabase()
  const first = await put(database, edit('a', { v: 1 }))
  const second = await put(database, edit('a', { v: 2 }, { rev: first }))
  await put(database, edit('b'))
  const sizes = database.info().sizes
  t.same(await database.purge([purgeOf('a', [first])]), [{ id: 'a', revs: [] }], 'not a leaf')
  t.same(counts(database), [2, 0, 3, 1], 'what removes nothing is remembered, and changes nothing')
  t.same(await database.purge([purgeOf('a', [second])]), [{ id: 'a', revs: [second] }])
  t.same(counts(database), [1, 0, 4, 2])
  t.ok(database.info().sizes.external < sizes.external)
  t.match(
    outcomeOf(() => database.get('a')),
    { reason: 'missing' },
  )
  t.same(changedIds(database), [['b', false]])
  t.same(listedIds(database), ['b'])
  t.same(await put(database, edit('a', { v: 1 })), first, 'its history begins anew')
  t.same(changedIds(database), [
    ['b', false],
    ['a', false],
  ])
  t.equal(number(database.info().updateSeq), 5, 'no number is given twice')
})

t.test('a leaf of several: the others stay, and the document moves in the sequence', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('a', { v: 'c' }, 2, 'cb'), replicated('a', { v: 'd' }, 2, 'db'))
  await put(database, edit('z'))
  const since = database.info().updateSeq
  t.same(await database.purge([purgeOf('a', [rev('2d'), rev('2f')])]), [{ id: 'a', revs: [rev('2d')] }])
  t.equal(database.get('a').rev, rev('2c'))
  t.same(database.get('a').conflicts(), [])
  t.same(changedIds(database, { since }), [['a', false]], 'followers hear of it')
  t.same(
    runAtOnce(database.missingRevs('a', [rev('2d')].map(parseRevision))).missing,
    [rev('2d')],
    'a replicator may bring it again',
  )
  await replicate(database, replicated('a', { v: 'd' }, 2, 'db'))
  t.equal(database.get('a').rev, rev('2d'))
})

t.test('tombstones, design documents, many at once', async (t) => {
  const { database } = await testDatabase()
  const made = await put(database, edit('_design/v', { validate_doc_update: 'x' }))
  const a1 = await put(database, edit('a'))
  const a2 = await put(database, edit('a', {}, { rev: a1, deleted: true }))
  t.ok(database.hasValidation())
  t.same(counts(database), [1, 1, 3, 0])
  const requests = [purgeOf('nothing', [rev('1a')]), purgeOf('_design/v', [made]), purgeOf('a', [a2])]
  t.same(
    (await database.purge(requests)).map(({ revs }) => revs.length),
    [0, 1, 1],
  )
  t.notOk(database.hasValidation())
  t.same(counts(database), [0, 0, 5, 3])
})

t.test('listeners are told', async (t) => {
  const { database } = await testDatabase()
  const made = await put(database, edit('a'))
  const heard: number[] = []
  database.onChange((seq) => heard.push(seq))
  await database.purge([purgeOf('a', [made])])
  await new Promise((resolve) => setImmediate(resolve))
  t.same(heard, [2])
})

t.test('what is remembered is bounded and survives', async (t) => {
  const fixture = await fileDatabase(t.testdir())
  let { database } = fixture
  const revs = new Map<string, string>()
  for (const id of ['a', 'b', 'c', 'd']) revs.set(id, await put(database, edit(id, { id })))
  const purge = (id: string) => database.purge([purgeOf(id, [revs.get(id)!])])
  const remembered = () => [...database.purgedInfos()].map(({ id }) => id)
  await purge('a')
  await purge('b')
  await purge('c')
  t.same([...database.purgedInfos()][0], { id: 'a', revs: [revs.get('a')] })
  t.same(remembered(), ['a', 'b', 'c'])
  t.equal(database.purgedInfosLimit(), 1000)
  await database.setPurgedInfosLimit(2)
  t.same(remembered(), ['b', 'c'])
  const { updateSeq } = database.info()
  database = await fixture.reopen()
  t.same(counts(database), [1, 0, 7, 3], 'the sequence does not go back although its last entry is gone')
  t.same(changedIds(database, { since: updateSeq }), [], 'sequences stay known')
  t.equal(database.purgedInfosLimit(), 2)
  await purge('d')
  t.same(remembered(), ['c', 'd'])
  t.same(counts(database), [0, 0, 8, 4])
  t.match(await settled(database.setPurgedInfosLimit(0)), { status: 400 })
  await database.close()
})
