/**
 * A leaf that shrinks is joined with a neighbour. When that neighbour was damaged, a delete that was durable
 * already could not be applied: the store refused even reads, and every opening failed at the same place.
 */
import t from 'tap'
import type { StorageError } from '../../native-free-btree/index.ts'
import { flipBit } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

const keyOf = (i: number) => Buffer.from(`key ${String(i).padStart(5, '0')}`)

t.test('damage in one leaf does not stop changes to others', async (t) => {
  const disk = new SimulatedDisk(9)
  const store = await openSimulated(disk, '/d/s', new Random(9))
  await store.transact((tx) => {
    for (let i = 0; i < 400; i++) tx.put('plain', keyOf(i), patternBytes(i, 60))
  })
  // Leaves a little more than half full: two of them fit together once one has lost some more.
  await store.transact((tx) => {
    for (let i = 0; i < 400; i++) if (i % 5 === 1 || i % 5 === 2) tx.delete('plain', keyOf(i))
  })
  await store.checkpoint()
  await store.close()
  const probe = patternBytes(200, 60)
  const content = Buffer.from(disk.content('/d/s'))
  // The value is there as a record and, further on, in the leaf of the checkpoint.
  flipBit(disk, '/d/s', content.lastIndexOf(probe), 0)

  const open = () => openSimulated(disk, '/d/s', new Random(9))
  const damaged = await open()
  const answers = { done: 0, refused: 0 }
  for (let i = 0; i < 400; i++) {
    if (i % 20 === 0) continue
    try {
      await damaged.transact((tx) => tx.delete('plain', keyOf(i)))
      answers.done += 1
    } catch (error) {
      t.equal((error as StorageError).code, 'DAMAGED')
      answers.refused += 1
    }
  }
  t.ok(answers.refused > 0 && answers.refused < 80, `${answers.refused} keys are in the damaged leaf`)
  t.same(damaged.get('plain', keyOf(0)), patternBytes(0, 60))
  t.throws(() => damaged.get('plain', keyOf(200)), { code: 'DAMAGED' })
  const reopened = await open()
  t.same(reopened.get('plain', keyOf(380)), patternBytes(380, 60))
  t.equal(reopened.get('plain', keyOf(393)), undefined)
})
