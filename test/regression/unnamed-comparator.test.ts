/**
 * A tree that the caller did not name was replayed in the default order and without its summaries, and the
 * next checkpoint made the disorder permanent. Reads of such a tree looked in the wrong places.
 */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, TEST_TREES } from '../support/test-trees.ts'

const KEYS = ['b', 'C', 'a', 'D'].map((text) => Buffer.from(text))

for (const name of ['folded', 'summed'] as const) {
  t.test(`changes to ${name} are not replayed without its options`, async (t) => {
    const disk = new SimulatedDisk(10)
    const store = await openSimulated(disk, '/d/s', new Random(10))
    await store.transact((tx) => {
      for (const key of KEYS) tx.put(name, key, key)
    })
    const crashed = disk.crash({ survival: 0 })
    const unnamed = { trees: { plain: {} } }
    const code = name === 'folded' ? 'COMPARATOR_MISMATCH' : 'REDUCER_MISMATCH'
    await t.rejects(openSimulated(crashed, '/d/s', new Random(10), unnamed), { code })

    const named = await openSimulated(crashed, '/d/s', new Random(10), { trees: TEST_TREES })
    const sum = named.snapshot().tree(name).reduce()
    await named.checkpoint()
    await named.close(0).catch(() => {})
    // With nothing to replay it may stay closed to this caller, and keeps its order and summaries.
    const other = await openSimulated(crashed, '/d/s', new Random(10), unnamed)
    if (name === 'folded') t.throws(() => other.get(name, KEYS[0]!), { code })
    await t.rejects(
      other.transact((tx) => tx.put(name, KEYS[0]!, KEYS[0]!)),
      { code },
    )
    await other.transact((tx) => tx.put('plain', KEYS[0]!, KEYS[0]!))
    await other.checkpoint()
    await other.close()
    const again = await openSimulated(crashed, '/d/s', new Random(10))
    t.same((await again.check()).problems, [])
    t.same(again.snapshot().tree(name).reduce(), sum)
    for (const key of KEYS) t.same(again.get(name, key), key)
  })
}
