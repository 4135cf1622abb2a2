/**
 * Chunks of several streams that went out in one group were divided into parts like a large transaction, and
 * no opening accepts parts that belong to no commit: the file could not be opened again.
 */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.test('streams that run together can be read after a crash', async (t) => {
  const disk = new SimulatedDisk(7)
  const store = await openSimulated(disk, '/d/s', new Random(7), { partBytes: 4000 })
  async function* pieces(seed: number) {
    yield patternBytes(seed, 3000)
  }
  const references = await Promise.all([1, 2, 3, 4].map((seed) => store.appendStream(pieces(seed))))
  await store.transact((tx) => {
    for (const [i, reference] of references.entries()) tx.put('refs', Buffer.of(i), reference)
  })
  const reopened = await openSimulated(disk.crash({ survival: 1, tearing: 0 }), '/d/s', new Random(7))
  for (const [i, reference] of references.entries()) {
    t.same(reopened.get('refs', Buffer.of(i)), reference)
    t.ok(reopened.read(reference).equals(patternBytes(i + 1, 3000)))
  }
})
