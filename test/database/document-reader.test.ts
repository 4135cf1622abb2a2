/** Documents that are looked up as they are stored; that they show what others do is in `model.test.ts`. */
import t from 'tap'
import { channelledDatabase } from '../../src/channels/channelled-database.ts'
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
