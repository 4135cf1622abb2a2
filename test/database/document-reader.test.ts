/** Who reads many documents by one view; that it shows what others do is in `model.test.ts`. */
import t from 'tap'
import { channelledDatabase } from '../../src/channels/channelled-database.ts'
import { ReadingDatabase } from '../../src/database/reading-database.ts'
import { replicatorSeenBy } from '../../src/replicator/documents/replicator-view.ts'
import { usersSeenBy } from '../../src/users/user-view.ts'
import { edit, outcomeOf, testDatabase } from '../support/database-fixture.ts'

const room = Buffer.allocUnsafe

t.test('nobody reads past what he is shown of a database', async (t) => {
  const { database } = await testDatabase()
  t.ok(ReadingDatabase.readerOf(database, room), 'the database itself')
  const users = usersSeenBy(database, { name: 'mia', isAdmin: false, publicFields: [] })
  t.equal(ReadingDatabase.readerOf(users, room), undefined, 'users')
  t.equal(ReadingDatabase.readerOf(replicatorSeenBy(database, 'mia'), room), undefined, 'replications')
  t.equal(ReadingDatabase.readerOf(channelledDatabase(database, undefined), room), undefined, 'channels')
})

t.test('an entry that is longer than most, and damage', async (t) => {
  const fixture = await testDatabase()
  const { database } = fixture
  const ids = Array.from({ length: 100 }, (_, at) => at.toString(16).padStart(32, '0'))
  const revisions = { start: 100, ids }
  await database.update([edit('long', { v: 1 }, { revisions })], { newEdits: false })
  const reader = ReadingDatabase.readerOf(database, room)!
  t.ok(reader.find(Buffer.from('long')))
  t.equal(reader.rev, database.get('long').rev)
  t.equal(reader.revisions().ids.length, 100)
  t.equal(reader.body().toString(), '{"v":1}')
  await fixture.store().transact((tx) => {
    tx.put('id', Buffer.from('other'), Buffer.from([2, 0, 0]))
    tx.put('id', Buffer.from('cut'), fixture.store().get('id', Buffer.from('long'))!.subarray(0, 40))
  })
  for (const id of ['other', 'cut']) {
    t.match(
      outcomeOf(() => database.get(id)),
      { error: 'storage_damaged' },
      id,
    )
    t.match(
      outcomeOf(() => reader.find(Buffer.from(id))),
      { error: 'storage_damaged' },
      `${id}, by a reader`,
    )
  }
  await database.close()
  t.strictSame(
    outcomeOf(() => reader.find(Buffer.from('long'))),
    outcomeOf(() => database.get('long')),
    'closed',
  )
})
