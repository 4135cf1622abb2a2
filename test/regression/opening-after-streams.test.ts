/**
 * Streamed chunks were no reason for a checkpoint: after a crash in the middle of a long stream, opening read
 * and verified all of it again.
 */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.test('opening does not walk over all that was streamed', async (t) => {
  const disk = new SimulatedDisk(8)
  const limits = { checkpointLogBytes: 500_000 }
  const store = await openSimulated(disk, '/d/s', new Random(8), limits)
  await store.transact((tx) => tx.put('plain', Buffer.from('key'), Buffer.from('value')))
  const piece = patternBytes(8, 128 * 1024)
  async function* pieces() {
    for (let i = 0; i < 60; i++) yield piece
  }
  const reference = await store.appendStream(pieces())
  await store.transact((tx) => tx.put('refs', Buffer.from('stream'), reference))
  const reopened = await openSimulated(disk.crash({ survival: 0 }), '/d/s', new Random(8), limits)
  t.ok(reopened.recovery.groupsReplayed < 25, `${reopened.recovery.groupsReplayed} groups of 60 walked over`)
  t.equal(reopened.get('plain', Buffer.from('key'))?.toString(), 'value')
  t.equal(reopened.read(reference).length, 60 * piece.length)
})
