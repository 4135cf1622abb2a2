/** Entries that are looked up beside each other are found as they are now, whatever was done to the tree in between. */
import t from 'tap'
import { PageRooms } from '../../native-free-btree/cache/page-rooms.ts'
import type { PageSource } from '../../native-free-btree/cache/page-source.ts'
import {
  type EntryPlace,
  openFollower,
  PageCache,
  type Snapshot,
  type StoreReader,
} from '../../native-free-btree/index.ts'
import { writeCell } from '../../native-free-btree/page/cell.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { pagePool } from '../../native-free-btree/page/pool.ts'
import { NearLeaf } from '../../native-free-btree/tree/near-leaf.ts'
import type { Root } from '../../native-free-btree/tree/shares.ts'
import type { ValueReader } from '../../native-free-btree/values/values.ts'
import '../support/poisoned-pages.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes, TEST_TREES } from '../support/test-trees.ts'

t.setTimeout(300_000)

const ENTRIES = 12_000
const STEPS = 1000
/** Keys that are changed and looked up in a step lie so near to each other. */
const NEIGHBOURS = 12
const NONE = Buffer.alloc(0)
/** Values lie in their leaves. */
const NO_VALUES = {} as ValueReader

const keyOf = (n: number): Buffer => Buffer.from(`key ${String(n).padStart(6, '0')}`)

const place: EntryPlace = {
  keyBytes: NONE,
  keyStart: 0,
  keyEnd: 0,
  valueBytes: NONE,
  valueStart: 0,
  valueEnd: 0,
}

/** Whether the store says of the key what the model says. */
function isRight(reader: StoreReader, n: number, value: Buffer | undefined): boolean {
  const key = keyOf(n)
  if (!reader.place('plain', key, 0, key.length, place)) return value === undefined
  const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd } = place
  if (value === undefined || !keyBytes.subarray(keyStart, keyEnd).equals(key)) return false
  return valueBytes.subarray(valueStart, valueEnd).equals(value)
}

/** It holds a part of the store. */
function smallCache(): PageCache {
  return new PageCache(1024 * 1024)
}

t.test('by who writes the store, and by who follows it', async (t) => {
  const random = new Random(propertySeed(t))
  const disk = new SimulatedDisk(new Random(1))
  const cache = smallCache()
  const store = await openSimulated(disk, '/d/store', random, { cache })
  const model = new Map<number, Buffer>()
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n += 2) {
      model.set(n, patternBytes(n, 40))
      tx.put('plain', keyOf(n), model.get(n)!)
      // In leaves that take the place of others in memory.
      tx.put('summed', keyOf(n), patternBytes(n + 1, 150))
    }
  })
  await store.checkpoint()
  const follower = await openFollower(store.shareProgress(), {
    trees: TEST_TREES,
    cache: smallCache(),
    fileSystem: disk,
    clock: new SimulatedClock(),
  })
  t.teardown(async () => {
    await follower.close(1)
    await store.close(1)
  })
  const snapshots: Snapshot[] = []
  let wrong = 0
  for (let step = 0; step < STEPS; step++) {
    const near = random.int(ENTRIES)
    const some = Array.from({ length: 2 + random.int(8) }, () => near + random.int(NEIGHBOURS))
    for (const reader of [store, follower]) {
      for (const n of some) if (!isRight(reader, n, model.get(n))) wrong += 1
    }
    if (random.int(4) === 0) {
      // Leaves give way to others in the cache, and their memory is used again.
      for (const reader of [store, follower]) {
        for (let i = 0; i < 300; i++) reader.get('summed', keyOf(random.int(ENTRIES)))
      }
      await Promise.resolve()
      for (const reader of [store, follower]) {
        for (let i = 0; i < 100; i++) reader.get('summed', keyOf(random.int(ENTRIES)))
      }
    } else if (random.int(3) === 0) {
      await store.transact((tx) => {
        for (const n of some.slice(0, 1 + random.int(some.length))) {
          if (random.int(3) === 0) {
            model.delete(n)
            tx.delete('plain', keyOf(n))
          } else {
            model.set(n, patternBytes(step, 1 + random.int(200)))
            tx.put('plain', keyOf(n), model.get(n)!)
          }
        }
      })
    }
    for (const reader of [store, follower]) {
      for (const n of some) if (!isRight(reader, n, model.get(n))) wrong += 1
    }
    if (random.int(40) === 0) {
      // What a snapshot has counted is in the tree, and stays as it is.
      const snapshot = [store, follower][random.int(2)]!.snapshot()
      snapshot.tree('plain').count()
      snapshots.push(snapshot)
    }
    // While there are none, pages are used again.
    if (random.int(20) === 0) for (const snapshot of snapshots.splice(0)) snapshot.close()
    if (random.int(100) === 0) await store.checkpoint()
  }
  for (const snapshot of snapshots) snapshot.close()
  t.equal(wrong, 0)
})

