/**
 * A cursor stands on a page from one turn to the next. The writer, which takes clean pages out of the cache to
 * change them where they are, once counted the open snapshots of another reader of the same file, and changed
 * the page under the cursor.
 */
import { join } from 'node:path'
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'

const keyOf = (n: number): Buffer => Buffer.from(`key-${String(n).padStart(6, '0')}`)

t.test('a cursor that stands sees its commit, whatever is written beside it', async (t) => {
  const store = await openStore(join(t.testdir(), 'store'), { trees: { entries: {} } })
  await store.transact((tx) => {
    for (let n = 0; n < 5000; n++) tx.put('entries', keyOf(n), Buffer.from(`first ${n}`))
  })
  await store.checkpoint()
  const snapshot = store.snapshot()
  const cursor = snapshot.tree('entries').cursor()
  for (let n = 0; n < 5000; n++) {
    t.equal(cursor.next(), true)
    if (n % 50 === 10) {
      // Before, at and behind the place of the cursor, in its leaf; a checkpoint now and then.
      await store.transact((tx) => {
        for (let near = n - 5; near < n + 5; near++) {
          if (near % 3 === 0) tx.delete('entries', keyOf(near))
          else tx.put('entries', keyOf(near), Buffer.from(`second ${near}, which is longer`))
          tx.put('entries', Buffer.concat([keyOf(near), Buffer.from('+')]), Buffer.from('new'))
        }
      })
      if (n % 200 === 10) await store.checkpoint()
    }
    if (!cursor.key().equals(keyOf(n)) || cursor.value().toString() !== `first ${n}`) {
      t.fail(`${cursor.key()} is ${cursor.value()} at entry ${n}`)
      break
    }
  }
  t.equal(cursor.next(), false)
  snapshot.close()
  await store.close()
})
