/** Followers: what they read is what their writer has acknowledged, in one thread and in another one. */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import {
  type CompactionOptions,
  compact,
  type Follower,
  type FollowerOptions,
  openFollower,
  openStore,
  PageCache,
  type SharedProgress,
  StorageError,
  type Store,
  StoreCompactionSource,
} from '../../native-free-btree/index.ts'
import { ProgressReader, ProgressWriter } from '../../native-free-btree/log/progress.ts'
import { ChangeTable } from '../../native-free-btree/tree/change-table.ts'
import { flipBit } from '../../src/lab/disk/simulated-damage.ts'
import { FollowedStore } from '../support/followed-store.ts'
import type { FollowingData, FollowingReport } from '../support/following-thread.ts'
import { PropertyRun } from '../support/property-run.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock, seededRandomBytes } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { explained, isLong, rounds, seed } from '../support/test-run.ts'
import { openSimulated, patternBytes, TEST_TREES } from '../support/test-trees.ts'

t.setTimeout(300_000)

const PATH = '/d/store'
const STORES = isLong ? 8 : 2
const OPERATIONS = isLong ? 12_000 : 6_000

const numbered = (n: number): Buffer => Buffer.from(`key ${String(n).padStart(6, '0')}`)

function followerOn(
  disk: SimulatedDisk,
  progress: SharedProgress,
  given: FollowerOptions = {},
): Promise<Follower> {
  return openFollower(progress, {
    trees: TEST_TREES,
    cache: new PageCache(1024 * 1024),
    fileSystem: disk,
    clock: new SimulatedClock(),
    ...given,
  })
}

/** The clock stands still: a writer that is slowed down would wait for ever. */
class UnhurriedSource extends StoreCompactionSource {
  override slowDown(): void {}
}

async function compactOn(
  disk: SimulatedDisk,
  random: Random,
  store: Store,
  pace?: CompactionOptions['pace'],
) {
  await compact(new UnhurriedSource(store), {
    trees: TEST_TREES,
    fileSystem: disk,
    clock: new SimulatedClock(),
    random: seededRandomBytes(random),
    cache: new PageCache(1024 * 1024),
    fillBytes: 8 * 1024,
    pace,
  })
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error)
  }
}

t.test('random operations read by two followers agree with a plain model', async (t) => {
  const all = { operations: 0, reopened: 0, crashes: 0, compactions: 0 }
  const random = new Random(seed)
  t.comment(`DAVENPORT_SEED=${seed}`)
  for (let part = 0; part < STORES * rounds; part++) {
    let disk = new SimulatedDisk(random.fork())
    let open: FollowedStore
    const run = new PropertyRun(random.fork(), {
      open: async () => {
        const store = await openSimulated(disk, PATH, random, {
          checkpointLogBytes: 60_000,
          partBytes: 50_000,
        })
        const progress = store.shareProgress()
        // A copy, as another thread gets one.
        const copy = structuredClone({ ...progress, state: undefined })
        const followers = [
          await followerOn(disk, progress),
          await followerOn(disk, { ...copy, state: progress.state }),
        ]
        open = new FollowedStore(store, followers, random.fork())
        return open
      },
      crash: async () => {
        disk = disk.crash()
      },
      compact: async () => {
        const { store } = open
        await compactOn(disk, random, store)
        for (const follower of open.followers) {
          if (follower.isFresh) throw new Error('a follower of a file that was replaced is fresh')
          if (!follower.values.isCurrent) throw new Error('nobody has followed to the new file')
          if (random.bool()) await follower.catchUp()
        }
        await Promise.all(open.followers.map((follower) => follower.catchUp()))
      },
    })
    try {
      await run.run(OPERATIONS)
    } catch (error) {
      throw explained(error, `after ${run.operations} operations on store ${part}`)
    }
    all.operations += run.operations
    all.reopened += run.reopened
    all.crashes += run.crashes
    all.compactions += run.compactions
  }
  t.comment(JSON.stringify(all))
  t.ok(all.operations >= STORES * OPERATIONS)
  t.ok(all.crashes >= STORES)
  t.ok(all.compactions >= STORES)
})

