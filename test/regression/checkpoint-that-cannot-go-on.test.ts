/**
 * A reducer that could not summarize one entry (its value was damaged, or it threw) made every checkpoint
 * throw, and with it every commit: one bad value stopped all writes.
 */
import t from 'tap'
import { openStore, type Reducer } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { noLock } from '../support/test-trees.ts'

const counting = (refused: string): Reducer => ({
  name: 'counting',
  version: 1,
  maxBytes: 1,
  map(_key, value) {
    if (Buffer.from(value).toString() === refused) throw new RangeError('this value cannot be summarized')
    return Buffer.from([1])
  },
  combine: (parts) => Buffer.from([parts.length % 256]),
})

t.test('commits go on beside a checkpoint that cannot', async (t) => {
  const disk = new SimulatedDisk(new Random(3))
  const open = (refused: string) =>
    openStore('/d/s', {
      trees: { a: { reducer: counting(refused) } },
      fileSystem: disk,
      clock: new SimulatedClock(),
      lock: noLock,
      checkpointLogBytes: 4000,
    })
  const put = (store: Awaited<ReturnType<typeof open>>, i: number) =>
    store.transact((tx) => tx.put('a', Buffer.from(`key ${i}`), Buffer.from(i === 50 ? 'bad' : `v${i}`)))
  const store = await open('bad')
  for (let i = 0; i < 300; i++) await put(store, i)
  await t.rejects(store.checkpoint(), RangeError)
  await put(store, 300)
  t.equal(store.get('a', Buffer.from('key 300'))?.toString(), 'v300')
  t.equal(store.stats().poisoned, undefined)
  await store.close()

  const again = await open('nothing')
  const report = await again.check()
  t.same(report.problems, [])
  for (let i = 0; i <= 300; i++) {
    if (again.get('a', Buffer.from(`key ${i}`)) === undefined) t.fail(`key ${i} is gone`)
  }
  await again.checkpoint()
  t.same((await again.check()).problems, [])
  await again.close()
})
