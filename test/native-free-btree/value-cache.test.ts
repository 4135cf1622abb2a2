import { join } from 'node:path'
import t from 'tap'
import {
  LONGEST_CACHED_BYTES,
  SEGMENT_BYTES,
  ValueCache,
  ValueSpace,
} from '../../native-free-btree/cache/value-cache.ts'
import { ValueIndex } from '../../native-free-btree/cache/value-index.ts'
import { nodeFileSystem } from '../../native-free-btree/disk/posix-file.ts'
import {
  openStore,
  PageCache,
  type Reference,
  type Store,
  type ValuePlace,
} from '../../native-free-btree/index.ts'
import { wholePage } from '../../native-free-btree/page/origin.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { noLock, patternBytes } from '../support/test-trees.ts'

const MIB = 1024 * 1024

/** A copy of the value that is located, if it is there. */
function cachedValue(space: ValueSpace, position: number, length: number, check: number): Buffer | undefined {
  const place: ValuePlace = { bytes: Buffer.alloc(0), start: 0, end: 0 }
  if (!space.locate(position, length, check, place)) return undefined
  return Buffer.from(place.bytes.subarray(place.start, place.end))
}

/** A budget that tests set. */
class FixedBudget {
  bytes: number

  constructor(bytes: number) {
    this.bytes = bytes
  }

  allowanceBytes(): number {
    return this.bytes
  }

  onValuesGrown(): void {}
}

t.test('the index agrees with a plain list, many entries having the same hash', async (t) => {
  const random = new Random(propertySeed(t))
  const index = new ValueIndex()
  const model: { hash: number; location: number }[] = []
  const hashes = Array.from({ length: 60 }, () => random.next())
  // Neighbours in one shard, which run into one another and around the end.
  for (let i = 0; i < 60; i++) hashes.push(((hashes[i % 3]! & 0xff000000) | (0xfffff8 + (i % 12))) >>> 0)
  const found = (hash: number) => {
    const locations: number[] = []
    for (let at = index.find(hash); at !== 0; at = index.findNext()) locations.push(at)
    return locations.sort((a, b) => a - b)
  }
  const stand = (entry: { hash: number; location: number }) => {
    let location = index.find(entry.hash)
    while (location !== entry.location && location !== 0) location = index.findNext()
    if (location === 0) throw new Error('an entry is lost')
  }
  let wrong = 0
  for (let step = 1; step <= 20_000; step++) {
    const hash = random.pick(hashes)
    const choice = random.int(model.length < 300 ? 3 : 4)
    if (choice <= 1 || model.length === 0) {
      index.add(hash, step)
      model.push({ hash, location: step })
    } else {
      const at = random.int(model.length)
      stand(model[at]!)
      if (choice === 2) {
        index.move(step)
        model[at]!.location = step
      } else {
        index.remove()
        model.splice(at, 1)
      }
    }
    if (model.length > 400) {
      stand(model[0]!)
      index.remove()
      model.shift()
    }
    const expected = model.filter((entry) => entry.hash === hash).map((entry) => entry.location)
    if (JSON.stringify(found(hash)) !== JSON.stringify(expected.sort((a, b) => a - b))) wrong += 1
  }
  t.equal(wrong, 0)
  index.clear()
  t.equal(index.bytes, 0)
})

