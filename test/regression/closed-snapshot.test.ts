/** A closed snapshot answered UNKNOWN_TREE for the trees that it had shown. */
import t from 'tap'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('a closed snapshot says so', async (t) => {
  const store = await openSimulated(new SimulatedDisk(13), '/d/s', new Random(13))
  const snapshot = store.snapshot()
  const tree = snapshot.tree('plain')
  const cursor = tree.cursor()
  snapshot.close()
  t.throws(() => snapshot.tree('plain'), { code: 'CLOSED' })
  t.throws(() => tree.get(Buffer.alloc(0)), { code: 'CLOSED' })
  t.throws(() => cursor.next(), { code: 'CLOSED' })
})
