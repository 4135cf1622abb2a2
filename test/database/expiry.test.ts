import t from 'tap'
import { formatExpiry, parseExpiry } from '../../src/database/layout/expiry.ts'
import {
  edit,
  NOW_MS,
  purgeOf,
  put,
  replicate,
  replicated,
  rev,
  settled,
  testDatabase,
} from '../support/database-fixture.ts'
import { failure } from '../support/http-request.ts'

const parse = (value: unknown) => parseExpiry(Buffer.from(JSON.stringify(value)))

t.test('forms', async (t) => {
  const summer = Date.UTC(2016, 6, 6, 16)
  t.same(parse('2016-07-06T17:00:00+01:00'), { atMs: summer })
  t.same(parse('2016-07-06t16:00:00z'), { atMs: summer })
  t.same(parse('2016-07-06T16:00:00.25Z'), { atMs: summer + 250 })
  t.same(parse(summer / 1000), { atMs: summer })
  t.same(parse(String(summer / 1000)), { atMs: summer })
  t.same(parse(5), { afterMs: 5000 })
  t.same(parse('5'), { afterMs: 5000 })
  t.same(parse(30 * 86400), { afterMs: 30 * 86_400_000 })
  t.same(parse(30 * 86400 + 1), { atMs: (30 * 86400 + 1) * 1000 })
  t.same([parse(0), parse('0'), parse(null)], [null, null, null])
  const wrong = [
    ...[
      -1,
      1.5,
      1e300,
      253_402_300_800,
      true,
      {},
      [],
      '',
      'soon',
      '5s',
      '-5',
      '2016-07-06',
      '2016-07-06T17:00:00',
    ],
    ...['2016-13-01T00:00:00Z', '2016-02-30T00:00:00Z', '1969-12-31T23:59:59Z', '2016-07-06 17:00:00Z'],
  ]
  for (const value of wrong)
    t.throws(() => parse(value), failure({ kind: 'badRequest' }), JSON.stringify(value))
  t.equal(formatExpiry(summer), '2016-07-06T16:00:00Z')
  t.equal(formatExpiry(summer + 250), '2016-07-06T16:00:00.250Z')
})

const soon = { afterMs: 1000 }

t.test('the time belongs to the revision that was added last', async (t) => {
  const { database, reopen } = await testDatabase()
  t.equal(database.nextExpiry(), undefined)
  await put(database, { ...edit('a'), expiry: soon })
  t.equal(database.get('a').expiresAtMs, NOW_MS + 1000)
  t.equal(database.nextExpiry(), NOW_MS + 1000)
  const page = database.changes()
  t.equal(page.rows.next().value!.document().expiresAtMs, NOW_MS + 1000)
  page.rows.return?.()
  t.equal((await reopen()).nextExpiry(), NOW_MS + 1000)
})

t.test('a new revision without a time clears it, a refused one does not', async (t) => {
  const { database } = await testDatabase()
  const first = await put(database, { ...edit('a'), expiry: soon })
  await database.update([edit('a', { v: 2 }, { rev: rev('1f') })])
  t.equal(database.nextExpiry(), NOW_MS + 1000)
  const second = await put(database, edit('a', { v: 2 }, { rev: first }))
  t.same([database.get('a').expiresAtMs, database.nextExpiry()], [undefined, undefined])
  const third = await put(database, { ...edit('a', { v: 3 }, { rev: second }), expiry: { atMs: NOW_MS + 9 } })
  t.equal(database.nextExpiry(), NOW_MS + 9)
  await put(database, { ...edit('a', {}, { rev: third, deleted: true }), expiry: soon })
  t.equal(database.nextExpiry(), undefined, 'a deleted document has nothing to lose')
})

t.test('the time is no part of the revision', async (t) => {
  const { database } = await testDatabase()
  const plain = await put(database, edit('a', { v: 1 }))
  const timed = await put(database, { ...edit('b', { v: 1 }), expiry: soon })
  t.equal(timed, plain)
})