t.test('never another value, never more memory than allowed', async (t) => {
  const random = new Random(propertySeed(t))
  const budget = new FixedBudget(6 * SEGMENT_BYTES)
  const cache = new ValueCache(budget)
  const spaces = Array.from({ length: 4 }, () => new ValueSpace(cache))
  // The same positions, lengths and checks in each: only the number of the file tells them apart.
  const lengthAt = (place: number) => 1 + ((place * 131) % (place % 10 === 0 ? LONGEST_CACHED_BYTES : 400))
  const checkAt = (place: number) => Math.imul(place, 0x9e3779b1) >>> 0
  // On both sides of 2^32.
  const positionOf = (place: number) => place * 997 + (place % 2) * 2 ** 40
  let hits = 0
  let wrong = 0
  for (let step = 0; step < 40_000; step++) {
    const which = random.int(spaces.length)
    const space = spaces[which]!
    // A third of the reads goes to few of them.
    const place = random.int(3) === 0 ? random.int(50) : random.int(6000)
    const [position, length, check] = [positionOf(place), lengthAt(place), checkAt(place)]
    const value = patternBytes(which * 10_000 + place, length)
    const found = cachedValue(space, position, length, check)
    if (found === undefined) {
      space.add(position, check, value)
    } else {
      hits += 1
      if (!found.equals(value)) wrong += 1
      found.fill(0)
      if (cachedValue(space, position, length, check + 1) !== undefined) wrong += 1
      if (cachedValue(space, position, length + 1, check) !== undefined) wrong += 1
    }
    if (random.int(4000) === 0) {
      space.clear()
      for (let at = 0; at < 6000; at++) {
        if (cachedValue(space, positionOf(at), lengthAt(at), checkAt(at)) !== undefined) wrong += 1
      }
    }
    if (random.int(500) === 0) budget.bytes = random.int(8) * SEGMENT_BYTES
    if (cache.bytes > budget.bytes) cache.shrinkTo(budget.bytes)
    if (cache.bytes > budget.bytes + SEGMENT_BYTES / 2) wrong += 1
  }
  t.equal(wrong, 0)
  t.comment(`${hits} hits`)
  t.ok(hits > 2000)
  for (const space of spaces) space.clear()
  t.equal(cache.bytes, 0, 'without files there is no memory')
})

t.test('a walk over everything does not drive out what is used', async (t) => {
  const cache = new ValueCache(new FixedBudget(8 * SEGMENT_BYTES))
  const space = new ValueSpace(cache)
  const value = patternBytes(1, 1000)
  const read = (place: number) => {
    const hit = cachedValue(space, place * 1013, 1000, place) !== undefined
    if (!hit) space.add(place * 1013, place, value)
    return hit
  }
  for (let place = 0; place < 2000; place++) read(place)
  const hitsOfHot = () => {
    let hits = 0
    for (let place = 0; place < 2000; place++) if (read(place)) hits += 1
    return hits
  }
  t.equal(hitsOfHot(), 2000)
  for (let place = 10_000; place < 100_000; place++) read(place)
  // The walk had nothing found: few are looked for until it shows that it pays.
  for (let round = 0; round < 3; round++) hitsOfHot()
  t.equal(hitsOfHot(), 2000, 'all are still there')
  // New favourites find room all the same.
  let hits = 0
  for (let round = 0; round < 4; round++) {
    hits = 0
    for (let place = 200_000; place < 201_000; place++) if (read(place)) hits += 1
  }
  // Two of them may share the one place of the note that says which were refused.
  t.ok(hits > 900, `${hits}`)
})

t.test('a cache too small for what is read cares for some of it, for all when that pays', async (t) => {
  const random = new Random(propertySeed(t))
  const budget = new FixedBudget(4 * SEGMENT_BYTES)
  const cache = new ValueCache(budget)
  const space = new ValueSpace(cache)
  const value = patternBytes(1, 1000)
  /** How many of so many reads of values `from` to `to` are hits. */
  const readSome = (count: number, from: number, to: number): number => {
    let hits = 0
    for (let i = 0; i < count; i++) {
      const place = from + random.int(to - from)
      if (cachedValue(space, place * 1013, 1000, place) === undefined) space.add(place * 1013, place, value)
      else hits += 1
    }
    return hits
  }
  // A hundred times what there is room for: what is found is about as much as it holds, of a sixteenth of the values.
  readSome(600_000, 0, 200_000)
  const hits = readSome(200_000, 0, 200_000)
  t.ok(hits > 400, `${hits} hits`)
  let taken = 0
  for (let place = 400_000; place < 400_400; place++) if (readSome(3, place, place + 1) > 0) taken += 1
  t.ok(taken < 100, `${taken} of 400 that are read three times are taken in`)
  // As many as there is room for: the cache comes to hold them.
  readSome(60_000, 300_000, 301_000)
  t.equal(readSome(5000, 300_000, 301_000), 5000)
  // Memory to grow into: all are taken in at once.
  readSome(600_000, 0, 200_000)
  budget.bytes = 400 * SEGMENT_BYTES
  readSome(600_000, 0, 30_000)
  t.ok(readSome(20_000, 0, 30_000) > 19_900)
})

