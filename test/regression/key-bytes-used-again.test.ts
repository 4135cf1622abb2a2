/**
 * A write spared itself the look at the leaf of a key that had just been read, and knew that key by the object
 * that held it. With another key in the same bytes the leaf of that one was not looked at, and when it was
 * damaged a durable commit could not be applied: the store refused everything.
 */
import t from 'tap'
import { flipBit } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

const keyOf = (i: number) => Buffer.from(`key ${String(i).padStart(5, '0')}`)

t.test('a key buffer may be used again for another key', async (t) => {
  const disk = new SimulatedDisk(14)
  const store = await openSimulated(disk, '/d/s', new Random(14))
  await store.transact((tx) => {
    for (let i = 0; i < 400; i++) tx.put('plain', keyOf(i), patternBytes(i, 60))
  })
  await store.checkpoint()
  await store.close()
  // The last copy of the value is the one in the leaf.
  flipBit(disk, '/d/s', Buffer.from(disk.content('/d/s')).lastIndexOf(patternBytes(200, 60)), 0)
  const damaged = await openSimulated(disk, '/d/s', new Random(14))
  const key = Buffer.alloc(9)
  await t.rejects(
    damaged.transact((tx) => {
      keyOf(0).copy(key)
      tx.get('plain', key)
      keyOf(200).copy(key)
      tx.put('plain', key, Buffer.alloc(0))
    }),
    { code: 'DAMAGED' },
  )
  t.same(damaged.get('plain', keyOf(0)), patternBytes(0, 60))
  await damaged.transact((tx) => tx.put('plain', keyOf(0), Buffer.alloc(0)))
})