/** A leaf of 512 bytes with the entries a, b and c. */
function leafOf(value: Buffer): Buffer {
  const node = MutableNode.empty(true, 512, 0)
  for (const [index, key] of ['a', 'b', 'c'].entries()) {
    const cell = Buffer.alloc(64)
    node.insertCell(index, cell, 0, writeCell(cell, 0, Buffer.from(key), value, false))
  }
  return node.page
}

/** What is found below a root whose leaves `source` gives. */
function looking(source: Pick<PageSource, 'leafFor' | 'generation'>): () => string {
  const near = new NearLeaf()
  const root = { position: 0 } as unknown as Root
  return () => {
    const found = near.place(root, Buffer.from('b'), 0, 1, source as PageSource, NO_VALUES, undefined, place)
    return found ? place.valueBytes.toString('latin1', place.valueStart, place.valueEnd) : 'none'
  }
}

t.test('a leaf is not looked at whose page may be used for another one', async (t) => {
  let leaf = leafOf(Buffer.from('before'))
  const look = looking({ leafFor: () => leaf, generation: 0 })
  t.equal(look(), 'before')
  const first = leaf
  leaf = leafOf(Buffer.from('behind'))
  t.equal(look(), 'before', 'as long as nobody else may use it')
  pagePool.giveBack(first)
  t.equal(look(), 'before', 'until the code that runs has ended')
  await Promise.resolve()
  t.equal(pagePool.take(first.length), first, 'now it is')
  leafOf(Buffer.from('another')).copy(first)
  t.equal(look(), 'behind')
})

t.test('a leaf is not looked at whose room in the cache may be used for another page', async (t) => {
  const rooms = new PageRooms(
    1024 * 1024,
    () => {},
    () => {},
  )
  rooms.grow(512)
  const room = rooms.take(512)!
  leafOf(Buffer.from('before')).copy(room.page)
  let leaf = room.page
  const look = looking({
    leafFor: () => leaf,
    get generation() {
      return rooms.generation
    },
  })
  t.equal(look(), 'before')
  leaf = leafOf(Buffer.from('behind'))
  rooms.giveBack(room)
  t.equal(look(), 'before', 'until the code that runs has ended')
  await Promise.resolve()
  t.equal(rooms.take(512), room, 'now it is')
  leafOf(Buffer.from('another')).copy(room.page)
  t.equal(look(), 'behind')
})

t.test('who looks up in order finds the next entry, and none where it is another one', async (t) => {
  const node = MutableNode.empty(true, 2048, 0)
  const keys = ['ab', 'ab\0', 'abc', 'abcd', 'abcdefg', 'abcdefgh', 'abd', 'b']
  for (const [index, key] of keys.entries()) {
    const cell = Buffer.alloc(64)
    node.insertCell(index, cell, 0, writeCell(cell, 0, Buffer.from(key), Buffer.from(`of ${key}`), false))
  }
  const near = new NearLeaf()
  const root = { position: 0 } as unknown as Root
  const source = { leafFor: () => node.page, generation: 0 } as unknown as PageSource
  const lookUp = (key: string): string => {
    const bytes = Buffer.from(`<${key}>`)
    const end = bytes.length - 1
    if (!near.place(root, bytes, 1, end, source, NO_VALUES, undefined, place)) return 'none'
    return place.valueBytes.toString('latin1', place.valueStart, place.valueEnd)
  }
  const sought = [...keys, 'a', '', 'abcdef', 'abcdefgi', 'abb', 'abce', 'c', 'ab\0\0', 'abc\0']
  for (const before of keys) {
    for (const key of sought) {
      lookUp(before)
      t.equal(lookUp(key), keys.includes(key) ? `of ${key}` : 'none', `${key} behind ${before}`)
    }
  }
})