t.test('when room is needed, what was used stays', async (t) => {
  const cache = new ValueCache(new FixedBudget(8 * SEGMENT_BYTES))
  const space = new ValueSpace(cache)
  const value = patternBytes(1, 1000)
  const isHit = (place: number) => cachedValue(space, place * 1013, 1000, place)?.equals(value) === true
  for (let place = 0; place < 3000; place++) space.add(place * 1013, place, value)
  for (let place = 0; place < 3000; place += 3) t.ok(isHit(place))
  for (let place = 10_000; place < 13_000; place++) {
    // Refused, then taken in.
    space.add(place * 1013, place, value)
    space.add(place * 1013, place, value)
  }
  let used = 0
  let unused = 0
  for (let place = 0; place < 3000; place++) {
    if (place % 3 === 0 && isHit(place)) used += 1
    if (place % 3 !== 0 && isHit(place)) unused += 1
  }
  t.equal(used, 1000)
  t.ok(unused < 500, `${unused} of 2000 that nobody read`)
})

interface Opened {
  store: Store
  references: Reference[]
}

async function make(path: string, cache: PageCache, pattern: number): Promise<Opened> {
  const store = await openStore(path, { trees: { a: {} }, cache, lock: noLock })
  const references = await store.transact((tx) =>
    Array.from({ length: 200 }, (_, i) => tx.append(patternBytes(pattern + i, 300))),
  )
  return { store, references }
}

function readAll({ store, references }: Opened, pattern: number): number {
  // Not in the order of the file: each by itself, or from the cache.
  let wrong = 0
  for (let i = 0; i < 200; i++) {
    const at = (i * 77) % 200
    if (!store.read(references[at]!).equals(patternBytes(pattern + at, 300))) wrong += 1
  }
  return wrong
}

t.test('stores of one cache, and what is opened after another', async (t) => {
  const folder = t.testdir()
  const cache = new PageCache(16 * MIB)
  const one = await make(join(folder, 'one'), cache, 1000)
  const two = await make(join(folder, 'two'), cache, 2000)
  t.same(
    one.references.map((reference) => reference.subarray(0, 12)),
    two.references.map((reference) => reference.subarray(0, 12)),
    'the same positions and lengths',
  )
  for (let round = 0; round < 3; round++) {
    t.equal(readAll(one, 1000), 0)
    t.equal(readAll(two, 2000), 0)
  }
  t.ok(cache.valueBytes > 0)
  t.ok(one.store.stats().cachedBytes >= cache.valueBytes)
  await one.store.close()
  await two.store.close()
  t.equal(cache.valueBytes, 0)
  await nodeFileSystem.rename(join(folder, 'two'), join(folder, 'one'))
  const three = await openStore(join(folder, 'one'), { trees: { a: {} }, cache, lock: noLock })
  t.equal(readAll({ store: three, references: two.references }, 2000), 0)
  for (const reference of one.references) t.throws(() => three.read(reference), { code: 'DAMAGED' })
  await three.close()
})

t.test('what the cache holds was verified; what it does not hold is verified', async (t) => {
  const path = join(t.testdir(), 'store')
  const cache = new PageCache(16 * MIB)
  const opened = await make(path, cache, 5)
  const { store, references } = opened
  const cached = references[20]!
  const fresh = references[120]!
  t.same(store.read(cached), patternBytes(25, 300))
  const file = await nodeFileSystem.open(path, 'write')
  for (const reference of [cached, fresh]) {
    const position = Buffer.from(reference).readUIntLE(0, 6)
    const byte = Buffer.alloc(1)
    file.readSync(byte, position + 100)
    await file.write(Buffer.of(byte[0]! ^ 16), position + 100)
  }
  await file.close()
  t.same(store.read(cached), patternBytes(25, 300), 'it was read before the damage')
  t.throws(() => store.read(fresh), { code: 'DAMAGED' })
  t.throws(() => store.read(fresh), { code: 'DAMAGED' }, 'and was not kept')
  const wrong = Buffer.from(cached)
  wrong[15]! ^= 1
  t.throws(() => store.read(wrong), { code: 'DAMAGED' }, 'a reference that differs in its check alone')
  await store.close()
})

