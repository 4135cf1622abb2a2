/**
 * With both superblocks damaged, nothing vouched for the last group of a closed file any more: damage to it
 * was taken for a torn write and cut. No crash damages both slots, so that is refused.
 */
import t from 'tap'
import { flipBit, zeroRange } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('without superblocks a whole file is read, and a damaged tail refused', async (t) => {
  const disk = new SimulatedDisk(5)
  const store = await openSimulated(disk, '/d/s', new Random(5))
  for (const value of ['one', 'two']) {
    await store.transact((tx) => tx.put('plain', Buffer.from('key'), Buffer.from(value)))
  }
  await store.close()
  zeroRange(disk, '/d/s', 0, 4608)
  const whole = await openSimulated(disk.afterCrashPrefix(0), '/d/s', new Random(5))
  t.equal(whole.get('plain', Buffer.from('key'))?.toString(), 'two')
  flipBit(disk, '/d/s', disk.inode('/d/s').visible.length - 10, 3)
  await t.rejects(openSimulated(disk, '/d/s', new Random(5)), { code: 'DAMAGED' })
})