t.test('documents expire in the order of their times, in batches, none before', async (t) => {
  const { database } = await testDatabase()
  for (const [id, afterMs] of [
    ['c', 1],
    ['a', 3],
    ['b', 2],
    ['d', 900],
  ] as const) {
    await put(database, { ...edit(id), expiry: { afterMs } })
  }
  t.equal(await database.expire(NOW_MS, 10), 0)
  t.equal(await database.expire(NOW_MS + 100, 2), 2)
  t.equal(await database.expire(NOW_MS + 100, 2), 1)
  t.equal(await database.expire(NOW_MS + 100, 2), 0)
  const rows = [...database.changes({ since: 4 }).rows].map((row) => [row.id, row.deleted])
  t.same(rows, [
    ['c', true],
    ['b', true],
    ['a', true],
  ])
  t.equal(database.nextExpiry(), NOW_MS + 900)
  t.match(database.info(), { docCount: 1, docDelCount: 3 })
  const page = database.changes({ since: 4 })
  const tombstone = page.rows.next().value!.document()
  t.same([tombstone.body().toString(), tombstone.expiresAtMs], ['{}', undefined])
  page.rows.return?.()
})

t.test('all live leaves go', async (t) => {
  const { database } = await testDatabase()
  await replicate(database, replicated('a', { v: 1 }, 2, 'ba'), replicated('a', { v: 2 }, 2, 'ca'))
  await replicate(database, { ...replicated('a', { v: 3 }, 2, 'da'), expiry: soon })
  await replicate(database, replicated('a', { v: 3 }, 2, 'da'))
  t.equal(database.nextExpiry(), NOW_MS + 1000, 'what is known already changes nothing')
  await replicate(database, replicated('a', {}, 3, 'eca', true))
  t.equal(database.nextExpiry(), NOW_MS + 1000, 'nor does a deletion of one leaf')
  t.equal(await database.expire(NOW_MS + 1000, 10), 1)
  const leaves = database.openRevs('a', 'all').map((found) => 'ok' in found && found.ok.deleted)
  t.same(leaves, [true, true, true])
  t.match(await settled(Promise.resolve().then(() => database.get('a'))), {
    error: 'not_found',
    reason: 'deleted',
  })
})

t.test('a tombstone is that of a DELETE', async (t) => {
  const { database } = await testDatabase()
  await put(database, { ...edit('a', { v: 1 }), expiry: soon })
  const other = await testDatabase()
  const first = await put(other.database, edit('a', { v: 1 }))
  const second = await put(other.database, edit('a', {}, { rev: first, deleted: true }))
  await database.expire(NOW_MS + 1000, 1)
  t.equal(database.lookup('a')!.rev, second)
})

t.test('a purge takes the time along', async (t) => {
  const { database } = await testDatabase()
  const a = await put(database, { ...edit('a'), expiry: soon })
  await replicate(database, replicated('b', {}, 1, 'a'), {
    ...replicated('b', {}, 1, 'b'),
    expiry: { afterMs: 5 },
  })
  await database.purge([purgeOf('a', [a]), purgeOf('b', [rev('1b')])])
  t.equal(database.nextExpiry(), NOW_MS + 5, 'the leaf that is left keeps it')
  t.equal(await database.expire(NOW_MS + 2000, 10), 1)
  t.equal(database.lookup('a'), undefined)
})

t.test('a write that sets a time is acknowledged when the listener has done', async (t) => {
  const { database } = await testDatabase()
  const heard: number[] = []
  let go: () => void = () => {}
  database.onExpirySet((expiresAtMs) => {
    heard.push(expiresAtMs)
    return new Promise((resolve) => {
      go = resolve
    })
  })
  await put(database, edit('plain'))
  let done = false
  const writing = put(
    database,
    { ...edit('a'), expiry: soon },
    { ...edit('b'), expiry: { afterMs: 1 } },
  ).then(() => {
    done = true
  })
  while (heard.length === 0) await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.same([heard, done], [[NOW_MS + 1], false])
  go()
  await writing
})
