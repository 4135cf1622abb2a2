/** Memory and reads of a store that is much larger than its cache. */
import { join } from 'node:path'
import t from 'tap'
import { nodeFileSystem } from '../../native-free-btree/disk/posix-file.ts'
import { type FileSystem, openStore, PageCache, type Store } from '../../native-free-btree/index.ts'
import { collectGarbage } from '../support/garbage.ts'
import { Random } from '../support/random.ts'
import { fullSize, isLong, seed } from '../support/test-run.ts'
import { patternBytes } from '../support/test-trees.ts'

t.setTimeout(600_000)

const MIB = 1024 * 1024
const BUDGET_BYTES = 16 * MIB
const DOCUMENTS = fullSize ? 900_000 : isLong ? 160_000 : 80_000
const BATCH = 500
/** What the test itself, the pool of pages and the group being written may take. */
const OTHER_BYTES = 44 * MIB
/** Memory is measured at every so many looks at the counts, behind a collection of garbage. */
const LOOKS_A_MEASUREMENT = 20

class Meter {
  readonly fileSystem: FileSystem
  bytesRead = 0

  constructor() {
    this.fileSystem = {
      ...nodeFileSystem,
      open: async (path, mode) => {
        const file = await nodeFileSystem.open(path, mode)
        return new Proxy(file, {
          get: (target, name) => {
            const member: unknown = Reflect.get(target, name)
            if (typeof member !== 'function') return member
            if (name !== 'read' && name !== 'readSync') return member.bind(target)
            return (bytes: Uint8Array, position: number) => {
              this.bytesRead += bytes.length
              return member.call(target, bytes, position)
            }
          },
        })
      },
    }
  }
}

function keyOf(document: number): Buffer {
  // Scattered, as random ids are.
  const key = Buffer.alloc(12)
  key.writeUInt32BE(Math.imul(document, 0x9e3779b1) >>> 0, 0)
  key.writeUInt32BE(document, 8)
  return key
}

const lengthOf = (document: number) => 900 + (document % 200)

t.test(`a store ${DOCUMENTS} kB long with a cache of 16 MB`, { timeout: 600_000 }, async (t) => {
  const path = join(t.testdir(), 'store')
  const meter = new Meter()
  const cache = new PageCache(BUDGET_BYTES)
  const open = () =>
    openStore(path, {
      trees: { id: {}, seq: {} },
      cache,
      checkpointLogBytes: 4 * MIB,
      fileSystem: meter.fileSystem,
    })
  let looks = 0
  let peakBytes = 0
  const reachableBytes = (): number => {
    collectGarbage()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const startBytes = reachableBytes()
  // What is reachable, not what the process has: when garbage is collected is the machine's affair.
  const look = (store: Store) => {
    const { cachedBytes, dirtyBytes } = store.stats()
    if (cachedBytes + dirtyBytes > BUDGET_BYTES * 1.2) {
      throw new Error(`${cachedBytes} cached and ${dirtyBytes} dirty bytes`)
    }
    if (looks++ % LOOKS_A_MEASUREMENT === 0) peakBytes = Math.max(peakBytes, reachableBytes() - startBytes)
  }

  const store = await open()
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    await store.transact((tx) => {
      for (let i = from; i < from + BATCH; i++) {
        tx.put('id', keyOf(i), patternBytes(i, lengthOf(i)))
        const sequence = Buffer.alloc(6)
        sequence.writeUIntBE(i, 0, 6)
        tx.put('seq', sequence, keyOf(i))
      }
    })
    look(store)
  }
  const { fileBytes, recordBytesWritten, nodeBytesWritten } = store.stats()
  t.comment(`${Math.round(fileBytes / MIB)} MiB: records ${recordBytesWritten}, nodes ${nodeBytesWritten}`)
  t.ok(fileBytes > DOCUMENTS * 1000)
  await store.close()

  meter.bytesRead = 0
  const reopened = await open()
  t.ok(meter.bytesRead < 12 * MIB, `opening read ${meter.bytesRead} bytes`)
  t.equal(reopened.recovery.outcome, 'clean')

  const random = new Random(seed)
  for (let i = 0; i < 20_000; i++) {
    const document = random.int(DOCUMENTS)
    const found = reopened.get('id', keyOf(document))
    if (found?.equals(patternBytes(document, lengthOf(document))) !== true) t.fail(`document ${document}`)
    if (i % 500 === 0) look(reopened)
  }
  t.equal(reopened.get('id', keyOf(DOCUMENTS + 1)), undefined)

  for (const reverse of [false, true]) {
    const snapshot = reopened.snapshot()
    const cursor = snapshot.tree('id').cursor({ reverse })
    let previous: Buffer | undefined
    let entries = 0
    let bytes = 0
    while (cursor.next()) {
      const key = cursor.key()
      if (previous !== undefined && Buffer.compare(previous, key) !== (reverse ? 1 : -1)) t.fail('order')
      previous = key
      const document = key.readUInt32BE(8)
      bytes += cursor.valueLength()
      if (entries % 16 === 0 && !cursor.value().equals(patternBytes(document, lengthOf(document)))) {
        t.fail(`document ${document} in a scan`)
      }
      entries += 1
      if (entries % 4000 === 0) look(reopened)
    }
    t.equal(entries, DOCUMENTS)
    const summary = snapshot.tree('id').reduce()
    t.equal(summary.count, DOCUMENTS)
    t.equal(summary.bytes, bytes + DOCUMENTS * 12)
    snapshot.close()
  }
  look(reopened)
  await reopened.close()
  t.equal(cache.cachedBytes + cache.dirtyBytes, 0, 'a closed store holds nothing of the cache')
  t.comment(`${Math.round(peakBytes / MIB)} MiB were reachable`)
  t.ok(peakBytes < BUDGET_BYTES * 1.2 + OTHER_BYTES, `${peakBytes} bytes were reachable`)
})

t.test('dirty nodes come to more than half of the cache, and keep to three quarters of it', async (t) => {
  const cacheBytes = 4 * MIB
  const store = await openStore(join(t.testdir(), 'store'), {
    trees: { id: {} },
    cache: new PageCache(cacheBytes),
  })
  await store.transact((tx) => {
    for (let i = 0; i < 40_000; i++) tx.put('id', keyOf(i), patternBytes(i, 60))
  })
  await store.checkpoint()
  const random = new Random(seed)
  let most = 0
  let ofOneCommit = 0
  for (let commit = 0; commit < 600; commit++) {
    const before = store.stats().dirtyBytes
    await store.transact((tx) => {
      for (let i = 0; i < 10; i++) tx.put('id', keyOf(random.int(40_000)), patternBytes(commit, 60))
    })
    const { dirtyBytes } = store.stats()
    ofOneCommit = Math.max(ofOneCommit, dirtyBytes - before)
    most = Math.max(most, dirtyBytes)
  }
  t.ok(most > cacheBytes * 0.55, `${most} of ${cacheBytes} bytes`)
  t.ok(
    most <= cacheBytes * 0.75 + ofOneCommit,
    `${most} of ${cacheBytes} bytes, ${ofOneCommit} of one commit`,
  )
  await store.close()
})
