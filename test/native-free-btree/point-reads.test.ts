/** Entries of leaves that are not in the cache, and are looked at where they were read: whole, and as patches. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ByteWriter } from '../../native-free-btree/disk/bytes.ts'
import {
  openStore,
  PageCache,
  type Snapshot,
  type Store,
  type Transaction,
} from '../../native-free-btree/index.ts'
import { CellView, writeCell } from '../../native-free-btree/page/cell.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { wholePage } from '../../native-free-btree/page/origin.ts'
import { appendPatch, findInPatched } from '../../native-free-btree/page/patch.ts'
import { cellHasKey, lowerBound } from '../../native-free-btree/page/search.ts'
import '../support/poisoned-pages.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, TEST_TREES } from '../support/test-trees.ts'

t.setTimeout(300_000)

const MIB = 1024 * 1024
const ENTRIES = 30_000
const keyOf = (n: number): Buffer => Buffer.from(`entry-${String(n).padStart(8, '0')}`)
/** Some are long enough to lie out of line, some have no bytes. */
const bodyOf = (n: number, version: number): Buffer =>
  Buffer.alloc((n * 7 + version * 13) % 9 === 0 ? 400 : (n + version * 5) % 90, `${n}.${version};`)

function open(path: string): Promise<Store> {
  return openStore(path, { trees: { entries: {} }, cache: new PageCache(MIB) })
}

/** A store whose leaves are patches for the most part, and what it holds. */
async function patchedStore(path: string, random: Random): Promise<Map<number, Buffer>> {
  const model = new Map<number, Buffer>()
  const store = await open(path)
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n += 2) {
      model.set(n, bodyOf(n, 0))
      tx.put('entries', keyOf(n), model.get(n)!)
    }
  })
  await store.checkpoint()
  for (let version = 1; version <= 4; version++) {
    await store.transact((tx) => {
      for (let i = 0; i < 600; i++) {
        const n = random.int(ENTRIES)
        if (random.int(4) === 0) {
          model.delete(n)
          tx.delete('entries', keyOf(n))
        } else {
          model.set(n, bodyOf(n, version))
          tx.put('entries', keyOf(n), model.get(n)!)
        }
      }
    })
    await store.checkpoint()
  }
  await store.close()
  return model
}

t.test('they are what was written', async (t) => {
  const random = new Random(propertySeed(t))
  const path = join(t.testdir(), 'store')
  const model = await patchedStore(path, random)
  const cache = new PageCache(MIB)
  const store = await openStore(path, { trees: { entries: {} }, cache })
  const target = Buffer.alloc(400)
  let wrong = 0
  for (let i = 0; i < 60_000; i++) {
    const n = random.int(ENTRIES + 10)
    const expected = model.get(n)
    const found = store.get('entries', keyOf(n))
    const length = store.getInto('entries', keyOf(n), target)
    const isThere = store.has('entries', keyOf(n))
    const isRight =
      expected === undefined
        ? found === undefined && length === -1 && !isThere
        : found?.equals(expected) && target.subarray(0, length).equals(expected) && isThere
    if (!isRight) wrong += 1
    if (i % 100 === 0) await Promise.resolve()
  }
  t.equal(wrong, 0)
  t.ok(cache.misses > 20_000, `${cache.misses} pages were not in the cache`)
  t.ok(cache.evictions < cache.misses / 3, `${cache.evictions} made room for others`)
  await store.close()
})

t.test('a transaction finds them too, and changes them', async (t) => {
  const random = new Random(propertySeed(t))
  const path = join(t.testdir(), 'store')
  const model = await patchedStore(path, random)
  const store = await open(path)
  let wrong = 0
  const look = (tx: Transaction, n: number): void => {
    const found = tx.get('entries', keyOf(n))
    const expected = model.get(n)
    if (expected === undefined ? found !== undefined : !found?.equals(expected)) wrong += 1
  }
  for (let round = 0; round < 100; round++) {
    const snapshot = round % 7 === 0 ? store.snapshot() : undefined
    await store.transact((tx) => {
      for (let i = 0; i < 50; i++) {
        const n = random.int(ENTRIES)
        look(tx, n)
        // Another leaf, or the same once more; or nothing is changed.
        if (random.int(4) === 0) look(tx, random.int(ENTRIES))
        if (random.int(4) === 0) look(tx, Math.min(n + 1, ENTRIES - 1))
        if (random.int(4) === 0) continue
        model.set(n, bodyOf(n, round + 9))
        tx.put('entries', keyOf(n), model.get(n)!)
      }
    })
    for (let i = 0; i < 20; i++) {
      const n = random.int(ENTRIES)
      const expected = model.get(n)
      const found = store.get('entries', keyOf(n))
      if (expected === undefined ? found !== undefined : !found?.equals(expected)) wrong += 1
    }
    snapshot?.close()
  }
  for (const [n, body] of model) if (!store.get('entries', keyOf(n))?.equals(body)) wrong += 1
  t.equal(wrong, 0)
  t.same((await store.check()).problems, [])
  await store.close()
})

