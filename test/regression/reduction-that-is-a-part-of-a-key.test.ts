/**
 * A reducer may give back a part of what it was given, as one that keeps the least key does. What it was given was
 * a page, whose cells were moved together before the summary was written: the file got other bytes.
 */
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache, type Reducer, type Store } from '../../native-free-btree/index.ts'

const least: Reducer = {
  name: 'least',
  version: 1,
  maxBytes: 16,
  map: (key) => key,
  combine: (parts) => parts[0] ?? new Uint8Array(0),
}

const keyOf = (n: number): Buffer => Buffer.from(`key-${String(n).padStart(5, '0')}`)

t.test('a summary stays what it was', async (t) => {
  const path = join(t.testdir(), 'store')
  const open = (): Promise<Store> =>
    openStore(path, { trees: { entries: { reducer: least } }, cache: new PageCache(16 * 1024 * 1024) })
  const store = await open()
  for (let round = 0; round < 8; round++) {
    await store.transact((tx) => {
      for (let n = round; n < 2000; n += 8) tx.put('entries', keyOf(n), Buffer.alloc(20, round))
      for (let n = round - 2; n >= 0 && n < 2000; n += 24) tx.delete('entries', keyOf(n))
    })
    await store.checkpoint()
  }
  const snapshot = store.snapshot()
  const { reduction } = snapshot.tree('entries').reduce()
  const first = snapshot.tree('entries').cursor()
  first.next()
  t.same(reduction, first.key())
  snapshot.close()
  await store.transact((tx) => {
    for (let n = 0; n < 300; n++) tx.delete('entries', keyOf(n))
    for (let n = 300; n < 400; n++) tx.put('entries', keyOf(n), Buffer.alloc(200, 'x'))
  })
  await store.checkpoint()
  t.same((await store.check()).problems, [])
  await store.close()
  const reopened = await open()
  t.same((await reopened.check()).problems, [])
  const after = reopened.snapshot()
  t.same(after.tree('entries').reduce().reduction, keyOf(300))
  t.same(after.tree('entries').reduce({ start: keyOf(350), end: keyOf(900) }).reduction, keyOf(350))
  after.close()
  await reopened.close()
})
