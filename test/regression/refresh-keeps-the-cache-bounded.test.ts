/** Each refresh() of a reader put its pages into a part of the cache of its own, which nobody gave back. */
import t from 'tap'
import { PageCache } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.test('a reader that was closed holds nothing of the cache', async (t) => {
  const disk = new SimulatedDisk(11)
  const writer = await openSimulated(disk, '/d/s', new Random(11))
  const cache = new PageCache(64 * 1024 * 1024)
  const put = (from: number) =>
    writer.transact((tx) => {
      for (let i = from; i < from + 300; i++) tx.put('plain', Buffer.from(`${i}`), patternBytes(i, 100))
    })
  await put(0)
  await writer.checkpoint()
  const reader = await openSimulated(disk, '/d/s', new Random(11), { readOnly: true, cache })
  for (let round = 1; round < 6; round++) {
    await put(round * 100)
    await writer.checkpoint()
    await put(round * 100 + 30)
    await put(round * 100 + 60)
    await Promise.all([reader.refresh(), reader.refresh()])
    t.equal(reader.commit, writer.commit)
    for (let i = 0; i < 300; i++) t.same(reader.get('plain', Buffer.from(`${i}`)), patternBytes(i, 100))
  }
  await Promise.allSettled([reader.refresh(), reader.close()])
  t.equal(cache.cachedBytes, 0)
  t.equal(cache.dirtyBytes, 0)
})