t.test('what a transaction looks up and then changes is changed where it is by then', async (t) => {
  const random = new Random(propertySeed(t))
  const disk = new SimulatedDisk(new Random(1))
  const store = await openSimulated(disk, '/d/store', random, { cache: new PageCache(MIB) })
  const names = Object.keys(TEST_TREES).filter((name) => name !== 'refs')
  const models = new Map(names.map((name) => [name, new Map<string, Buffer>()]))
  const key = Buffer.alloc(12)
  const target = Buffer.alloc(400)
  const snapshots: Snapshot[] = []
  let wrong = 0
  for (let round = 0; round < 400; round++) {
    const near = random.int(3000)
    await store.transact((tx) => {
      for (let i = random.int(60); i >= 0; i--) {
        const name = names[random.int(names.length)]!
        const model = models.get(name)!
        // One buffer for all keys: what it holds is another key by the time that the next is changed.
        key.write(String(near + random.int(40)).padStart(12, '0'))
        const text = key.toString()
        const value = bodyOf(round, i)
        for (let step = random.int(4); step >= 0; step--) {
          const expected = model.get(text)
          switch (random.int(5)) {
            case 0: {
              const length = tx.getInto(name, key, target)
              if (length !== (expected?.length ?? -1)) wrong += 1
              break
            }
            case 1:
              model.delete(text)
              tx.delete(name, key)
              break
            case 2:
              key.write(String(near + random.int(40)).padStart(12, '0'))
              tx.get(name, key)
              key.write(text)
              break
            case 3: {
              const found = tx.get(name, key)
              if (expected === undefined ? found !== undefined : !found?.equals(expected)) wrong += 1
              break
            }
            default:
              model.set(text, value)
              tx.put(name, key, value)
          }
        }
      }
    })
    if (random.int(8) === 0) snapshots.push(store.snapshot())
    if (random.int(8) === 0) snapshots.pop()?.close()
    if (random.int(30) === 0) await store.checkpoint()
  }
  for (const snapshot of snapshots) snapshot.close()
  for (const [name, model] of models) {
    const snapshot = store.snapshot()
    t.equal(snapshot.tree(name).count(), model.size)
    snapshot.close()
    for (const [text, value] of model) if (!store.get(name, Buffer.from(text))?.equals(value)) wrong += 1
  }
  t.equal(wrong, 0)
  t.same((await store.check()).problems, [])
  await store.close()
})

t.test('damage of a base is met by whoever looks for one of its entries', async (t) => {
  const path = join(t.testdir(), 'store')
  const store = await open(path)
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n++) tx.put('entries', keyOf(n), Buffer.alloc(40, `${n};`))
  })
  await store.checkpoint()
  await store.transact((tx) => tx.put('entries', keyOf(5000), Buffer.alloc(40, 'changed')))
  await store.checkpoint()
  await store.close()
  const bytes = readFileSync(path)
  const at = bytes.lastIndexOf(Buffer.concat([keyOf(5001), Buffer.alloc(40, '5001;')]))
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.from([bytes[at + 20]! ^ 1]), 0, 1, at + 20)
  closeSync(file)
  const damaged = await open(path)
  // Behind these the cache is full.
  for (let n = 6000; n < ENTRIES; n++) damaged.get('entries', keyOf(n))
  for (let i = 0; i < 20; i++) {
    t.throws(() => damaged.get('entries', keyOf(5000)), { code: 'DAMAGED' }, 'the one that was changed')
    t.throws(() => damaged.get('entries', keyOf(5001)), { code: 'DAMAGED' }, 'the one beside it')
  }
  await damaged.close()
})

