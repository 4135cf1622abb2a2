import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { openStore, PageCache, StorageError, type Store } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { seed } from '../support/test-run.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(120_000)

const KEY = Buffer.from('key')

function numbered(i: number): Buffer {
  return Buffer.from(`key ${String(i).padStart(6, '0')}`)
}

function simulated(options = {}, latencyTurns = 6): { disk: SimulatedDisk; open: () => Promise<Store> } {
  const random = new Random(seed)
  const disk = new SimulatedDisk(random.fork(), { latencyTurns })
  return { disk, open: () => openSimulated(disk, '/d/s', random, options) }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error)
  }
}

t.test('64 writers share groups, and each of them is answered after its own is durable', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await openStore(path, { trees: { a: {} } })
  const writers = Array.from({ length: 64 }, async (_, writer) => {
    for (let round = 1; round <= 20; round++) {
      await store.transact((tx) => {
        const before = tx.get('a', numbered(writer))?.toString() ?? '0'
        if (before !== `${round - 1}`) throw new Error(`writer ${writer} found ${before} in round ${round}`)
        tx.put('a', numbered(writer), Buffer.from(`${round}`))
        tx.put('a', KEY, Buffer.from(`${Number(tx.get('a', KEY)?.toString() ?? 0) + 1}`))
      })
      if (store.get('a', numbered(writer))?.toString() !== `${round}`) throw new Error('not visible')
    }
  })
  await Promise.all(writers)
  t.equal(store.get('a', KEY)?.toString(), '1280', 'no update was lost')
  t.ok(store.commit < 1280 / 8, `${store.commit} groups for 1280 transactions`)
  await store.close()
  const reopened = await openStore(path)
  t.equal(reopened.get('a', KEY)?.toString(), '1280')
  await reopened.close()
})

t.test('what the messages of one turn of the event loop bring goes into one group', async (t) => {
  const store = await openStore(join(t.testdir(), 'store'), { trees: { plain: {} } })
  await store.transact((tx) => tx.put('plain', KEY, KEY))
  const before = store.commit
  const { port1, port2 } = new MessageChannel()
  const written: Promise<unknown>[] = []
  const all = new Promise<void>((resolve) => {
    port2.on('message', (number: number) => {
      written.push(store.transact((tx) => tx.put('plain', numbered(number), KEY)))
      if (written.length === 5) resolve()
    })
  })
  for (let number = 0; number < 5; number++) port1.postMessage(number)
  await all
  await Promise.all(written)
  t.equal(store.commit, before + 1)
  port1.close()
  await store.close()
})

t.test('a failed sync answers everybody, and keeps what was acknowledged', async (t) => {
  const { disk, open } = simulated()
  const store = await open()
  await store.transact((tx) => tx.put('plain', KEY, KEY))
  disk.inject({ on: 'sync', after: 5 })
  const acknowledged: number[] = []
  const codes = new Map<string, number>()
  await Promise.all(
    Array.from({ length: 64 }, async (_, writer) => {
      for (let round = 0; round < 20; round++) {
        const number = writer * 100 + round
        const code = await codeOf(store.transact((tx) => tx.put('plain', numbered(number), KEY)))
        codes.set(code, (codes.get(code) ?? 0) + 1)
        if (code === 'resolved') acknowledged.push(number)
      }
    }),
  )
  t.same([...codes.keys()].sort(), ['POISONED', 'resolved'])
  for (const number of acknowledged) t.ok(store.has('plain', numbered(number)))
  t.equal(store.snapshot().tree('plain').count(), acknowledged.length + 1, 'nothing else is shown')
  const left = await openSimulated(disk.crash(), '/d/s', new Random(1))
  for (const number of acknowledged) t.ok(left.has('plain', numbered(number)))
})

