import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Cycles, kindsOf } from '../../bench/btree/cycles.ts'
import { overCycles, Updates } from '../../bench/btree/steps/updates.ts'
import { BareFile } from '../../bench/peers/bare-file.ts'
import { ENGINE_NAMES, engineNamed } from '../../bench/peers/engines.ts'
import { openNative } from '../../bench/peers/native.ts'
import { Documents, numberOf } from '../../src/lab/measure/documents.ts'
import { type Engine, PeerMissing, type StoreAdapter } from '../../src/lab/peers/adapter.ts'
import { unsyncedFileSystem } from '../../src/lab/stores/unsynced.ts'

const COUNT = 300
const CACHE = { cacheBytes: 1024 * 1024 }

function found(name: string): Engine | string {
  try {
    return engineNamed(name)
  } catch (error) {
    if (error instanceof PeerMissing) return error.message
    throw error
  }
}

function sorted(keys: Iterable<string>): string[] {
  return [...keys].sort()
}

for (const name of ENGINE_NAMES) {
  const engine = found(name)
  const skip = typeof engine === 'string' ? engine : false
  t.test(`${name} gives back what it was given`, { skip }, async (t) => {
    if (typeof engine === 'string') return
    const folder = t.testdir()
    const path = join(folder, 'store')
    const made = new Documents(7)
    const expected = new Map<string, Buffer>()
    const put = (number: number, version = 1) => {
      const { key, value } = made.put(number, version)
      expected.set(key.toString(), value!)
      return { key, value }
    }

    let store = await engine.open(path, CACHE)
    await store.commit(Array.from({ length: COUNT }, (_, i) => put(i)))
    t.equal(store.get(made.id(COUNT)), undefined)
    const kept = store.get(made.id(5))!
    t.ok(kept.equals(made.body(5)))

    await Promise.all(Array.from({ length: 64 }, (_, i) => store.commit([put(COUNT + i)])))
    store.commitSync?.([put(5, 2)])
    await store.commit([put(5, 3), put(6, 2)])
    await store.commit([{ key: made.id(7), value: undefined }])
    await store.commit([
      { key: made.id(8), value: undefined },
      { key: made.id(9), value: undefined },
    ])
    for (const number of [7, 8, 9]) expected.delete(made.id(number).toString())
    t.ok(kept.equals(made.body(5)), 'a value that was given out stays as it is')
    await checkAll(t, store, expected)
    await store.close()

    store = await engine.open(path, CACHE)
    await checkAll(t, store, expected)
    await checkRange(t, store, expected)
    if (engine.orders.includes('seq')) await checkOrder(t, store, made)
    await store.close()
  })
}

async function checkAll(t: Test, store: StoreAdapter, expected: Map<string, Buffer>): Promise<void> {
  const seen: [string, Buffer][] = []
  const count = await store.scan((key, value) => seen.push([key.toString(), value]))
  t.equal(count, expected.size)
  t.same(
    seen.map(([key]) => key),
    sorted(expected.keys()),
    'in the order of the keys',
  )
  t.ok(
    seen.every(([key, value]) => value.equals(expected.get(key)!)),
    'a scan gives copies that stay as they are',
  )
  t.ok([...expected].every(([key, value]) => store.get(Buffer.from(key))?.equals(value)))
}

async function checkRange(t: Test, store: StoreAdapter, expected: Map<string, Buffer>): Promise<void> {
  const keys = sorted(expected.keys())
  const seen: string[] = []
  const visit = (key: Buffer): void => {
    seen.push(key.toString())
  }
  t.equal(await store.scan(visit, { start: Buffer.from(keys[40]!), limit: 20 }), 20)
  t.same(seen, keys.slice(40, 60), 'from the key on, itself included')
  seen.length = 0
  t.equal(await store.scan(visit, { start: Buffer.from(keys[keys.length - 3]!), limit: 20 }), 3)
  t.same(seen, keys.slice(-3), 'to the end')
}

