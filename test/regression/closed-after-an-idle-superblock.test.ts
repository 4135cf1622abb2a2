/**
 * A store that had been idle had written a superblock, so that close() found nothing to do: the file was not
 * marked as closed, and only one slot vouched for its last groups.
 */
import t from 'tap'
import { zeroRange } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('closing marks the file and writes both slots', async (t) => {
  const disk = new SimulatedDisk(6)
  const clock = new SimulatedClock()
  const store = await openSimulated(disk, '/d/s', new Random(6), { clock })
  await store.transact((tx) => tx.put('plain', Buffer.from('key'), Buffer.from('value')))
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(1500)
  await new Promise((resolve) => setImmediate(resolve))
  await store.close()
  t.equal(clock.pending, 0)
  const writes = disk.operations
  const reopened = await openSimulated(disk, '/d/s', new Random(6))
  t.equal(reopened.recovery.outcome, 'clean')
  await reopened.close()
  t.equal(disk.operations, writes, 'nothing is written to a file that was only read')
  for (const slot of [0, 4096]) {
    const damaged = disk.afterCrashPrefix(0)
    zeroRange(damaged, '/d/s', slot, 512)
    const length = damaged.inode('/d/s').visible.length
    zeroRange(damaged, '/d/s', length - 64, 64)
    await t.rejects(openSimulated(damaged, '/d/s', new Random(6)), { code: 'DAMAGED' }, 'either slot vouches')
  }
})
