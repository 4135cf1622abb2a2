/**
 * Summaries of more than 1,024 bytes were accepted, in spite of what the interface says, and a bulk load and a range asked
 * for did not look at all at what a reducer had promised.
 */
import t from 'tap'
import { TreeLoad } from '../../native-free-btree/copy/bulk-load.ts'
import { openSnapshot, type Reducer } from '../../native-free-btree/index.ts'
import type { BulkStore } from '../../native-free-btree/store/bulk-store.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

const reducer = (maxBytes: number, givenBytes = maxBytes): Reducer => ({
  name: 'long',
  version: 1,
  maxBytes,
  map: () => Buffer.alloc(givenBytes),
  combine: (parts) => Buffer.alloc(parts.length === 0 ? 0 : givenBytes),
})
const open = (disk: SimulatedDisk, long: Reducer) =>
  openSimulated(disk, '/d/s', new Random(1), { trees: { summed: { reducer: long } } })

t.test('a reducer may promise 1,024 bytes at most', async (t) => {
  for (const maxBytes of [1025, 65_536, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    await t.rejects(
      open(new SimulatedDisk(1), reducer(maxBytes)),
      { code: 'INVALID_ARGUMENT' },
      String(maxBytes),
    )
  }
  const disk = new SimulatedDisk(1)
  const store = await open(disk, reducer(1024))
  await store.transact((tx) => tx.put('summed', Buffer.from('a'), Buffer.from('b')))
  const handle = await store.exportSnapshot()
  const trees = { summed: { reducer: reducer(4096) } }
  await t.rejects(openSnapshot(handle, { trees, fileSystem: disk }), { code: 'INVALID_ARGUMENT' })
  await store.close()
  const again = await open(disk, reducer(1024))
  const snapshot = again.snapshot()
  t.equal(snapshot.tree('summed').reduce().reduction?.length, 1024)
  snapshot.close()
  t.equal((await again.check()).problemCount, 0)
  await again.close()
})

t.test('and must keep to what it promised, wherever it is asked', async (t) => {
  const disk = new SimulatedDisk(2)
  const store = await open(disk, reducer(8, 9))
  for (const key of ['a', 'b', 'c']) {
    await store.transact((tx) => tx.put('summed', Buffer.from(key), Buffer.from('b')))
  }
  const tooLong = { code: 'INVALID_ARGUMENT', message: /more than it promised/ }
  const snapshot = store.snapshot()
  t.throws(() => snapshot.tree('summed').reduce(), tooLong, 'of all')
  t.throws(() => snapshot.tree('summed').reduce({ start: Buffer.from('b') }), tooLong, 'of a range')
  snapshot.close()
  await t.rejects(store.checkpoint(), tooLong)
  const bulk = store as BulkStore
  const load = new TreeLoad(bulk.treeOf('summed'))
  const filled = bulk.bulk(1000, (builder) => {
    load.add(builder, Buffer.from('a'), Buffer.from('b'))
    return load.finish(builder)
  })
  await t.rejects(filled, tooLong, 'of a bulk load')
  const { problems } = await store.check()
  t.match(problems, [{ where: /summed/, what: /more than it promised/ }])
  await store.close()
})
