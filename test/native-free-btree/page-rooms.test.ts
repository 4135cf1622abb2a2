/** Memory of cached pages that is used again: nobody who may still be looking at a page sees another in its place. */
import { join } from 'node:path'
import t from 'tap'
import { type PageRoom, PageRooms } from '../../native-free-btree/cache/page-rooms.ts'
import { ByteWriter } from '../../native-free-btree/disk/bytes.ts'
import { type Cursor, openStore, PageCache, type Store } from '../../native-free-btree/index.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { ChangingOrigin, type KeptPage, wholePage } from '../../native-free-btree/page/origin.ts'
import '../support/poisoned-pages.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const MIB = 1024 * 1024
const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('a room is filled anew only after the running code has ended', async (t) => {
  let reused = 0
  const rooms = new PageRooms(
    64 * MIB,
    () => t.fail('nothing had to move'),
    () => {
      reused += 1
    },
  )
  rooms.grow(2000)
  const first = rooms.take(2000)!
  first.page.fill(1)
  const { generation } = rooms
  rooms.giveBack(first)
  const others = new Set<PageRoom>()
  for (let room = rooms.take(2000); room !== undefined; room = rooms.take(2000)) others.add(room)
  t.notOk(others.has(first), 'it is not among those that are free')
  t.ok(first.page.every((byte) => byte === 1))
  t.equal(rooms.generation, generation, 'who looks on may go on')
  await turn()
  t.not(rooms.generation, generation, 'who looks on must ask again')
  t.equal(reused, 1)
  t.equal(rooms.take(2000), first)
})

t.test('slabs that are given up: pages move, and their old memory stays as it is', async (t) => {
  const seed = propertySeed(t)
  const random = new Random(seed)
  /** What each room must hold. */
  const held = new Map<PageRoom, number>()
  const rooms = new PageRooms(
    16 * MIB,
    (from, to) => {
      held.set(to, held.get(from)!)
      held.delete(from)
    },
    () => undefined,
  )
  let gaveUp = 0
  for (let round = 0; round < 300; round++) {
    // What was handed out in this turn, as whoever got it sees it.
    const seen: { page: Buffer; byte: number }[] = []
    for (let step = 0; step < 40; step++) {
      const what = random.int(10)
      if (what < 5) {
        const bytes = 1 + random.int(6000)
        let room = rooms.take(bytes)
        if (room === undefined) {
          rooms.grow(bytes)
          room = rooms.take(bytes)!
        }
        if (room.page.length < bytes) t.fail('a room is too small')
        if (held.has(room)) t.fail('a room was given out twice')
        const byte = random.int(200)
        room.page.fill(byte)
        held.set(room, byte)
        seen.push({ page: room.page, byte })
      } else if (what < 9 && held.size > 0) {
        const room = [...held.keys()][random.int(held.size)]!
        seen.push({ page: room.page, byte: held.get(room)! })
        held.delete(room)
        rooms.giveBack(room)
      } else if (rooms.giveUpSlab()) gaveUp += 1
    }
    for (const { page, byte } of seen)
      if (!page.every((one) => one === byte)) t.fail('a page that is looked at changed')
    let heldBytes = 0
    for (const [room, byte] of held) {
      heldBytes += room.page.length
      if (!room.page.every((one) => one === byte)) t.fail('a page changed')
    }
    if (rooms.heldBytes !== heldBytes) t.fail(`${rooms.heldBytes} bytes are counted, ${heldBytes} are held`)
    await turn()
  }
  t.ok(gaveUp > 10, `${gaveUp} slabs were given up`)
  for (const room of held.keys()) rooms.giveBack(room)
  await turn()
  while (rooms.giveUpSlab());
  t.equal(rooms.bytes, 0)
})

const ENTRIES = 30_000
const keyOf = (n: number): Buffer => Buffer.from(`entry-${String(n).padStart(8, '0')}`)
const bodyOf = (n: number, version: number): Buffer => Buffer.alloc(100, `${n}.${version};`)

async function filled(path: string, cache: PageCache): Promise<Store> {
  const store = await openStore(path, { trees: { entries: {} }, cache, dirtyBytes: 256 * 1024 })
  for (let from = 0; from < ENTRIES; from += 1000) {
    await store.transact((tx) => {
      for (let n = from; n < from + 1000; n++) tx.put('entries', keyOf(n), bodyOf(n, 0))
    })
  }
  await store.checkpoint()
  return store
}

