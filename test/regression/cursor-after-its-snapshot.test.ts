/**
 * A cursor that stood on an entry when its snapshot was closed went on showing what its page held, and pages are
 * changed where they lie once no snapshot is open: it gave the bytes of other entries.
 */
import { join } from 'node:path'
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'

const keyOf = (n: number): Buffer => Buffer.from(`key-${String(n).padStart(3, '0')}`)

t.test('a cursor says that its snapshot was closed', async (t) => {
  const store = await openStore(join(t.testdir(), 'store'), { trees: { entries: {} } })
  await store.transact((tx) => {
    for (let n = 0; n < 20; n++) tx.put('entries', keyOf(n), Buffer.from(`first ${n}`))
  })
  const snapshot = store.snapshot()
  const cursor = snapshot.tree('entries').cursor()
  t.equal(cursor.next(), true)
  t.same(cursor.key(), keyOf(0))
  snapshot.close()
  await store.transact((tx) => tx.delete('entries', keyOf(0)))
  t.throws(() => cursor.key(), { code: 'CLOSED' })
  t.throws(() => cursor.value(), { code: 'CLOSED' })
  t.throws(() => cursor.valueLength(), { code: 'CLOSED' })
  await store.close()
})
