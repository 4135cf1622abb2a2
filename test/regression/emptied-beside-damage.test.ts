/**
 * A leaf that a transaction empties leaves its range to a neighbour. When that neighbour was damaged, and the same
 * transaction put something into the range again, a durable commit could not be applied, nor replayed: the store
 * could not be opened any more.
 */
import t from 'tap'
import type { StorageError } from '../../native-free-btree/index.ts'
import { flipBit } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

const keyOf = (i: number) => Buffer.from(`key ${String(i).padStart(5, '0')}`)

for (const around of ['before', 'behind']) {
  t.test(`a leaf ${around} a damaged one is emptied and filled again`, async (t) => {
    const disk = new SimulatedDisk(21)
    const open = () => openSimulated(disk, '/d/s', new Random(21))
    const store = await open()
    await store.transact((tx) => {
      for (let i = 0; i < 400; i++) tx.put('plain', keyOf(i), patternBytes(i, 60))
    })
    await store.checkpoint()
    await store.close()
    const content = Buffer.from(disk.content('/d/s'))
    flipBit(disk, '/d/s', content.lastIndexOf(patternBytes(200, 60)), 0)
    const damaged = await open()
    const unreadable: number[] = []
    for (let i = 0; i < 400; i++) {
      try {
        damaged.get('plain', keyOf(i))
      } catch (error) {
        t.equal((error as StorageError).code, 'DAMAGED')
        unreadable.push(i)
      }
    }
    const from = around === 'before' ? unreadable[0]! - 60 : unreadable[unreadable.length - 1]! + 1
    const outcome = await damaged
      .transact((tx) => {
        for (let i = from; i < from + 60; i++) tx.delete('plain', keyOf(i))
        for (let i = from; i < from + 60; i++) tx.put('plain', keyOf(i), Buffer.from('again'))
      })
      .then(
        () => 'done',
        (error: StorageError) => error.code,
      )
    t.ok(outcome === 'done' || outcome === 'DAMAGED', outcome)
    t.same(damaged.get('plain', keyOf(0)), patternBytes(0, 60))
    const reopened = await open()
    const expected = outcome === 'done' ? Buffer.from('again') : patternBytes(from + 30, 60)
    t.same(reopened.get('plain', keyOf(from + 30)), expected)
  })
}
