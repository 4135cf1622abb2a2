/** In a tree without entries every key ranks first, and what is no key was answered so too. */
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache } from '../../native-free-btree/index.ts'

t.test('what is no key is refused whether the tree has entries or not', async (t) => {
  const store = await openStore(join(t.testdir(), 'store'), {
    trees: { entries: {} },
    cache: new PageCache(1 << 20),
  })
  const refusesAll = (what: string): void => {
    const snapshot = store.snapshot()
    const tree = snapshot.tree('entries')
    for (const key of ['text', undefined, null, 1, {}, [1]] as never[]) {
      for (const ask of ['rank', 'get', 'has'] as const) {
        t.throws(() => tree[ask](key), { code: 'INVALID_ARGUMENT' }, `${ask} in ${what} of ${String(key)}`)
      }
      for (const bound of [{ start: key ?? 1 }, { end: key ?? 1 }] as never[]) {
        t.throws(() => tree.reduce(bound), { code: 'INVALID_ARGUMENT' }, `reduce in ${what}`)
        t.throws(() => tree.cursor(bound), { code: 'INVALID_ARGUMENT' }, `cursor in ${what}`)
      }
    }
    snapshot.close()
  }
  refusesAll('an empty tree')
  await store.transact((tx) => tx.put('entries', Buffer.from('b'), Buffer.from('value')))
  refusesAll('a tree with entries')
  const snapshot = store.snapshot()
  const ranks = ['a', 'b', 'c'].map((key) => snapshot.tree('entries').rank(Buffer.from(key)))
  t.same(ranks, [0, 0, 1])
  snapshot.close()
  await store.close()
})
