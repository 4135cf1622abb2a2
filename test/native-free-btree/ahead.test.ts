/** Shares of a checkpoint that are written while nothing waits: when there are any, and what becomes of the store by them. */
import t from 'tap'
import type { Store } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

const PATH = '/d/store'
const trees = { plain: {} }
const AHEAD = {
  trees,
  aheadBytes: 4000,
  roomBytes: 0,
  checkpointLogBytes: 24 * 1024,
  dirtyBytes: 1024 * 1024,
}

const key = (number: number): Buffer => Buffer.from(`key ${(number * 7919) % 10_000}`)

/** A commit of so many entries. */
function put(store: Store, first: number, count: number): Promise<void> {
  return store.transact((tx) => {
    for (let number = first; number < first + count; number++) {
      tx.put('plain', key(number), Buffer.alloc(90, number))
    }
  })
}

async function rest(): Promise<void> {
  for (let i = 0; i < 2000; i++) await Promise.resolve()
}

/** Commits of 20 entries until a checkpoint runs. Returns how many entries there are. */
async function untilCheckpoint(store: Store): Promise<number> {
  let count = 0
  for (; !store.stats().checkpointRunning; count += 20) await put(store, count, 20)
  return count
}

function wrong(store: Store, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, number) => number)
  return numbers.filter((number) => !store.get('plain', key(number))?.equals(Buffer.alloc(90, number)))
}

t.test(
  'behind a large commit a share is written, of several, until the checkpoint is complete',
  async (t) => {
    let disk = new SimulatedDisk(1)
    let store = await openSimulated(disk, PATH, new Random(1), AHEAD)
    let count = await untilCheckpoint(store)
    let ahead = 0
    for (; store.stats().checkpointRunning; count += 20) {
      await put(store, count, 20)
      const before = store.commit
      const { nodeBytesWritten } = store.stats()
      await rest()
      const groups = store.commit - before
      t.ok(groups <= 3, `${groups} groups`)
      if (groups > 0) t.ok(store.stats().nodeBytesWritten > nodeBytesWritten)
      ahead += groups
    }
    t.ok(ahead > 0)
    t.strictSame(wrong(store, count), [])
    const { commit } = store
    await rest()
    t.equal(store.commit, commit, 'and none of one that is')
    disk = disk.crash()
    store = await openSimulated(disk, PATH, new Random(2), AHEAD)
    t.strictSame(wrong(store, count), [], 'after a crash')
    t.same((await store.check()).problems, [])
    await store.close()
  },
)

t.test('behind small commits there are none, nor by default', async (t) => {
  for (const options of [AHEAD, { ...AHEAD, aheadBytes: undefined }]) {
    const store = await openSimulated(new SimulatedDisk(1), PATH, new Random(1), options as typeof AHEAD)
    let count = await untilCheckpoint(store)
    const entries = options.aheadBytes === undefined ? 20 : 2
    await put(store, count, entries)
    count += entries
    await rest()
    const { commit } = store
    await put(store, count, entries)
    await rest()
    t.equal(store.commit, commit + 1)
    await store.close()
  }
})

t.test('a share that cannot be written costs nobody his commit', async (t) => {
  let disk = new SimulatedDisk(1)
  let store = await openSimulated(disk, PATH, new Random(1), AHEAD)
  let count = await untilCheckpoint(store)
  await rest()
  let failed = 0
  for (let round = 0; failed < 3; round++) {
    if (!store.stats().checkpointRunning) count += await moreUntilCheckpoint(store, count)
    const met = disk.faultsMet
    // The first write is the commit's, unless a superblock is due.
    const undo = disk.inject({ on: 'write', after: 1, code: 'ENOSPC', written: 100 })
    const isWritten = await put(store, count, 20).then(
      () => true,
      () => false,
    )
    await rest()
    undo()
    if (isWritten && disk.faultsMet > met) failed += 1
    if (!isWritten) await put(store, count, 20)
    count += 20
    if (round === 200) throw new Error('no share was written')
  }
  await put(store, count, 20)
  count += 20
  t.strictSame(wrong(store, count), [])
  disk = disk.crash()
  store = await openSimulated(disk, PATH, new Random(2), AHEAD)
  t.strictSame(wrong(store, count), [], 'after a crash')
  await store.close()
})

async function moreUntilCheckpoint(store: Store, first: number): Promise<number> {
  let count = 0
  for (; !store.stats().checkpointRunning; count += 20) await put(store, first + count, 20)
  return count
}

t.test(
  'writes, a turn, a checkpoint and the end of a store that come while a share is written',
  async (t) => {
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21]) {
      const disk = new SimulatedDisk(1)
      let store = await openSimulated(disk, PATH, new Random(1), AHEAD)
      let count = await untilCheckpoint(store)
      await put(store, count, 20)
      count += 20
      for (let i = 0; i < turns; i++) await Promise.resolve()
      const writing = put(store, count, 20)
      const turn = store.turn().then((lent) => lent.giveBack())
      const others = [put(store, count + 20, 1), store.checkpoint()]
      count += 21
      await Promise.all([writing, turn, ...others])
      await put(store, count, 20)
      count += 20
      for (let i = 0; i < turns; i++) await Promise.resolve()
      await store.close()
      store = await openSimulated(disk, PATH, new Random(2), AHEAD)
      t.strictSame(wrong(store, count), [], `${turns} turns later`)
      await store.close()
    }
  },
)