const view = new CellView()

/** Puts the entry where its key belongs, in the place of one with the same key. */
function put(node: MutableNode, key: Buffer, value: Buffer): void {
  const cell = Buffer.alloc(key.length + value.length + 16)
  const length = writeCell(cell, 0, key, value, false)
  const index = lowerBound(node.page, key, undefined)
  if (cellHasKey(node.page, index, key, undefined)) node.replaceCell(index, cell, 0, length)
  else node.insertCell(index, cell, 0, length)
}

function written(node: MutableNode): Buffer {
  const out = new ByteWriter()
  node.settle()
  node.serialize(out)
  return Buffer.from(out.view())
}

function patchOf(node: MutableNode): Buffer {
  const out = new ByteWriter()
  node.settle()
  if (!appendPatch(node, out, 0xffffff)) throw new Error('no patch was made')
  return Buffer.from(out.view())
}

t.test('a patch says of each key what the page says that it makes', async (t) => {
  const random = new Random(propertySeed(t))
  const keys = Array.from({ length: 60 }, (_, n) => keyOf(n).subarray(0, 6 + random.int(9)))
  const place = { position: 8192, length: 1, hash: 1n }
  let wrong = 0
  for (let round = 0; round < 300; round++) {
    const first = MutableNode.empty(true, 1024, 0)
    for (const key of keys) if (random.int(2) === 0) put(first, key, Buffer.alloc(random.int(30), 'a'))
    if (first.cells === 0) continue
    const base = written(first)
    const node = MutableNode.fromPage(wholePage(base), place, 0, base.length + 256)
    for (let change = random.int(12); change >= 0; change--) {
      const key = keys[random.int(keys.length)]!
      const index = lowerBound(node.page, key, undefined)
      if (random.int(3) > 0) put(node, key, Buffer.alloc(random.int(30), `${change}`))
      else if (cellHasKey(node.page, index, key, undefined)) node.removeCell(index)
    }
    const patch = patchOf(node)
    const whole = written(node)
    for (const key of keys) {
      const expected = valueIn(whole, key)
      const bytes = findInPatched(base, patch, key, view)
      const found = bytes?.subarray(view.payloadStart, view.end)
      if (expected === undefined ? found !== undefined : !found?.equals(expected)) wrong += 1
    }
  }
  t.equal(wrong, 0)
})

function valueIn(page: Buffer, key: Buffer): Buffer | undefined {
  const found = findInPatched(page, EMPTY_PATCH, key, view)
  const index = lowerBound(page, key, undefined)
  if ((found !== undefined) !== cellHasKey(page, index, key, undefined)) throw new Error('found in part')
  return found?.subarray(view.payloadStart, view.end)
}

/** Changes nothing. */
const EMPTY_PATCH = Buffer.alloc(26)

t.test('changes that do not fit are refused', async (t) => {
  const node = MutableNode.empty(true, 512, 0)
  for (const letter of ['a', 'b', 'c']) put(node, Buffer.from(letter), Buffer.from('value'))
  const base = written(node)
  const withChanges = (count: number, ...bytes: number[]): Buffer => {
    const patch = Buffer.concat([EMPTY_PATCH, Buffer.from(bytes)])
    patch.writeUInt16LE(count, 2)
    return patch
  }
  const key = Buffer.from('b')
  t.equal(
    findInPatched(base, withChanges(1, 4), key, view),
    undefined,
    'one cell stays, the next is left out',
  )
  for (const [what, patch] of Object.entries({
    'left out behind the last cell': withChanges(1, 4 * 3),
    'put in behind more cells than there are': withChanges(1, 4 * 4 + 1, 1, 0, 0x64),
    'an unknown kind': withChanges(1, 3),
    'fewer than it says': withChanges(2, 4),
    'more than it says': withChanges(1, 4, 4),
    'a cell longer than the patch': withChanges(1, 1, 100, 0, 0x64),
    'a payload longer than the patch': withChanges(1, 2, 200, 1),
  })) {
    t.throws(() => findInPatched(base, patch, key, view), RangeError, what)
  }
})
