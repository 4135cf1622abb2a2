/**
 * A file that had been closed after a checkpoint has nothing to replay, so opening looked at none of its
 * groups: cut in the middle it was opened as if nothing had happened, and the next commit left a hole.
 */
import t from 'tap'
import type { StorageError } from '../../native-free-btree/index.ts'
import { cutFile } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('a file that ends before what was durable is damaged', async (t) => {
  const disk = new SimulatedDisk(1)
  const store = await openSimulated(disk, '/d/s', new Random(1))
  await store.transact((tx) => tx.put('plain', Buffer.from('a'), Buffer.alloc(2000, 1)))
  await store.checkpoint()
  await store.close()
  const length = disk.inode('/d/s').visible.length
  for (const cutTo of [length - 1, length - 1000, 8300]) {
    const cut = disk.afterCrashPrefix(0)
    cutFile(cut, '/d/s', cutTo)
    const error = await openSimulated(cut, '/d/s', new Random(1)).catch((error: unknown) => error)
    t.equal((error as StorageError).code, 'DAMAGED', `cut to ${cutTo}`)
  }
})
