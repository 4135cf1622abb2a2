import t from 'tap'
import { codeOf, compactOn, followerOn, numbered, PATH, pair } from '../support/follower-pair.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(300_000)

t.test('a tree costs nothing until somebody looks at it, and is then as it was', async (t) => {
  const { store, follower, put } = await pair()
  await put(0, 2000)
  const first = follower.snapshot()
  t.same(first.tree('plain').get(numbered(7)), patternBytes(7, 40))
  t.equal(follower.stats().openSnapshots, 1)
  await put(1000, 3000, 50)
  await store.transact((tx) => tx.delete('plain', numbered(7)))
  const second = follower.snapshot()
  await put(0, 5, 60)
  t.equal(follower.get('plain', numbered(7)), undefined)
  t.equal(second.tree('plain').count(), 2999, 'the later one is asked first')
  t.equal(first.tree('plain').count(), 2000)
  t.same(first.tree('plain').get(numbered(7)), patternBytes(7, 40))
  t.same(first.tree('plain').get(numbered(1500)), patternBytes(1500, 40))
  t.equal(first.tree('plain').rank(numbered(8)), 8)
  t.equal(second.tree('plain').rank(numbered(8)), 7)
  t.same(second.tree('plain').get(numbered(0)), patternBytes(0, 40))
  const cursor = second.tree('plain').cursor({ reverse: true })
  t.ok(cursor.next())
  t.same(cursor.key(), numbered(2999))
  first.close()
  t.equal(
    codeOf(() => first.tree('plain')),
    'CLOSED',
  )
  second.close()
  await follower.close()
  await store.close()
})

t.test('a key in a snapshot stays as it was without its tree being moved on', async (t) => {
  const { store, follower, put } = await pair()
  await put(0, 10)
  const snapshot = follower.snapshot()
  const tree = snapshot.tree('plain')
  await put(5, 15, 50)
  await store.transact((tx) => tx.delete('plain', numbered(1)))
  t.same(follower.get('plain', numbered(5)), patternBytes(5, 50))
  t.same(tree.get(numbered(4)), patternBytes(4, 40), 'a key that nobody changed')
  t.same(tree.get(numbered(5)), patternBytes(5, 40), 'one that was changed')
  t.same(tree.get(numbered(1)), patternBytes(1, 40), 'one that was deleted')
  t.equal(tree.has(numbered(12)), false, 'one that was added')
  snapshot.close()
  await follower.close()
  await store.close()
})