async function checkOrder(t: Test, store: StoreAdapter, made: Documents): Promise<void> {
  const numbers: number[] = []
  await store.scan((_, value) => numbers.push(numberOf(value)), { order: 'seq' })
  t.same(numbers.slice(0, 5), [0, 1, 2, 3, 4])
  t.same(numbers.slice(-2), [5, 6], 'what was changed last comes last, and once')
  t.equal(numbers.filter((number) => number === 5).length, 1)
  await store.commit([made.put(0, 9)])
  const after: number[] = []
  await store.scan((_, value) => after.push(numberOf(value)), { order: 'seq' })
  t.same(after, [...numbers.slice(1), 0], 'the numbering goes on after an open')
}

t.test('documents are made alike and are all different', async (t) => {
  const made = new Documents(1)
  const ids = new Set(Array.from({ length: 20_000 }, (_, i) => made.id(i).toString()))
  t.equal(ids.size, 20_000)
  t.ok([...ids].every((id) => /^[0-9a-f]{32}$/.test(id)))
  t.ok(made.body(12).equals(new Documents(1).body(12)))
  t.notOk(made.body(12, 2).equals(made.body(12, 3)))
  t.equal(numberOf(made.body(123_456_789)), 123_456_789)
  t.match(JSON.parse(made.body(3, 4).toString()), { n: '0000000003', version: 10_000_004 })
})

t.test('an engine that is unknown, a peer that is not there', async (t) => {
  t.throws(() => engineNamed('oracle'), RangeError)
  const { loadPeer } = await import('../../src/lab/peers/packages.ts')
  t.throws(() => loadPeer('not-a-peer-of-ours'), { message: /npm run peers/ })
})

t.test('the bare file', async (t) => {
  const folder = t.testdir()
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'bare')
  const file = new BareFile(path, 3_000_000)
  file.commitSync(Buffer.from('one'))
  await file.commit(Buffer.from('two'))
  file.close()
  const { readFileSync } = await import('node:fs')
  const bytes = readFileSync(path)
  t.ok(existsSync(path))
  t.equal(bytes.length, 3_000_000)
  t.equal(bytes.subarray(0, 6).toString(), 'onetwo')
  t.ok(bytes.subarray(6).every((byte) => byte === 0))
})

t.test('bytes of updates over whole cycles', async (t) => {
  const made = new Documents(2)
  const store = await openNative(join(t.testdir(), 'store'), CACHE, {
    fileSystem: unsyncedFileSystem,
    checkpointLogBytes: 64 * 1024,
  })
  await store.commit(made.batch(0, 500))
  const source = new Updates({ seed: 2, round: 0, documents: 500 }, 10)
  const figures = await overCycles(store, source, 100_000)
  t.equal(figures['updates.10.cycles'], 3)
  const own = figures['updates.10.record']! + figures['updates.10.node']!
  t.ok(figures['updates.10.record']! > 301, 'each update holds a body')
  t.ok(figures['updates.10.node']! > 0, 'checkpoints are counted')
  t.ok(figures['updates.10.filled']! > 0, 'and room made ahead')
  if (process.platform === 'linux') {
    const all = figures['updates.10.bytes']! - figures['updates.10.filled']!
    t.ok(all > own && all < own * 1.5, `the kernel counted ${all}, the store ${own} without superblocks`)
  }
  await t.rejects(overCycles(store, source, 10), { message: /no checkpoint ended within 10 updates/ })
  await store.close()
})

t.test('checkpoint cycles', async (t) => {
  let running = true
  const cycles = new Cycles({ isCheckpointing: () => running } as StoreAdapter)
  const ends = [true, false, false, true, false, true, true].map((now) => {
    running = now
    return cycles.ended()
  })
  t.same(ends, [false, true, false, false, true, false, false])
  t.equal(cycles.count, 2)
  t.same(
    kindsOf(
      'u',
      { recordBytesWritten: 100, zeroBytesWritten: 0 },
      { recordBytesWritten: 300, zeroBytesWritten: 50 },
      10,
    ),
    { 'u.filled': 5, 'u.record': 20 },
  )
})
