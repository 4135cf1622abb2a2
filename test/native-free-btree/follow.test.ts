/** Followers: what they read is what their writer has acknowledged, in one thread and in another one. */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { compact, openStore, PageCache, StoreCompactionSource } from '../../native-free-btree/index.ts'
import { ProgressReader, ProgressWriter } from '../../native-free-btree/log/progress.ts'
import { ChangeTable } from '../../native-free-btree/tree/change-table.ts'
import { FollowedStore } from '../support/followed-store.ts'
import { compactOn, followerOn, numbered, PATH } from '../support/follower-pair.ts'
import type { FollowingData, FollowingReport } from '../support/following-thread.ts'
import { PropertyRun } from '../support/property-run.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { explained, isLong, rounds, seed } from '../support/test-run.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(300_000)

const STORES = isLong ? 8 : 2
const OPERATIONS = isLong ? 12_000 : 6_000

t.test(
  'onDurable is told of a commit that others can read and the trees of the writer do not show',
  async (t) => {
    const random = new Random(seed)
    const disk = new SimulatedDisk(random.fork())
    // Checkpoints come with nearly each commit.
    const store = await openSimulated(disk, PATH, random, { checkpointLogBytes: 2_000 })
    const follower = await followerOn(disk, store.shareProgress())
    const tree = 'plain'
    for (let n = 0; n < 40; n++) {
      const told: unknown[] = []
      const value = patternBytes(n + 1, 300)
      const writing = store.transact(
        (tx) => {
          tx.put(tree, numbered(n), value)
          return `result ${n}`
        },
        {
          onDurable: (result) => {
            told.push(result)
            t.same(follower.get(tree, numbered(n)), value, 'who follows reads it')
            t.equal(store.get(tree, numbered(n)), undefined, 'the writer does not show it')
          },
        },
      )
      const failing = store.transact(
        () => {
          throw new TypeError('a defect')
        },
        { onDurable: () => told.push('of what was not written') },
      )
      await t.rejects(failing, TypeError)
      t.equal(await writing, `result ${n}`)
      t.strictSame(told, [`result ${n}`])
      await follower.catchUp()
      t.same(follower.get(tree, numbered(n)), value)
      t.same(store.get(tree, numbered(n)), value)
    }
    t.ok(store.stats().nodeBytesWritten > 0, 'with checkpoints')
    await follower.close()
    await store.close()
  },
)

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
          aheadBytes: 3000,
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