t.test('another thread sees what was acknowledged before it was told', async (t) => {
  const store = await openStore(join(t.testdir(), 'store'), {
    trees: { numbers: {} },
    cache: new PageCache(4 * 1024 * 1024),
    checkpointLogBytes: 64 * 1024,
  })
  const workerData: FollowingData = { progress: store.shareProgress() }
  const worker = new Worker(new URL('../support/following-thread.js', import.meta.url), { workerData })
  await once(worker, 'message')
  const wrong: string[] = []
  let caughtUp = 0
  const rest = async (n: number): Promise<void> => {
    await store.transact((tx) => {
      tx.put('numbers', Buffer.from('last'), Buffer.from(`${n}`))
      tx.put('numbers', numbered(n), patternBytes(n, 400))
    })
    const { commit } = store
    const answer = once(worker, 'message')
    worker.postMessage(n)
    const [report] = (await answer) as [FollowingReport]
    if (report.seen !== n || report.counted !== n + 1 || report.commit !== commit) {
      wrong.push(`${JSON.stringify(report)} for ${n} at ${commit}`)
    }
    if (report.caughtUp) caughtUp += 1
  }
  let n = 0
  for (let swaps = 0; swaps < 4; swaps++) {
    for (let i = 0; i < 150; i++) await rest(++n)
    await compact(new StoreCompactionSource(store), { trees: { numbers: {} } })
  }
  for (let i = 0; i < 50; i++) await rest(++n)
  t.same(wrong, [])
  t.ok(caughtUp >= 4, 'each swap was followed')
  worker.postMessage('over')
  await once(worker, 'exit')
  await store.close()
})

