/** A check said "damaged, 1000 problems" of a file with any number of more: what it did not list it did not count. */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('every problem is counted', async (t) => {
  const disk = new SimulatedDisk(1)
  const store = await openSimulated(disk, '/d/s', new Random(1))
  // References to where nothing lies.
  const nothing = Buffer.alloc(16)
  nothing.writeUInt32LE(9000, 0)
  nothing.writeUInt32LE(10, 6)
  await store.transact((tx) => {
    for (let n = 0; n < 1500; n++) tx.put('refs', Buffer.from(String(n)), nothing)
  })
  const { problems, problemCount } = await store.check()
  t.equal(problems.length, 1000)
  t.equal(problemCount, 1500)
  await store.close()
})
