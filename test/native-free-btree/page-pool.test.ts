/** Pages of changed nodes that are used again, and what is known of where their cells came from. */
import t from 'tap'
import { cellLength, writeCell } from '../../native-free-btree/page/cell.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { PagePool } from '../../native-free-btree/page/pool.ts'

t.test('a page that is a little larger serves where none of the right size is free', async (t) => {
  const pool = new PagePool()
  const page = pool.take(3000)
  const right = pool.take(2500)
  pool.giveBack(page)
  pool.giveBack(right)
  await Promise.resolve()
  t.equal(pool.take(2500), right, 'the right size comes first')
  t.equal(pool.take(2500), page)
  t.equal(pool.take(2500).length, 2560, 'then new memory is taken')
  pool.giveBack(page)
  await Promise.resolve()
  t.not(pool.take(1000), page, 'one that is much larger does not serve')
  t.equal(pool.take(3000), page)
})

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
