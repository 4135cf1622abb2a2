/** A superblock is a hint, but a full disk at the moment of writing one poisoned the store. */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

const KEY = Buffer.from('key')

t.test('the store goes on after a superblock that could not be written', async (t) => {
  const disk = new SimulatedDisk(2)
  const store = await openSimulated(disk, '/d/s', new Random(2))
  const put = (value: string) => store.transact((tx) => tx.put('plain', KEY, Buffer.from(value)))
  // The first write of a new opening is the superblock of its generation.
  disk.inject({ on: 'write', code: 'ENOSPC' })
  await t.rejects(put('refused'), { code: 'WRITE_FAILED' })
  t.equal(store.stats().poisoned, undefined)
  await put('first')
  await store.checkpoint()
  // The one after a checkpoint rides on the next commit, which does not need it.
  disk.inject({ on: 'write', code: 'ENOSPC', written: 100 })
  await put('second')
  await put('third')
  const after = await openSimulated(disk.crash({ survival: 0 }), '/d/s', new Random(2))
  t.equal(after.get('plain', KEY)?.toString(), 'third')
  t.equal(after.recovery.badSuperblocks, 0)
})
