/**
 * Offsets of more than two bytes make a page's slots wider. A page that became wide while its cells were moved was
 * given no room for that, so cells were written over slots; and one that became wide while a patch was applied
 * forgot its base, so that the next patch was made of the patch, which no opening accepts.
 */
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache, type Store } from '../../native-free-btree/index.ts'
import { cellKey } from '../../native-free-btree/page/layout.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { childIndex } from '../../native-free-btree/page/search.ts'

t.test('an inner page that settles across the bound keeps its cells', async (t) => {
  const keys = [Buffer.alloc(0)]
  for (let i = 0; i < 300; i++) keys.push(Buffer.from(`key-${String(i).padStart(4, '0')}`))
  const bare = keys.reduce((sum, key) => sum + 6 + 2 + key.length + 30, 12)
  for (const total of [65_200, 65_279, 65_280, 65_400, 65_520]) {
    // The key's length takes two bytes more than those of the others.
    const last = Buffer.alloc(total - bare - 6 - 4 - 30, 'z')
    const node = MutableNode.empty(false, 65_535, 1)
    const all = [...keys, last]
    for (const [i, key] of all.entries()) node.insertChild(i, key, MutableNode.empty(true, 64, 1))
    t.equal(node.page.length, 65_535, 'the page is narrow')
    for (let i = 1; i < all.length; i++) node.children![i] = undefined
    node.children![0]!.pending = {
      position: 8360,
      length: 64,
      hash: 1n,
      count: 1,
      bytes: 1,
      reduction: undefined,
    }
    node.settle()
    t.ok(
      all.every((key, i) => cellKey(node.page, i).equals(key)),
      `${total} bytes`,
    )
    t.ok(all.every((key, i) => childIndex(node.page, key, undefined) === i))
  }
})

t.test('a patch of a page that it makes wide is the base of none', async (t) => {
  const path = join(t.testdir(), 'store')
  const open = (): Promise<Store> =>
    openStore(path, { trees: { entries: {} }, cache: new PageCache(1 << 24) })
  const small = (n: number): Buffer => Buffer.from(`a${String(n).padStart(3, '0')}`)
  const long = Buffer.alloc(64_900, 'b')
  const value = Buffer.from('value of sixteen')
  let store = await open()
  await store.transact((tx) => {
    for (let n = 0; n < 16; n++) tx.put('entries', small(n), value)
    tx.put('entries', Buffer.from('c'), value)
    tx.put('entries', long, Buffer.alloc(90, 'v'))
  })
  for (let n = 0; n < 6; n++) {
    await store.checkpoint()
    await store.close()
    store = await open()
    for (let i = 0; i < 16; i++) t.same(store.get('entries', small(i)), i < n ? undefined : value)
    t.same(store.get('entries', long), Buffer.alloc(90, 'v'))
    t.same((await store.check()).problems, [])
    await store.transact((tx) => tx.delete('entries', small(n)))
  }
  await store.close()
})