t.test('cursors that stand still while the pages under them go, and others take their memory', async (t) => {
  const seed = propertySeed(t)
  const random = new Random(seed)
  const cache = new PageCache(MIB)
  const store = await filled(join(t.testdir(), 'store'), cache)
  const snapshot = store.snapshot()
  const walks = Array.from({ length: 6 }, (_, i) => {
    const reverse = i % 2 === 1
    const at = random.int(ENTRIES)
    const bound = reverse ? { end: keyOf(at), endInclusive: true } : { start: keyOf(at) }
    const cursor: Cursor = snapshot.tree('entries').cursor({ reverse, ...bound })
    cursor.next()
    return { cursor, at, step: reverse ? -1 : 1 }
  })
  const { generation } = cache.rooms
  const evicted = cache.evictions
  for (let round = 0; round < 150; round++) {
    // Writes make pages dirty and bring others in; reads bring in as many as there is room for.
    await store.transact((tx) => {
      for (let i = 0; i < 20; i++) {
        const n = random.int(ENTRIES)
        tx.put('entries', keyOf(n), bodyOf(n, round + 1))
      }
    })
    for (let i = 0; i < 150; i++) store.get('entries', keyOf(random.int(ENTRIES)))
    await turn()
    for (const walk of walks) {
      for (let steps = random.int(30); steps >= 0; steps--) {
        if (walk.at < 0 || walk.at >= ENTRIES) break
        if (!walk.cursor.key().equals(keyOf(walk.at))) t.fail(`entry ${walk.at} has another key`)
        if (!walk.cursor.value().equals(bodyOf(walk.at, 0))) t.fail(`entry ${walk.at} has another value`)
        walk.at += walk.step
        const isThere = walk.cursor.next()
        if (isThere !== (walk.at >= 0 && walk.at < ENTRIES)) t.fail(`the walk ends at ${walk.at}`)
      }
    }
  }
  t.ok(cache.evictions - evicted > 1000, `${cache.evictions - evicted} pages went`)
  t.ok(cache.rooms.generation - generation > 100)
  t.ok(cache.cachedBytes + cache.valueBytes + cache.dirtyBytes < 1.3 * MIB, 'the budget holds')
  snapshot.close()
  t.same((await store.check()).problems, [])
  await store.close()
  t.equal(cache.cachedBytes, 0, 'a closed store holds nothing of the cache')
})

t.test('a long look in one turn neither grows the cache nor changes what it has seen', async (t) => {
  const cache = new PageCache(MIB)
  const store = await filled(join(t.testdir(), 'store'), cache)
  const snapshot = store.snapshot()
  const cursor = snapshot.tree('entries').cursor()
  let most = 0
  for (let n = 0; n < ENTRIES; n++) {
    cursor.next()
    if (!cursor.value().equals(bodyOf(n, 0))) t.fail(`entry ${n}`)
    if (n % 100 === 0) most = Math.max(most, cache.cachedBytes)
  }
  t.notOk(cursor.next())
  t.ok(most < 1.1 * MIB, `${most} bytes`)
  snapshot.close()
  await store.close()
})

/** A page of a leaf without entries, so many bytes long. */
function pageOf(bytes: number): KeptPage {
  const out = new ByteWriter()
  MutableNode.empty(true, 1800, 1).serialize(out)
  const page = Buffer.concat([out.view(), Buffer.alloc(bytes - out.view().length)])
  page.writeUInt32LE(bytes, 4)
  return wholePage(page)
}

t.test('while memory may grow no page has a larger room than it needs', async (t) => {
  const random = new Random(propertySeed(t))
  const cache = new PageCache(16 * MIB)
  const space = cache.space()
  const lengths = [1500, 1750, 1760, 2100, 2500, 3000]
  for (let n = 0; cache.evictions === 0; n++) {
    const bytes = random.pick(lengths)
    space.add(n * 8192, pageOf(bytes), bytes)
    if (cache.evictions > 0) break
    const room = space.kept(n * 8192)!.page.length
    if (room >= bytes + 128) t.fail(`a room of ${room} for a page of ${bytes}`)
  }
  // When all is taken, a page of another size than those that went gets a room all the same.
  await turn()
  for (let n = 0; n < 20; n++) t.ok(space.add(n * 8192 + 4096, pageOf(2000), 2000), 'it is taken in')
})

