/**
 * After the superblock of an idle second had been written, close() thought that nothing was left to say: one
 * slot stayed behind and neither was marked clean, so that damage to the other slot could hide lost commits.
 */
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'

t.test('a store that was idle before it was closed is closed in good order', async (t) => {
  const disk = new SimulatedDisk(1)
  const clock = new SimulatedClock()
  const lock = async () => ({ release: async () => undefined })
  const options = { trees: { a: {} }, fileSystem: disk, clock, lock }
  const store = await openStore('a.nfb', options)
  await store.transact((tx) => tx.put('a', Buffer.from('k'), Buffer.from('v')))
  await clock.advance(5000)
  await new Promise((resolve) => setImmediate(resolve))
  await store.close()
  const again = await openStore('a.nfb', options)
  t.equal(again.recovery.outcome, 'clean')
  t.equal(again.recovery.badSuperblocks, 0)
  await again.close()
})
