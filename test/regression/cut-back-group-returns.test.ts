/**
 * A group whose write failed is cut off, but the blocks keep its bytes, and a file system that does not order
 * data may show them again when the file grows over them. It fitted the chain as well as the next group did:
 * an opening took a commit that had been refused for the last one.
 */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('a commit that was refused does not come back', async (t) => {
  const disk = new SimulatedDisk(3)
  const store = await openSimulated(disk, '/d/s', new Random(3))
  const put = (value: string) =>
    store.transact((tx) => tx.put('plain', Buffer.from('key'), Buffer.from(value)))
  await put('first')
  const end = store.stats().fileBytes
  let refused = Buffer.alloc(0)
  disk.onOperation = (kind) => {
    if (kind === 'truncate') refused = Buffer.from(disk.content('/d/s')).subarray(end)
  }
  disk.inject({ on: 'write', code: 'ENOSPC', written: Number.POSITIVE_INFINITY })
  await t.rejects(put('refused'), { code: 'WRITE_FAILED' })
  t.ok(refused.length > 128, 'the whole group had been written')
  // The power goes while the next group is written: the file has grown, and shows what its blocks held.
  let left: Buffer | undefined
  disk.onOperation = (kind) => {
    if (kind === 'sync' && store.stats().fileBytes > end) left ??= Buffer.from(disk.content('/d/s'))
  }
  await put('second')
  refused.copy(left!, end)
  const later = new SimulatedDisk(4)
  later.install('/d/s', left!)
  const reopened = await openSimulated(later, '/d/s', new Random(3))
  t.equal(reopened.get('plain', Buffer.from('key'))?.toString(), 'first')
  t.equal(reopened.recovery.outcome, 'cut')
})