t.test(
  'of a cache of what is only read hardly anything is free, a sixteenth beside many writes',
  async (t) => {
    const budget = 16 * MIB
    const cache = new PageCache(budget)
    const space = cache.space()
    const kept = pageOf(2048)
    let n = 0
    /** What pages may have, and the part of it that they take when more have come than there is room for. */
    const takenShare = async (limit: number): Promise<number> => {
      const end = n + 12_000
      for (; n < end; n++) {
        space.add(n * 8192, kept, 2048)
        if (n % 20 === 0) await turn()
      }
      return (cache.rooms.heldBytes + cache.cachedBytes - cache.rooms.bytes) / limit
    }
    const alone = await takenShare(budget)
    t.ok(alone > 0.975 && alone < 0.99, `${alone} of it`)
    cache.addDirty(budget / 128)
    const { evictions } = cache
    const few = await takenShare(budget * (1 - 1 / 128))
    t.ok(few > 0.965 && few < 0.98, `${few} beside few dirty bytes`)
    t.ok(evictions > 0)
    cache.addDirty(budget / 4 - budget / 128)
    const many = await takenShare(budget * 0.75)
    t.ok(many > 0.925 && many < 0.94, `${many} beside many`)
  },
)

t.test('pages that two reads make stay longer than those that one makes', async (t) => {
  const random = new Random(propertySeed(t))
  const kept = pageOf(1812)
  const bytes = kept.page
  const origin = ChangingOrigin.of(kept, { position: 0, length: bytes.length, hash: 0n })
  const cache = new PageCache(2 * MIB)
  const space = cache.space()
  const add = (n: number) => space.add(n * 8192, n % 2 === 0 ? kept : { ...kept, origin }, bytes.length)
  let pages = 0
  for (; cache.evictions === 0; pages++) add(pages)
  const all = Math.floor(pages * 1.5)
  for (let look = 0; look < 300 * pages; look++) {
    const n = random.int(all)
    if (space.get(n * 8192) === undefined && random.int(8) === 0) add(n)
    if (look % 500 === 0) await turn()
  }
  const there = [0, 0]
  for (let n = 0; n < all; n++) if (space.kept(n * 8192) !== undefined) there[n % 2]! += 1
  t.ok(there[1]! > there[0]! * 1.2, `${there[1]} beside ${there[0]}`)
  t.ok(there[0]! > 0, 'others have their place too')
})

t.test('a page that is used by way of its parent alone stays, and its uses outlive the parent', async (t) => {
  const cache = new PageCache(2 * MIB)
  const space = cache.space()
  const inner = pageOf(1812)
  inner.page[2] = 3
  const leaf = pageOf(1812)
  space.add(0, inner, 1812)
  space.add(8192, leaf, 1812)
  const parent = space.use(0)!
  space.useChild(parent, 1, 8192)
  let n = 2
  const others = async (most: number): Promise<void> => {
    const { evictions } = cache
    while (cache.evictions < evictions + most) {
      space.add(n * 8192, leaf, 1812)
      // Half of them, so that the hand goes around and finds some to evict each time.
      if (n % 2 === 0) space.use(n * 8192)
      n += 1
      if (n % 8 === 0) await turn()
    }
  }
  for (let round = 0; round < 20; round++) {
    space.use(0)
    t.ok(space.kept(8192), 'it is there')
    t.equal(space.useLinked(parent, 1), space.kept(8192)?.page)
    await others(100)
  }
  t.equal(space.useLinked(parent, 2), undefined)
  space.useLinked(parent, 1)
  space.drop(0)
  t.equal(space.kept(8192)?.chances, 2, 'the parent went, and had noted a use')
  await others(6000)
  t.notOk(space.kept(8192), 'nobody uses it any more')
})

t.test('a leaf that is a patch is taken in for one entry until patches would go for it', async (t) => {
  const cache = new PageCache(2 * MIB)
  const space = cache.space()
  const kept = pageOf(1812)
  const origin = ChangingOrigin.of(kept, { position: 0, length: 1812, hash: 0n })
  let n = 0
  const add = async (count: number, page: KeptPage): Promise<void> => {
    for (const end = n + count; n < end; n++) {
      space.add(n * 8192, page, 1812)
      await turn()
    }
  }
  const taken = (isPatch: boolean): number => {
    let wanted = 0
    for (let i = 0; i < 80; i++) if (space.wants(1812, isPatch)) wanted += 1
    return wanted
  }
  t.equal(taken(false), 80, 'there is room for all')
  await add(2000, kept)
  t.equal(taken(true), 80)
  t.equal(taken(false), 10)
  await add(3000, { ...kept, origin })
  t.equal(taken(true), 20)
  t.equal(taken(false), 10)
})
