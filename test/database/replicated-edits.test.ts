/** Edits with `new_edits: false`: every revision is kept as it is given. */

import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import { parseRevision } from '../../src/database/revisions/revision-id.ts'
import {
  edit,
  outcomeOf,
  put,
  replicate,
  replicated,
  rev,
  settled,
  testDatabase,
} from '../support/database-fixture.ts'

t.test('conflicts, ancestors without bodies, and what is known already', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, edit('a', { v: 'a' }, { rev: rev('1a') }))
  await replicate(database, edit('a', { v: 'b' }, { rev: rev('1b') }))
  t.same([database.get('a').rev, database.get('a').conflicts()], [rev('1b'), [rev('1a')]])

  const results = await replicate(database, replicated('a', { v: 'c' }, 3, 'cda'))
  t.same(results, [{ ok: true, id: 'a', rev: rev('3c') }])
  const view = database.get('a')
  t.same([view.rev, view.conflicts(), view.body().toString()], [rev('3c'), [rev('1b')], '{"v":"c"}'])
  t.same(view.revisions(), { start: 3, ids: ['c', 'd', 'a'].map((letter) => letter.repeat(32)) })
  t.same(
    view.revsInfo().map((info) => info.status),
    ['available', 'missing', 'available'],
  )
  t.match(
    outcomeOf(() => database.get('a', { rev: rev('2d') })),
    { status: 404, reason: 'missing' },
  )

  const before = database.updateSeqNumber
  await replicate(database, replicated('a', { v: 'changed' }, 3, 'cda'), replicated('a', { v: 'x' }, 1, 'a'))
  t.equal(database.updateSeqNumber, before, 'known revisions take no place in the sequence')
  t.equal(database.get('a').body().toString(), '{"v":"c"}')
  await replicate(database, replicated('a', { v: 'd' }, 2, 'da'))
  t.equal(database.updateSeqNumber, before + 1)
  t.equal(
    database
      .get('a', { rev: rev('2d') })
      .body()
      .toString(),
    '{"v":"d"}',
    'an ancestor gets its body',
  )
})

t.test('the winner', async (t) => {
  const { database } = await testDatabase()
  await replicate(
    database,
    replicated('alldel', {}, 2, 'ba', true),
    replicated('alldel', {}, 2, 'fa', true),
    replicated('del', {}, 4, 'dcba', true),
    replicated('del', { v: 'live' }, 2, 'ea'),
    replicated('len', { v: 'short but big' }, 1, 'f'),
    replicated('len', { v: 'longer' }, 2, 'ab'),
    replicated('tie', { v: 'b' }, 2, 'ba'),
    replicated('tie', { v: 'c' }, 2, 'ca'),
  )
  t.same([database.get('len').rev, database.get('len').conflicts()], [rev('2a'), [rev('1f')]])
  t.same([database.get('tie').rev, database.get('tie').conflicts()], [rev('2c'), [rev('2b')]])
  t.same([database.get('del').rev, database.get('del').deletedConflicts()], [rev('2e'), [rev('4d')]])
  t.match(
    outcomeOf(() => database.get('alldel')),
    { status: 404, reason: 'deleted' },
  )
  const rows = [...database.changes({ style: 'all_docs' }).rows]
  t.same(
    rows.map((row) => [row.id, row.deleted, row.revs]),
    [
      ['alldel', true, [rev('2f'), rev('2b')]],
      ['del', false, [rev('2e'), rev('4d')]],
      ['len', false, [rev('2a'), rev('1f')]],
      ['tie', false, [rev('2c'), rev('2b')]],
    ],
  )
  t.match(database.info(), { docCount: 3, docDelCount: 1 })
})