t.test('a cursor stands on pages of the file that nobody changes under it', async (t) => {
  const { store, follower, put } = await pair()
  await put(0, 2000)
  await store.checkpoint()
  while (follower.has('plain', numbered(0)) && follower.stats().dirtyBytes > 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const snapshot = follower.snapshot()
  const cursor = snapshot.tree('plain').cursor()
  t.ok(cursor.next())
  await put(0, 2000, 39)
  t.equal(follower.stats().trees['plain']?.bytes, 2000 * 49, 'the tree is moved on')
  for (let n = 0; n < 2000; n++) {
    if (!cursor.value().equals(patternBytes(n, 40))) t.fail(`entry ${n}`)
    cursor.next()
  }
  await store.transact((tx) => {
    for (let n = 100; n < 1900; n++) tx.delete('plain', numbered(n))
  })
  const later = follower.snapshot()
  const backwards = later.tree('plain').cursor({ reverse: true })
  let left = 0
  while (backwards.next()) left += 1
  t.equal(left, 200, 'leaves that became empty are gone')
  t.equal(later.tree('plain').rank(numbered(1950)), 150)
  snapshot.close()
  later.close()
  await follower.close()
  await store.close()
})

t.test('versions rise with the changes of their tree, and with no others', async (t) => {
  const { random, disk, store, follower, put } = await pair()
  const start = { plain: follower.version('plain'), summed: follower.version('summed') }
  await put(0, 3)
  t.ok(follower.version('plain') > start.plain)
  t.equal(follower.version('summed'), start.summed)
  const next = follower.version('plain')
  t.equal(follower.version('plain'), next)
  await store.transact((tx) => tx.delete('plain', numbered(900)))
  t.ok(follower.version('plain') > next, 'a deletion of nothing is a change as well')
  t.equal(
    codeOf(() => follower.version('none')),
    'UNKNOWN_TREE',
  )
  const last = follower.version('plain')
  await compactOn(disk, random, store)
  await follower.catchUp()
  const swapped = follower.version('plain')
  t.ok(swapped > last, 'a compaction may change what entries are')
  await put(3, 4)
  await store.checkpoint()
  t.ok(follower.version('plain') > swapped, 'what a checkpoint was taken for is a change')
  await follower.close()
  await store.close()
})

t.test('a read takes in everything however far behind it is; catching up does it in turns', async (t) => {
  const { store, follower, put } = await pair()
  for (let n = 0; n < 40; n++) await put(n * 200, (n + 1) * 200, 200)
  t.equal(follower.isFresh, false)
  t.same(follower.get('plain', numbered(7999)), patternBytes(7999, 200))
  t.equal(follower.isFresh, true)
  for (let n = 0; n < 40; n++) await put(n * 200, (n + 1) * 200, 210)
  t.equal(follower.isFresh, false)
  const caughtUp = follower.catchUp()
  await put(0, 1, 220)
  await caughtUp
  t.equal(follower.isFresh, true)
  t.same(follower.get('plain', numbered(7999)), patternBytes(7999, 210))
  t.same(follower.get('plain', numbered(0)), patternBytes(0, 220))
  await follower.close()
  await store.close()
})

t.test('checkpoints bound the memory of followers that are read and of those that are not', async (t) => {
  const { disk, store, follower, put } = await pair()
  const idle = await followerOn(disk, store.shareProgress())
  let most = 0
  for (let n = 0; n < 60; n++) {
    await put(n * 100, (n + 1) * 100, 200)
    follower.has('plain', numbered(0))
    if (n % 10 === 9) await store.checkpoint()
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    follower.has('plain', numbered(0))
    most = Math.max(most, follower.stats().dirtyBytes)
  }
  t.ok(most < 6000 * 200, `${most} bytes at most`)
  await store.checkpoint()
  idle.has('plain', numbered(0))
  t.equal(idle.stats().trees['plain']?.count, 6000)
  t.ok(idle.stats().dirtyBytes < 50_000, 'who is far behind starts at the newest checkpoint')
  await Promise.all([follower.close(), idle.close()])
  await store.close()
})

t.test(
  'what was written much of is put into the trees in turns, and nothing that was acknowledged is missing',
  async (t) => {
    const [MANY, TREE] = [12_000, 'plain']
    const random = new Random(31)
    const disk = new SimulatedDisk(31)
    const trees = { [TREE]: {}, other: {} }
    const store = await openSimulated(disk, PATH, random, { trees, checkpointLogBytes: 1e9, dirtyBytes: 1e9 })
    const follower = await followerOn(disk, store.shareProgress(), { trees })
    const write = (from: number, count: number, value: string): Promise<unknown> =>
      store.transact((tx) => {
        for (let n = from; n < from + count; n++) {
          tx.put(n % 3 === 0 ? 'other' : TREE, numbered((n * 7919) % 100_003), Buffer.from(value))
        }
      })
    const countOf = (): number => {
      const snapshot = follower.snapshot()
      try {
        return snapshot.tree(TREE).count() + snapshot.tree('other').count()
      } finally {
        snapshot.close()
      }
    }
    await write(0, 1000, 'a')
    await follower.catchUp()
    t.equal(follower.settle(), undefined, 'there is little to do')
    for (let from = 1000; from < MANY; from += 1000) await write(from, 1000, 'a')
    await follower.catchUp()
    const before = follower.snapshot()
    for (let from = MANY; from < 2 * MANY; from += 1000) await write(from, 1000, 'b')
    await follower.catchUp()
    const settling = follower.settle()
    t.ok(settling, 'there is much')
    t.equal(follower.settle(), settling, 'which is done once')
    let turns = 0
    let isSettled = false
    void settling!.then(() => {
      isSettled = true
    })
    while (!isSettled) {
      await new Promise((resolve) => setImmediate(resolve))
      if (isSettled) break
      turns += 1
      // Half-way: single keys of both moments, of before and behind where the tree is.
      const key = numbered((7919 * 100) % 100_003)
      t.equal(follower.get(TREE, key)?.toString(), 'a')
      t.equal(follower.get(TREE, numbered((7919 * (MANY + 100)) % 100_003))?.toString(), 'b')
      if (turns === 1) await write(2 * MANY, 10, 'c')
    }
    t.ok(turns >= 2, 'others had turns')
    t.equal(follower.settle(), undefined)
    t.equal(countOf(), 2 * MANY + 10, 'with what was written meanwhile')
    t.equal(before.tree(TREE).count() + before.tree('other').count(), MANY, 'a snapshot of before stays')
    before.close()
    // Whoever closes does not wait for all of it.
    for (let from = 3 * MANY; from < 4 * MANY; from += 1000) await write(from, 1000, 'd')
    await follower.catchUp()
    const last = follower.settle()
    t.ok(last)
    await follower.close()
    await last
    await store.close()
  },
)