t.test('pages and dirty nodes go before values; together they keep to the budget', async (t) => {
  const cache = new PageCache(8 * MIB)
  const store = await openStore(join(t.testdir(), 'store'), { trees: { a: {} }, cache, lock: noLock })
  const references = await store.transact((tx) =>
    Array.from({ length: 20_000 }, (_, i) => tx.append(patternBytes(i, 300))),
  )
  for (let i = 0; i < references.length; i++) store.read(references[(i * 7919) % references.length]!)
  const alone = cache.valueBytes
  t.ok(alone > 5 * MIB && alone <= 8 * MIB, `${alone} bytes of values`)
  for (let from = 0; from < 60_000; from += 5000) {
    await store.transact((tx) => {
      for (let i = from; i < from + 5000; i++)
        tx.put('a', Buffer.from(`${i}`.padStart(9, '0')), patternBytes(i, 150))
    })
    t.ok(cache.valueBytes + cache.cachedBytes + cache.dirtyBytes <= 8.6 * MIB)
  }
  await store.checkpoint()
  for (let i = 0; i < 60_000; i += 5) store.get('a', Buffer.from(`${i}`.padStart(9, '0')))
  t.ok(
    cache.valueBytes <= MIB,
    `${cache.valueBytes} bytes of values beside more pages than there is room for`,
  )
  t.ok(cache.cachedBytes > 6 * MIB)
  t.ok(cache.valueBytes + cache.cachedBytes + cache.dirtyBytes <= 8.6 * MIB)
  for (let i = 0; i < 1000; i++) {
    const at = (i * 7919) % references.length
    if (!store.read(references[at]!).equals(patternBytes(at, 300))) t.fail(`value ${at}`)
  }
  await store.close()
  t.equal(cache.valueBytes + cache.cachedBytes + cache.dirtyBytes, 0)
})

t.test('values that are looked for in vain leave their memory to pages until they are found', async (t) => {
  const random = new Random(propertySeed(t))
  const cache = new PageCache(32 * MIB)
  const space = cache.space()
  const value = patternBytes(1, 1000)
  const page = Buffer.alloc(2000)
  page[0] = 1
  let pages = 0
  const addPage = (): void => {
    pages += 1
    space.add(pages * 2048, wholePage(page), page.length)
  }
  while (cache.evictions === 0) addPage()
  const readSome = async (count: number, from: number, to: number): Promise<number> => {
    let hits = 0
    for (let i = 0; i < count; i++) {
      const place = from + random.int(to - from)
      const isHit = cachedValue(space.values, place * 1013, 1000, place) !== undefined
      if (isHit) hits += 1
      else space.values.add(place * 1013, place, value)
      if (i % 10 === 0) addPage()
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return hits
  }
  await readSome(20_000, 0, 5000)
  t.ok(cache.valueBytes > 1.5 * MIB, `${cache.valueBytes} bytes`)
  await readSome(200_000, 0, 1_000_000)
  t.ok(cache.valueBytes < 1.3 * MIB, `${cache.valueBytes} bytes when nothing was found for long`)
  t.ok(cache.cachedBytes > 30.4 * MIB, `${cache.cachedBytes} bytes of pages`)
  await readSome(60_000, 2_000_000, 2_001_000)
  t.ok(cache.valueBytes > 1.5 * MIB, `${cache.valueBytes} bytes when they are in use`)
  t.ok((await readSome(5000, 2_000_000, 2_001_000)) > 4900)
  t.ok(cache.valueBytes + cache.cachedBytes <= 32 * MIB)
})