t.test('a publication is read whole, whatever the writer is about', async (t) => {
  const writer = new ProgressWriter('/p', 'u')
  // Numbers that say the same, whatever is read of them.
  const reader = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(({ ProgressReader }) => {
      const reader = new ProgressReader(workerData.shared)
      let torn = 0, reads = 0, last = 0
      parentPort.postMessage('ready')
      while (last < workerData.end) {
        const { durableEnd, commit, checkpoint, salt } = reader.facts
        reads += 1
        if (durableEnd !== commit * 2 ** 32 + commit || checkpoint.position !== durableEnd) torn += 1
        if (checkpoint.hash !== BigInt(durableEnd) || commit < last || salt !== 2n ** 64n - 1n) torn += 1
        last = commit
      }
      parentPort.postMessage({ torn, reads })
    })`
  const end = 60_000
  const facts = (commit: number) => {
    const durableEnd = commit * 2 ** 32 + commit
    return {
      durableEnd,
      commit,
      checkpoint: { position: durableEnd, length: commit, hash: BigInt(durableEnd) },
    }
  }
  writer.begin(2n ** 64n - 1n, facts(0))
  const module = new URL('../../native-free-btree/log/progress.js', import.meta.url).href
  const worker = new Worker(reader, { eval: true, workerData: { shared: writer.shared, end, module } })
  await once(worker, 'message')
  for (let commit = 1; commit <= end; commit++) writer.publish(facts(commit))
  const [{ torn, reads }] = (await once(worker, 'message')) as [{ torn: number; reads: number }]
  t.comment(`${reads} reads`)
  t.equal(torn, 0)
  writer.close()
  t.match(new ProgressReader(writer.shared).facts, { isClosed: true, file: 1, commit: end })
})

/** A store with one follower, on a disk in memory, without checkpoints unless they are asked for. */
async function pair(given: FollowerOptions = {}) {
  const random = new Random(seed)
  const disk = new SimulatedDisk(random.fork())
  const options = { checkpointLogBytes: 2 ** 30, dirtyBytes: 2 ** 30, cache: new PageCache(64 * 1024 * 1024) }
  const store = await openSimulated(disk, PATH, random, options)
  const follower = await followerOn(disk, store.shareProgress(), given)
  const put = (from: number, to: number, bytes = 40): Promise<void> =>
    store.transact((tx) => {
      for (let n = from; n < to; n++) tx.put('plain', numbered(n), patternBytes(n, bytes))
    })
  return { random, disk, store, follower, put }
}

t.test('a flipped byte in the log is DAMAGED, and no wrong answer', async (t) => {
  for (const offset of [5, 60, 130, 140, 400]) {
    const { disk, store, follower, put } = await pair()
    await put(0, 10)
    t.ok(follower.has('plain', numbered(9)))
    const snapshot = follower.snapshot()
    const at = store.durableEnd
    await put(10, 20)
    flipBit(disk, PATH, at + offset, 3)
    for (const key of [numbered(1), numbered(15)]) {
      t.equal(
        codeOf(() => follower.get('plain', key)),
        'DAMAGED',
      )
      t.equal(
        codeOf(() => follower.has('plain', key)),
        'DAMAGED',
      )
    }
    t.equal(
      codeOf(() => follower.snapshot()),
      'DAMAGED',
    )
    await t.rejects(follower.catchUp(), { code: 'DAMAGED', details: { position: at } })
    t.equal(snapshot.tree('plain').count(), 10, 'what was taken in before stays readable')
    snapshot.close()
    flipBit(disk, PATH, at + offset, 3)
    t.same(
      follower.get('plain', numbered(15)),
      patternBytes(15, 40),
      'and is gone on from when it is whole again',
    )
    await follower.close()
    await store.close()
  }
})

t.test('damage in a checkpoint or its nodes is never a wrong answer', async (t) => {
  const { disk, store, follower, put } = await pair()
  await put(0, 500)
  const before = store.durableEnd
  await store.checkpoint()
  // The nodes of the checkpoint lie here, and its record behind them.
  for (let at = before + 200; at < store.durableEnd - 8; at += 97) flipBit(disk, PATH, at, 1)
  t.equal(
    codeOf(() => follower.get('plain', numbered(1))),
    'DAMAGED',
  )
  await t.rejects(followerOn(disk, store.shareProgress()), { code: 'DAMAGED' })
  await follower.close()
  await store.close()
})

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

t.test('operations fill the chunks of a table to the last byte', (t) => {
  const table = new ChangeTable(undefined, { add: () => {} })
  const key = Buffer.alloc(65_536, 1)
  for (let n = 0; n < 4; n++) {
    table.delete(key, 0, key.length)
    table.delete(key, 7, 7)
    t.equal(table.keyOf(2 * n + 1).length, 0)
    t.equal(table.last(key), 2 * n)
    t.equal(table.last(Buffer.alloc(0)), 2 * n + 1)
  }
  table.clear()
  t.equal(table.last(key), undefined)
  t.end()
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

t.test('a file that was replaced is read on until it is caught up with, up to its end', async (t) => {
  const { random, disk, store, follower, put } = await pair()
  await put(0, 100)
  t.ok(follower.has('plain', numbered(99)))
  const snapshot = follower.snapshot()
  const cursor = snapshot.tree('plain').cursor()
  t.ok(cursor.next())
  await put(100, 200)
  await compactOn(disk, random, store)
  const { salt } = follower
  t.equal(follower.isFresh, false)
  t.ok(follower.has('plain', numbered(199)), 'what was acknowledged before the swap')
  await put(200, 300)
  t.equal(follower.salt, salt)
  const { values } = follower
  await follower.catchUp()
  t.equal(follower.isFresh, true)
  t.equal(follower.salt, store.salt)
  t.not(follower.salt, salt)
  t.equal(values.isCurrent, false)
  t.ok(follower.has('plain', numbered(299)))
  t.equal(follower.commit, store.commit)
  for (let n = 1; n < 100; n++) t.ok(cursor.next())
  t.notOk(cursor.next(), 'the snapshot goes on with the file that it began with')
  snapshot.close()
  await follower.close()
  await store.close()
})

t.test(
  'trees that the writer defines later are there from the beginning, and found when they are defined',
  async (t) => {
    const random = new Random(seed)
    const disk = new SimulatedDisk(random.fork())
    const store = await openSimulated(disk, PATH, random)
    const follower = await followerOn(disk, store.shareProgress())
    const snapshot = follower.snapshot()
    t.equal(follower.get('plain', numbered(1)), undefined)
    await store.transact((tx) => tx.put('plain', numbered(1), numbered(1)))
    t.same(follower.get('plain', numbered(1)), numbered(1))
    t.equal(snapshot.tree('plain').count(), 0)
    t.equal(
      codeOf(() => follower.get('other', numbered(1))),
      'UNKNOWN_TREE',
    )
    snapshot.close()
    await follower.close()
    await store.close()
  },
)

t.test('a backup that a follower takes opens with every commit of the moment', async (t) => {
  const { random, disk, store, follower, put } = await pair()
  await put(0, 300)
  await store.checkpoint()
  await put(300, 400)
  const backup = follower.backup()
  await put(400, 500)
  const pieces: Buffer[] = []
  for await (const piece of backup.bytes()) pieces.push(Buffer.from(piece))
  disk.install('/d/copy', Buffer.concat(pieces))
  const copy = await openSimulated(disk, '/d/copy', random)
  const snapshot = copy.snapshot()
  t.equal(snapshot.tree('plain').count(), 400)
  snapshot.close()
  await copy.close()
  await follower.close()
  await store.close()
})

t.test('what is refused', async (t) => {
  const { random, disk, store, follower } = await pair()
  const progress = store.shareProgress()
  t.equal(progress, store.shareProgress())
  await store.transact((tx) => tx.put('folded', numbered(1), numbered(1)))
  await t.rejects(openFollower(undefined as never), { code: 'INVALID_ARGUMENT' })
  await t.rejects(openFollower({ ...progress, path: '' }), { code: 'INVALID_ARGUMENT' })
  await t.rejects(openFollower({ ...progress, state: new SharedArrayBuffer(8) }), {
    code: 'INVALID_ARGUMENT',
  })
  await t.rejects(openFollower(progress, { cache: {} as never }), { code: 'INVALID_ARGUMENT' })
  await t.rejects(followerOn(disk, progress, { trees: { folded: {} } }), { code: 'COMPARATOR_MISMATCH' })
  await t.rejects(followerOn(disk, { ...progress, uuid: 'another' }), { code: 'NOT_FOUND' })
  await t.rejects(followerOn(disk, { ...progress, path: '/d/elsewhere' }), { code: 'NOT_FOUND' })
  const some = await followerOn(disk, progress, { trees: { plain: {} } })
  t.equal(
    codeOf(() => some.get('folded', numbered(1))),
    'COMPARATOR_MISMATCH',
    'the others can be read',
  )
  t.equal(some.get('plain', numbered(1)), undefined)
  await some.close()
  t.equal(
    codeOf(() => some.get('plain', numbered(1))),
    'CLOSED',
  )
  await t.rejects(some.catchUp(), { code: 'CLOSED' })
  const reading = await openSimulated(disk, PATH, random, { readOnly: true })
  t.equal(
    codeOf(() => reading.shareProgress()),
    'READ_ONLY',
  )
  await reading.close()
  const held = follower.snapshot()
  await store.close()
  t.equal(
    codeOf(() => store.shareProgress()),
    'CLOSED',
  )
  t.equal(follower.isFresh, false)
  t.equal(
    codeOf(() => follower.get('plain', numbered(1))),
    'CLOSED',
  )
  t.equal(
    codeOf(() => follower.snapshot()),
    'CLOSED',
  )
  t.equal(held.tree('folded').count(), 1, 'a snapshot that was open stays so')
  await t.rejects(follower.catchUp(), { code: 'CLOSED' })
  await t.rejects(followerOn(disk, progress), { code: 'CLOSED' })
  held.close()
  await follower.close()
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
