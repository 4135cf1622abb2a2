import t from 'tap'
import type { DocumentView } from '../../src/database/api/database.ts'
import { edit, put, settled, testDatabase } from '../support/database-fixture.ts'

const counted = (view: DocumentView) => {
  const { n } = JSON.parse(view.body().toString()) as { n: number }
  return edit('a', { n: n + 1 }, { rev: view.rev })
}

t.test('edits of one document see each other, written or not', async (t) => {
  const { database, store } = await testDatabase()
  await put(database, edit('a', { n: 0 }))
  const { commit } = store()
  const results = await Promise.all(Array.from({ length: 50 }, () => database.updateInTurn('a', counted)))
  t.ok(results.every(({ ok }) => ok))
  t.equal(store().commit, commit + 1, 'all in one group')
  const view = database.get('a')
  t.same([view.rev.split('-')[0], view.body().toString()], ['51', '{"n":50}'])
})

t.test('what is not there, and what fails, writes nothing', async (t) => {
  const { database } = await testDatabase()
  const seq = database.updateSeqNumber
  t.match(await settled(database.updateInTurn('a', counted)), { error: 'not_found', reason: 'missing' })
  const rev = await put(database, edit('a', { n: 0 }))
  const broken = database.updateInTurn('a', () => {
    throw new TypeError('no')
  })
  await t.rejects(broken, { message: 'no' })
  t.match(await database.updateInTurn('a', () => edit('a', {}, { rev: `1-${'0'.repeat(32)}` })), {
    ok: false,
    refusal: { kind: 'conflict' },
  })
  t.equal(database.get('a').rev, rev)
  t.equal(database.updateSeqNumber, seq + 1)
  await put(database, edit('a', {}, { rev, deleted: true }))
  t.match(await settled(database.updateInTurn('a', counted)), { error: 'not_found', reason: 'deleted' })
})
