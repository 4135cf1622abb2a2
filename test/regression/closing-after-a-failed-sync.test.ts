/**
 * A sync that failed while close() made streamed chunks durable was followed by another for the second
 * superblock, which succeeded, as the second sync after a failure does whatever was lost: the superblock
 * vouched for chunks that the disk did not have, and the store could not be opened again.
 */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.test('a sync that failed is never tried again', async (t) => {
  const disk = new SimulatedDisk(15)
  const store = await openSimulated(disk, '/d/s', new Random(15))
  await store.transact((tx) => tx.put('plain', Buffer.from('key'), Buffer.from('value')))
  await store.appendStream(
    (async function* () {
      yield patternBytes(1, 5000)
    })(),
  )
  disk.inject({ on: 'sync', losing: 1 })
  const syncs = disk.counts.get('sync')!
  await t.rejects(store.close(), { code: 'POISONED' })
  t.equal(disk.counts.get('sync'), syncs + 1)
  const reopened = await openSimulated(disk.crash({ survival: 1, tearing: 0 }), '/d/s', new Random(15))
  t.equal(reopened.get('plain', Buffer.from('key'))?.toString(), 'value')
})