t.test('open_revs, rev and latest', async (t) => {
  const { database } = await testDatabase()
  await replicate(
    database,
    replicated('a', { v: 'c' }, 3, 'cba'),
    replicated('a', { v: 'd' }, 3, 'dba'),
    replicated('a', {}, 2, 'ea', true),
  )
  const open = (revs: 'all' | string[], latest = false): string[] =>
    database
      .openRevs('a', revs, { latest })
      .map((row) => ('ok' in row ? row.ok.rev : `missing ${row.missing}`))
  t.same(open('all'), [rev('3d'), rev('3c'), rev('2e')])
  t.same(open([rev('3d'), rev('9f'), rev('2b')]), [rev('3d'), `missing ${rev('9f')}`, `missing ${rev('2b')}`])
  t.same(open([rev('2b'), rev('3c'), rev('9f')], true), [rev('3d'), rev('3c'), `missing ${rev('9f')}`])
  t.match(
    outcomeOf(() => open(['bogus'])),
    { status: 400, reason: 'Invalid rev format' },
  )
  t.match(
    outcomeOf(() => database.openRevs('none', 'all')),
    { status: 404, reason: 'missing' },
  )
  t.same(database.openRevs('none', [rev('1a')]), [{ missing: rev('1a') }])

  t.equal(database.get('a', { rev: rev('2b'), latest: true }).rev, rev('3d'))
  t.equal(database.get('a', { rev: rev('3c'), latest: true }).rev, rev('3c'), 'its own branch')
  t.equal(database.get('a', { rev: rev('1a'), latest: true }).rev, rev('3d'))
  t.match(
    outcomeOf(() => database.get('a', { rev: '1' })),
    { status: 400, reason: 'Invalid rev format' },
  )
  t.match(
    outcomeOf(() => database.get('a', { rev: '1-zz' })),
    { status: 404, reason: 'missing' },
  )
})

t.test('missing revisions and possible ancestors', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('a', { v: 'c' }, 3, 'cba'), replicated('a', { v: 'd' }, 2, 'da'))
  t.same(
    runAtOnce(database.missingRevs('a', [rev('3c'), rev('2b'), rev('4f'), rev('1e')].map(parseRevision))),
    {
      missing: [rev('1e'), rev('4f')],
      possibleAncestors: [rev('2d'), rev('3c')],
    },
  )
  t.same(runAtOnce(database.missingRevs('a', [rev('3c')].map(parseRevision))), {
    missing: [],
    possibleAncestors: [],
  })
  t.same(runAtOnce(database.missingRevs('no', [rev('1a')].map(parseRevision))), {
    missing: [rev('1a')],
    possibleAncestors: [],
  })
})

t.test('in one request an ancestor of another edit is stored too', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('a', { v: 1 }, 1, 'a'), replicated('a', { v: 2 }, 2, 'ba'))
  t.equal(database.updateSeqNumber, 1)
  t.same(
    database
      .get('a')
      .revsInfo()
      .map((info) => info.status),
    ['available', 'available'],
  )
})

t.test('histories are cut to the limit', async (t) => {
  const { database, reopen } = { ...(await testDatabase()) }
  await database.setRevsLimit(2)
  const first = await put(database, edit('a', { v: 1 }))
  const second = await put(database, edit('a', { v: 2 }, { rev: first }))
  const third = await put(database, edit('a', { v: 3 }, { rev: second }))
  t.equal(third, '3-c50a32451890a3f1c3e423334cc92745')
  t.same(database.get('a').revsInfo(), [
    { rev: third, status: 'available' },
    { rev: second, status: 'available' },
  ])
  t.match(
    outcomeOf(() => database.get('a', { rev: first })),
    { status: 404, reason: 'missing' },
  )
  t.match(await settled(database.setRevsLimit(0)), { status: 400 })
  const again = await reopen()
  t.equal(again.revsLimit(), 2)
  t.same(again.get('a').revisions().ids.length, 2)
})

t.test('a malformed path is refused whole', async (t) => {
  const { database } = await testDatabase()
  t.match(
    await settled(replicate(database, edit('a', {}, { revisions: { start: 1, ids: ['g'.repeat(32)] } }))),
    {
      status: 400,
    },
  )
  t.match(await settled(replicate(database, edit('a', {}))), {
    status: 400,
    reason: /needs `_rev` or `_revisions`/,
  })
  t.match(await settled(replicate(database, edit('a', {}, { rev: 'zz' }))), { status: 400 })
})
