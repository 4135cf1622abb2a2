/** Zeros that a writer makes room with ahead: when there are any, and what becomes of them. */
import t from 'tap'
import { openStore, type Store } from '../../native-free-btree/index.ts'
import { Room } from '../../native-free-btree/write/room.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

const PATH = '/d/store'
const trees = { plain: {} }

function put(store: Store, key: string, bytes = 100): Promise<void> {
  return store.transact((tx) => tx.put('plain', Buffer.from(key), Buffer.alloc(bytes, 1)))
}

/** Commits until zeros lie behind the last group. */
async function withRoom(store: Store, disk: SimulatedDisk): Promise<void> {
  for (let i = 0; store.stats().filledBytesWritten === 0; i++) await put(store, `key${i}`)
  const behind = disk.content(PATH).subarray(store.durableEnd)
  if (behind.length === 0 || behind.some((byte) => byte !== 0)) throw new Error('there is no room')
}

t.test(
  'room is due when a quarter of the most has been written in small groups, and again when it is used up',
  async (t) => {
    const room = new Room(120_000)
    t.equal(room.due(20_000, 30_000), 0)
    t.equal(room.due(40_001, 70_001), 0, 'a large group makes none, and does not count')
    t.equal(room.due(10_000, 80_001), 110_592 - 80_001, 'as much as was written, up to the end of a block')
    room.made(110_592)
    t.equal(room.due(30_000, 110_001), 0)
    t.equal(room.due(10_000, 120_001), Math.ceil((120_001 + 70_000) / 4096) * 4096 - 120_001)
    room.cut()
    t.equal(room.due(10_000, 130_001), 0, 'then it begins anew')
    t.equal(new Room(0).due(100, 100), 0)
  },
)

t.test('groups are written over room, and leave the file as long as it is', async (t) => {
  const disk = new SimulatedDisk(1)
  const store = await openSimulated(disk, PATH, new Random(1), { trees })
  await withRoom(store, disk)
  const { fileBytes } = store.stats()
  t.equal(fileBytes % 4096, 0)
  await put(store, 'over')
  t.equal(store.stats().fileBytes, fileBytes)
  t.ok(store.durableEnd < fileBytes)
  await store.close()
  t.equal(disk.content(PATH).length, store.durableEnd, 'a closed file ends with its groups')
})

t.test('a store that is idle has no room, nor has one whose turn is lent', async (t) => {
  const disk = new SimulatedDisk(1)
  const clock = new SimulatedClock()
  const store = await openSimulated(disk, PATH, new Random(1), { trees, clock })
  await withRoom(store, disk)
  const turn = await store.turn()
  t.equal(store.stats().fileBytes, turn.end)
  turn.giveBack()
  const before = store.stats().filledBytesWritten
  for (let i = 0; store.stats().filledBytesWritten === before; i++) await put(store, `again${i}`)
  for (let i = 0; i < 200; i++) await Promise.resolve()
  clock.advance(1000)
  for (let i = 0; i < 200; i++) await Promise.resolve()
  t.equal(store.stats().fileBytes, store.durableEnd)
  await store.close()
})

t.test('room that cannot be made, or not cut off, costs nobody his commit', async (t) => {
  const disk = new SimulatedDisk(1)
  const store = await openSimulated(disk, PATH, new Random(1), { trees })
  await put(store, 'first')
  // The second write of a later commit is that of zeros.
  for (let i = 0; disk.faultsMet === 0; i++) {
    const undo = disk.inject({ on: 'write', after: 1, code: 'ENOSPC', written: 1000 })
    await put(store, `key${i}`)
    undo()
  }
  t.equal(store.stats().fileBytes, store.durableEnd + 1000)
  t.equal(store.stats().filledBytesWritten, 0)
  await put(store, 'after')
  const undo = disk.inject({ on: 'truncate', code: 'EIO' })
  ;(await store.turn()).giveBack()
  undo()
  await put(store, 'last')
  t.equal(store.get('plain', Buffer.from('last'))?.length, 100)
  t.equal(store.stats().poisoned, undefined)
  await store.close()
})

t.test('what a crash leaves of it is nothing torn, and readers beside the writer pass it by', async (t) => {
  const disk = new SimulatedDisk(1)
  const store = await openSimulated(disk, PATH, new Random(1), { trees })
  await withRoom(store, disk)
  await put(store, 'newest')
  const left = new SimulatedDisk(2)
  left.install(PATH, Buffer.from(disk.content(PATH)))
  const reader = await openStore(PATH, { trees, fileSystem: left, readOnly: true })
  t.equal(reader.get('plain', Buffer.from('newest'))?.length, 100)
  const { problems, leftovers } = await reader.check()
  t.same(problems, [])
  t.notOk(leftovers.some(({ what }) => what.includes('cuts them off')))
  await reader.close()
  const reopened = await openSimulated(left, PATH, new Random(3), { trees })
  t.equal(reopened.recovery.outcome, 'replayed')
  t.equal(reopened.recovery.cutBytes, 0)
  t.equal(reopened.stats().fileBytes, reopened.durableEnd)
  t.equal(reopened.get('plain', Buffer.from('newest'))?.length, 100)
  await reopened.close()
  await store.close()
})
