/**
 * An inner page that lost all of its keys but the first, which is none, kept the prefix that they had shared. The
 * next key was taken to have it too: searches for a key that was shorter looked into the child before it.
 */
import t from 'tap'
import { prefixLength } from '../../native-free-btree/page/layout.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { childIndex } from '../../native-free-btree/page/search.ts'

const leaf = () => MutableNode.empty(true, 64, 1)

t.test('a page without keys has no prefix', async (t) => {
  const node = MutableNode.empty(false, 1024, 1)
  node.insertChild(0, Buffer.alloc(0), leaf())
  node.insertChild(1, Buffer.from('a long key, 1'), leaf())
  node.insertChild(2, Buffer.from('a long key, 2'), leaf())
  t.equal(prefixLength(node.page), 12)
  node.removeChild(2)
  node.removeChild(1)
  node.insertChild(1, Buffer.from('b'), leaf())
  t.equal(childIndex(node.page, Buffer.from('b'), undefined), 1)
  t.equal(childIndex(node.page, Buffer.from('a'), undefined), 0)
  t.ok(prefixLength(node.page) <= 1)
  node.insertChild(2, Buffer.from('bc'), leaf())
  t.equal(childIndex(node.page, Buffer.from('bc'), undefined), 2)
})
