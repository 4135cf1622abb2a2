/** Nodes that go out as patches: how much they write, and that damage of their base is found. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache, type Store } from '../../native-free-btree/index.ts'

const ENTRIES = 20_000
const VALUE_BYTES = 40

const keyOf = (n: number): Buffer => Buffer.from(`entry-${String(n).padStart(8, '0')}`)
const bodyOf = (n: number, version: number): Buffer => Buffer.alloc(VALUE_BYTES, `${n}.${version};`)

function open(path: string): Promise<Store> {
  // A cache of its own for each opening: what is read comes from the file.
  return openStore(path, { trees: { entries: {} }, cache: new PageCache(64 * 1024 * 1024) })
}

async function filled(path: string): Promise<Store> {
  const store = await open(path)
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n++) tx.put('entries', keyOf(n), bodyOf(n, 0))
  })
  await store.checkpoint()
  return store
}

t.test('a change of one entry costs little more than the entry', async (t) => {
  const store = await filled(join(t.testdir(), 'store'))
  const whole = store.stats().nodeBytesWritten
  for (let version = 1; version <= 3; version++) {
    const before = store.stats().nodeBytesWritten
    await store.transact((tx) => tx.put('entries', keyOf(777), bodyOf(777, version)))
    await store.checkpoint()
    const written = store.stats().nodeBytesWritten - before
    t.ok(written < 600, `${written} bytes of nodes, the checkpoint's record included`)
  }
  t.ok(whole > ENTRIES * VALUE_BYTES, 'the first checkpoint wrote every page whole')
  await store.close()
})

t.test('many small changes add up, over openings, to what was written', async (t) => {
  const path = join(t.testdir(), 'store')
  const versions = new Map<number, number | undefined>()
  let store = await filled(path)
  for (let round = 1; round <= 30; round++) {
    await store.transact((tx) => {
      for (let i = 0; i < 60; i++) {
        // Multiples of a prime visit leaves evenly; some come back in later rounds.
        const n = ((round % 7) * 2003 + i * 331) % ENTRIES
        if (i % 5 === 4) {
          tx.delete('entries', keyOf(n))
          versions.set(n, undefined)
        } else {
          tx.put('entries', keyOf(n), bodyOf(n, round))
          versions.set(n, round)
        }
      }
    })
    await store.checkpoint()
    if (round % 6 !== 0) continue
    await store.close()
    store = await open(path)
    t.same((await store.check()).problems, [])
  }
  for (let n = 0; n < ENTRIES; n++) {
    const version = versions.has(n) ? versions.get(n) : 0
    const expected = version === undefined ? undefined : bodyOf(n, version)
    const found = store.get('entries', keyOf(n))
    if (expected === undefined ? found !== undefined : !found?.equals(expected)) t.fail(`entry ${n}`)
  }
  await store.close()
})

t.test('damage of a base is damage of the node', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await filled(path)
  await store.transact((tx) => tx.put('entries', keyOf(5000), bodyOf(5000, 1)))
  await store.checkpoint()
  await store.close()
  const bytes = readFileSync(path)
  // Of the records before the last leaf written whole and of that leaf, the leaf is the later.
  const neighbour = Buffer.concat([keyOf(5001), bodyOf(5001, 0)])
  const at = bytes.lastIndexOf(neighbour)
  t.ok(at > bytes.indexOf(neighbour), 'the entry beside the changed one, in its leaf')
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.from([bytes[at + 20]! ^ 1]), 0, 1, at + 20)
  closeSync(file)
  const damaged = await open(path)
  for (const n of [5000, 5001]) {
    t.throws(() => damaged.get('entries', keyOf(n)), { code: 'DAMAGED' }, `entry ${n}`)
  }
  t.ok(damaged.get('entries', keyOf(12_000))?.equals(bodyOf(12_000, 0)), 'other leaves are as they were')
  t.ok((await damaged.check()).problems.length > 0)
  await damaged.close()
})