t.test('the queue is bounded in bytes; who waits outside comes in order', async (t) => {
  const { open } = simulated({ queueBytes: 10_000 })
  const store = await open()
  const order: number[] = []
  let most = 0
  await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      store.transact(
        (tx) => {
          order.push(i)
          most = Math.max(most, store.stats().queuedBytes)
          tx.put('plain', numbered(i), patternBytes(i, 4000))
        },
        { sizeHint: 4000 },
      ),
    ),
  )
  t.same(
    order,
    [...order].sort((a, b) => a - b),
  )
  t.equal(order.length, 100)
  t.ok(most > 0 && most <= 10_000, `${most} bytes were queued`)
  t.equal(store.stats().queuedBytes, 0)
  await store.transact((tx) => tx.put('plain', KEY, KEY), { sizeHint: 1_000_000 })
  t.ok(store.has('plain', KEY), 'one that is larger than the bound goes alone')
})

t.test('a write can be withdrawn until its turn comes', async (t) => {
  const { open } = simulated({ queueBytes: 1000 })
  const store = await open()
  const put = (i: number, signal?: AbortSignal) =>
    store.transact((tx) => tx.put('plain', numbered(i), KEY), {
      sizeHint: 400,
      ...(signal === undefined ? {} : { signal }),
    })
  t.equal(await codeOf(put(0, AbortSignal.abort())), 'ABORTED')
  const controllers = Array.from({ length: 12 }, () => new AbortController())
  const answers = controllers.map((controller, i) => codeOf(put(i, controller.signal)))
  // Of the first two in the queue and of some that wait outside it.
  for (const i of [1, 4, 9, 11]) controllers[i]!.abort(new Error('no longer wanted'))
  const codes = await Promise.all(answers)
  t.same(
    codes.flatMap((code, i) => (code === 'ABORTED' ? [i] : [])),
    [1, 4, 9, 11],
  )
  for (let i = 0; i < 12; i++) t.equal(store.has('plain', numbered(i)), codes[i] === 'resolved')
  t.equal(store.stats().queuedBytes, 0)

  const late = new AbortController()
  const taken = store.transact(
    (tx) => {
      late.abort()
      tx.put('plain', KEY, KEY)
      return 'done'
    },
    { signal: late.signal },
  )
  t.equal(await taken, 'done', 'one that was built goes on')
})

t.test('close() commits what is queued and refuses what comes later', async (t) => {
  const { disk, open } = simulated()
  const store = await open()
  const queued = Array.from({ length: 200 }, (_, i) =>
    codeOf(store.transact((tx) => tx.put('plain', numbered(i), patternBytes(i, 300)), { sizeHint: 300 })),
  )
  const closed = store.close()
  const late = codeOf(store.transact((tx) => tx.put('plain', KEY, KEY)))
  t.equal(await late, 'CLOSED')
  t.throws(() => store.snapshot(), { code: 'CLOSED' })
  t.same([...new Set(await Promise.all(queued))], ['resolved'])
  await closed
  t.equal(store.close(), closed, 'closing again is the same closing')
  t.throws(() => store.get('plain', KEY), { code: 'CLOSED' })
  t.equal(await codeOf(store.checkpoint()), 'CLOSED')
  const reopened = await openSimulated(disk.crash({ survival: 0 }), '/d/s', new Random(1))
  t.equal(reopened.recovery.outcome, 'clean')
  t.equal(reopened.snapshot().tree('plain').count(), 200)
})

t.test('close() waits for snapshots, and names those that stay open', async (t) => {
  const clock = new SimulatedClock()
  const { open } = simulated({ clock })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const store = await open()
  await store.transact((tx) => tx.put('plain', KEY, Buffer.from('1')))
  const first = store.snapshot()
  await store.transact((tx) => tx.put('plain', KEY, Buffer.from('2')))
  const second = store.snapshot()
  const closed = store.close(1000)
  const answer = closed.then(
    () => undefined,
    (error: StorageError) => error,
  )
  await turn()
  t.equal(first.tree('plain').get(KEY)?.toString(), '1', 'readable while it waits')
  second.close()
  clock.advance(1001)
  const error = await answer
  t.equal(error?.code, 'SNAPSHOTS_OPEN')
  t.same(error?.details, { commits: [1] })
  t.throws(() => first.tree('plain'), { code: 'CLOSED' })

  const again = await open()
  t.equal(again.recovery.outcome, 'clean', 'it was closed all the same')
  const snapshot = again.snapshot()
  const closing = again.close(1000)
  await turn()
  snapshot.close()
  await closing
  t.equal(clock.pending, 0, 'no timer is left')
})

