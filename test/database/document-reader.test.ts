/** Documents that are looked up as they are stored; that they show what others do is in `model.test.ts`. */
import t from 'tap'
import type { EntryPlace } from '../../native-free-btree/index.ts'
import { Metrics } from '../../src/base/metrics.ts'
import { channelledDatabase } from '../../src/channels/channelled-database.ts'
import { DocumentReader } from '../../src/database/read/document-reader.ts'
import { replicatorSeenBy } from '../../src/replicator/documents/replicator-view.ts'
import { usersSeenBy } from '../../src/users/user-view.ts'
import { edit, outcomeOf, testDatabase } from '../support/database-fixture.ts'

const ID = Buffer.from('long')

t.test('nobody reads past what he is shown of a database', async (t) => {
  const { database } = await testDatabase()
  await database.update([edit('long', { v: 1 })], { newEdits: true })
  const users = usersSeenBy(database, { name: 'mia', isAdmin: false, publicFields: [] })
  const seen = { users, replications: replicatorSeenBy(database, 'mia') }
  t.ok(database.storedRow(ID, 0, ID.length), 'the database itself')
  for (const [name, narrowed] of Object.entries(seen)) {
    t.equal(narrowed.storedRow(ID, 0, ID.length), undefined, name)
  }
  const channels = channelledDatabase(database, undefined)
  t.match(
    outcomeOf(() => channels.storedRow(ID, 0, ID.length)),
    { error: 'forbidden' },
    'channels',
  )
})

t.test('an entry that is longer than most, and damage', async (t) => {
  const fixture = await testDatabase()
  const { database } = fixture
  const ids = Array.from({ length: 100 }, (_, at) => at.toString(16).padStart(32, '0'))
  const revisions = { start: 100, ids }
  await database.update([edit('long', { v: 1 }, { revisions })], { newEdits: false })
  const row = database.storedRow(ID, 0, ID.length)!
  t.equal(row.rev, database.get('long').rev)
  t.equal(row.revisions().ids.length, 100)
  t.equal(row.body().toString(), '{"v":1}')
  await fixture.store().transact((tx) => {
    tx.put('id', Buffer.from('other'), Buffer.from([2, 0, 0]))
    tx.put('id', Buffer.from('cut'), fixture.store().get('id', ID)!.subarray(0, 40))
  })
  for (const id of ['other', 'cut']) {
    t.match(
      outcomeOf(() => database.get(id)),
      { error: 'storage_damaged' },
      id,
    )
    t.match(
      outcomeOf(() => database.storedRow(Buffer.from(id), 0, id.length)),
      { error: 'storage_damaged' },
      `${id}, as it is stored`,
    )
  }
  await database.close()
  t.strictSame(
    outcomeOf(() => database.storedRow(ID, 0, ID.length)),
    outcomeOf(() => database.get('long')),
    'closed',
  )
})

t.test('a document is shown as it was found, where its settings are read again from the store', async (t) => {
  const { database, store } = await testDatabase()
  const bodies = [{ v: 'a' }, { v: 'b' }]
  for (const [at, body] of bodies.entries()) {
    const revisions = { start: 1, ids: [`${at + 1}`.repeat(32)] }
    await database.update([edit('long', body, { revisions })], { newEdits: false })
  }
  /** What the store lends until anything else is asked of it. */
  let lent = Buffer.alloc(0)
  const place = (tree: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean => {
    const isThere = store().place(tree, bytes, start, end, into)
    const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd } = into
    const key = keyBytes.subarray(keyStart, keyEnd)
    lent = Buffer.concat([key, valueBytes.subarray(valueStart, valueEnd)])
    const valueAt = key.length
    Object.assign(into, { keyBytes: lent, keyStart: 0, keyEnd: valueAt })
    Object.assign(into, { valueBytes: lent, valueStart: valueAt, valueEnd: lent.length })
    return isThere
  }
  const reader = new DocumentReader({
    source: () => ({ place, values: store().values }),
    settings: {
      get revsLimit() {
        lent.fill(0xdd)
        return 1000
      },
    },
    metrics: new Metrics(),
  })
  t.equal(reader.find(ID, 0, ID.length), true)
  t.strictSame(reader.conflicts(), [`1-${'1'.repeat(32)}`])
  t.equal(reader.id, 'long')
  t.equal(reader.rev, `1-${'2'.repeat(32)}`)
  t.equal(reader.body().toString(), '{"v":"b"}')
  await database.close()
})
