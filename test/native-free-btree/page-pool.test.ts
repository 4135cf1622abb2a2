/** Pages of changed nodes that are used again, and what is known of where their cells came from. */
import t from 'tap'
import { cellLength, writeCell } from '../../native-free-btree/page/cell.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { PagePool } from '../../native-free-btree/page/pool.ts'

t.test(
  'a page is as long as it would be anew, whatever was given back: what a writer makes of it depends on that',
  async (t) => {
    const pool = new PagePool()
    const pages = [2500, 2700, 3000].map((bytes) => pool.take(bytes))
    for (const page of pages) pool.giveBack(page)
    await Promise.resolve()
    t.equal(pool.take(2500), pages[0])
    t.equal(pool.take(2500).length, PagePool.lengthFor(2500))
    t.equal(pool.take(3000), pages[2])
  },
)

t.test('what a copy of a node notes of its base, the node that it was copied from does not', async (t) => {
  const whole = MutableNode.empty(true, 1024, 1)
  for (let number = 0; number < 6; number++) {
    const cell = Buffer.alloc(cellLength(2, 3))
    writeCell(cell, 0, Buffer.of(0x61, 0x30 + number), Buffer.from('old'), false)
    whole.insertCell(number, cell, 0, cell.length)
  }
  whole.settle()
  const place = { position: 4096, length: 100, hash: 1n }
  const node = MutableNode.fromPage(whole.keep(false), place, 1, 2048)
  node.removeCell(4)
  node.replacePayload(1, Buffer.from('new'), false)
  const copy = node.clone(2)
  copy.removeCell(0)
  copy.replacePayload(2, Buffer.from('new'), false)
  copy.removeCell(0)
  t.same([node.origin!.removed, node.origin!.changed], [[4], [1]])
  t.same([copy.origin!.removed, copy.origin!.changed], [[0, 1, 4], [3]])
})