t.test('a second writer is refused, in this process and after the first has gone let in', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await openStore(path, { trees: { a: {} } })
  await t.rejects(openStore(path), { code: 'LOCKED' })
  await store.transact((tx) => tx.put('a', KEY, KEY))
  const reader = await openStore(path, { readOnly: true })
  await store.close()
  const next = await openStore(path)
  t.same(next.get('a', KEY), KEY)
  t.equal(await codeOf(reader.transact((tx) => tx.put('a', KEY, KEY))), 'READ_ONLY')
  await reader.close()
  await next.close()
  await t.rejects(openStore(join(path, '..', 'none'), { create: false }), { code: 'NOT_FOUND' })
  await t.rejects(openStore(join(path, '..', 'none'), { readOnly: true }), { code: 'NOT_FOUND' })
})

t.test('a reader beside a writer sees whole commits, never one that is not durable', async (t) => {
  const path = join(t.testdir(), 'store')
  const trees = { a: {}, b: {}, r: { references: (value: Uint8Array) => [value] } }
  const options = { trees, cache: new PageCache(1024 * 1024), checkpointLogBytes: 30_000, partBytes: 3000 }
  const store = await openStore(path, options)
  const commit = (i: number) =>
    store.transact((tx) => {
      for (let n = 0; n < 8; n++) {
        const key = numbered((i * 7 + n * 31) % 200)
        tx.put('a', key, patternBytes(i, 100 + ((i + n) % 400)))
        tx.delete('a', numbered((i * 11 + n) % 200))
      }
      tx.put('a', KEY, Buffer.from(`${i}`))
      tx.put('b', KEY, Buffer.from(`${i}`))
      tx.put('r', KEY, tx.append(patternBytes(i, 3000)))
    })
  await commit(1)
  const reader = await openStore(path, { ...options, cache: new PageCache(1024 * 1024), readOnly: true })
  let running = true
  let refreshes = 0
  let last = 0
  const reading = (async () => {
    while (running) {
      await reader.refresh()
      refreshes += 1
      const snapshot = reader.snapshot()
      if (snapshot.commit < last || snapshot.commit > store.commit)
        throw new Error(`went to ${snapshot.commit}`)
      last = snapshot.commit
      if (last === 0) continue
      const shown = Number(snapshot.tree('a').get(KEY)?.toString())
      const other = Number(snapshot.tree('b').get(KEY)?.toString())
      if (shown !== last || other !== last) throw new Error(`${shown} and ${other} in commit ${last}`)
      if (!reader.read(snapshot.tree('r').get(KEY)!).equals(patternBytes(last, 3000)))
        throw new Error('bytes')
      const cursor = snapshot.tree('a').cursor()
      let entries = 0
      while (cursor.next()) entries += 1
      if (entries !== snapshot.tree('a').count()) throw new Error('the cursor passed over entries')
      snapshot.close()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  for (let i = 2; i <= 600; i++) await commit(i)
  running = false
  await reading
  t.ok(refreshes > 20, `${refreshes} looks`)
  t.ok(last > 100, `up to commit ${last}`)
  await reader.refresh()
  t.equal(reader.commit, 600, 'nothing in the file vouches for it yet, but the writer of this thread does')
  await store.close()
  await reader.refresh()
  t.equal(reader.commit, 600)
  t.same((await reader.check()).problems, [])
  await reader.close()
})

t.test('a cursor keeps to its snapshot while the writer goes on and pages are evicted', async (t) => {
  for (const reverse of [false, true]) {
    const { open } = simulated({ cache: new PageCache(0), dirtyBytes: 100_000 }, 1)
    const store = await open()
    const random = new Random(seed)
    const count = 12_000
    for (let from = 0; from < count; from += 3000) {
      await store.transact((tx) => {
        for (let i = from; i < from + 3000; i++) tx.put('plain', numbered(i), patternBytes(i, i % 300))
      })
    }
    await store.checkpoint()
    const snapshot = store.snapshot()
    const cursor = snapshot.tree('plain').cursor({ reverse })
    for (let entry = 0; entry < count; entry++) {
      if (entry % 100 === 0) {
        await store.transact((tx) => {
          for (let n = 0; n < 60; n++) {
            const i = random.int(count)
            if (random.bool()) tx.delete('plain', numbered(i))
            else tx.put('plain', numbered(i), patternBytes(i + 1, random.int(300)))
          }
        })
        if (entry % 3000 === 0) await store.checkpoint()
      }
      const i = reverse ? count - 1 - entry : entry
      if (!cursor.next() || !cursor.key().equals(numbered(i))) throw new Error(`key ${i}`)
      if (!cursor.value().equals(patternBytes(i, i % 300))) throw new Error(`value ${i}`)
    }
    t.notOk(cursor.next(), 'and ends where it should')
    t.equal(snapshot.tree('plain').count(), count)
    snapshot.close()
    t.same((await store.check()).problems, [])
    await store.close()
  }
})

t.test('streams go on beside commits, and are read by range', async (t) => {
  const { disk, open } = simulated()
  const store = await open()
  const lengths = [0, 1, 131_072, 131_073, 400_000, 1_300_000]
  async function* pieces(bytes: Buffer, pieceBytes: number) {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  const streams = lengths.map(async (length, i) => {
    const reference = await store.appendStream(pieces(patternBytes(i, length), 50_000 + i))
    await store.transact((tx) => tx.put('refs', Buffer.of(i), reference))
  })
  const commits = Array.from({ length: 50 }, (_, i) =>
    store.transact((tx) => tx.put('plain', numbered(i), KEY)),
  )
  await Promise.all([...streams, ...commits])
  await t.rejects(
    store.appendStream(
      (async function* () {
        yield patternBytes(1, 200_000)
        throw new RangeError('the client went away')
      })(),
    ),
    RangeError,
  )
  const reopened = await openSimulated(disk.crash({ survival: 0 }), '/d/s', new Random(1))
  for (const [i, length] of lengths.entries()) {
    const bytes = patternBytes(i, length)
    const reference = reopened.get('refs', Buffer.of(i))!
    t.equal(reopened.lengthOf(reference), length)
    t.ok(reopened.read(reference).equals(bytes))
    for (const [start, end] of [
      [0, length],
      [length >> 1, length],
      [Math.min(length, 131_071), Math.min(length, 131_074)],
      [length, length],
    ] as const) {
      const found: Buffer[] = []
      for await (const piece of reopened.readStream(reference, start, end)) found.push(piece)
      t.ok(Buffer.concat(found).equals(bytes.subarray(start, end)), `${length}: ${start} to ${end}`)
    }
  }
  t.throws(() => reopened.readStream(reopened.get('refs', Buffer.of(1))!, 0, 2), { code: 'INVALID_ARGUMENT' })
  t.equal(reopened.snapshot().tree('plain').count(), 50)
  t.same((await reopened.check()).problems, [])
})

t.test('a transaction that is over refuses', async (t) => {
  const { open } = simulated()
  const store = await open()
  let kept: unknown
  await store.transact((tx) => {
    kept = tx
    tx.put('plain', KEY, KEY)
  })
  t.throws(() => (kept as { delete(tree: string, key: Uint8Array): void }).delete('plain', KEY), {
    code: 'CLOSED',
  })
  await t.rejects(
    store.transact((tx) => tx.put('nowhere', KEY, KEY)),
    { code: 'UNKNOWN_TREE' },
  )
  t.ok(store.has('plain', KEY))
})
