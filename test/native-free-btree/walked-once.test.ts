/** A key that was looked up is put where it belongs, by the way of the look-up or by another. */
import t from 'tap'
import { PageCache, type Store, type Transaction } from '../../native-free-btree/index.ts'
import '../support/poisoned-pages.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(120_000)

const TREES = ['plain', 'summed']
const desk = Buffer.alloc(2000)

const keyOf = (n: number): Buffer => Buffer.from(`key ${String(n).padStart(6, '0')}`)

/** Whether the store is sound and has these entries. */
async function isRight(store: Store, model: ReadonlyMap<string, Buffer>): Promise<boolean> {
  const { problems } = await store.check()
  if (problems.length > 0) return false
  const snapshot = store.snapshot()
  try {
    const found = new Map<string, Buffer>()
    for (const tree of TREES) {
      const cursor = snapshot.tree(tree).cursor()
      while (cursor.next()) found.set(`${tree} ${cursor.key()}`, cursor.value())
    }
    if (found.size !== model.size) return false
    return [...model].every(([key, value]) => found.get(key)?.equals(value))
  } finally {
    snapshot.close()
  }
}

t.test('whatever is read and written between the look-up and the put', async (t) => {
  const random = new Random(propertySeed(t))
  const cache = new PageCache(512 * 1024)
  const disk = new SimulatedDisk(new Random(1))
  const store = await openSimulated(disk, '/d/store', random, { cache, checkpointLogBytes: 200_000 })
  t.teardown(() => store.close(1))
  const model = new Map<string, Buffer>()
  const look = (tx: Transaction, tree: string, n: number): void => {
    const wanted = model.get(`${tree} ${keyOf(n)}`)
    if (random.int(10) < 5) {
      const found = tx.get(tree, keyOf(n))
      if (!(wanted === undefined ? found === undefined : found?.equals(wanted)))
        throw new Error('a wrong value')
      return
    }
    const bytes = tx.getInto(tree, keyOf(n), desk)
    if (bytes !== (wanted?.length ?? -1)) throw new Error('a wrong length')
    if (wanted !== undefined && !desk.subarray(0, bytes).equals(wanted)) throw new Error('a wrong value')
  }
  let highest = 0
  const put = (tx: Transaction, tree: string, n: number, value: Buffer): void => {
    tx.put(tree, keyOf(n), value)
    model.set(`${tree} ${keyOf(n)}`, value)
  }
  /** Looked up as the last one of the transaction before: what that wrote may have moved it elsewhere. */
  let last = 0
  for (let step = 0; step < 250; step++) {
    await store.transact((tx) => {
      if (random.int(10) < 5) put(tx, 'plain', last, patternBytes(step, 50))
      for (let left = random.int(60); left > 0; left--) {
        const tree = TREES[random.int(2)]!
        // Behind all others, or among them.
        const n = random.int(10) < 3 ? highest + 1 + random.int(3) : random.int(highest + 10)
        highest = Math.max(highest, n)
        look(tx, tree, n)
        if (random.int(10) < 3) look(tx, TREES[random.int(2)]!, random.int(highest))
        if (random.int(10) < 1) store.snapshot().close()
        const key = `${tree} ${keyOf(n)}`
        if (random.int(10) < 2) {
          tx.delete(tree, keyOf(n))
          model.delete(key)
        } else {
          put(tx, tree, n, patternBytes(step + n, random.int(random.int(10) < 1 ? 1500 : 120)))
        }
      }
      last = random.int(highest)
      look(tx, 'plain', last)
    })
    if (step % 50 === 0 && !(await isRight(store, model))) throw new Error(`after ${step} steps`)
  }
  t.ok(await isRight(store, model))
})

t.test('a key that another thread changes between the two goes to its own leaf', async (t) => {
  const disk = new SimulatedDisk(new Random(1))
  const store = await openSimulated(disk, '/d/store', new Random(2), {})
  t.teardown(() => store.close(1))
  await store.transact((tx) => {
    for (let n = 0; n < 2000; n++) tx.put('plain', keyOf(n), patternBytes(n, 60))
  })
  const shared = Buffer.from(new SharedArrayBuffer(keyOf(0).length))
  await store.transact((tx) => {
    keyOf(3).copy(shared)
    tx.get('plain', shared)
    keyOf(1990).copy(shared)
    tx.put('plain', shared, Buffer.from('new'))
  })
  t.same(store.get('plain', keyOf(1990)), Buffer.from('new'))
  t.same(store.get('plain', keyOf(3)), patternBytes(3, 60))
  t.same((await store.check()).problems, [])
})

t.test('operations of a transaction are found in any order of their keys', async (t) => {
  const random = new Random(propertySeed(t))
  const disk = new SimulatedDisk(new Random(1))
  const store = await openSimulated(disk, '/d/store', random, {})
  t.teardown(() => store.close(1))
  for (let round = 0; round < 20; round++) {
    const isRising = round % 2 === 0
    const wrong = await store.transact((tx) => {
      const model = new Map<number, string>()
      let missed = 0
      for (let step = 0; step < 300; step++) {
        const n = isRising && random.int(10) < 8 ? step * 10 : random.int(3000)
        const found = tx.get('plain', keyOf(n))?.toString()
        const wanted = model.get(n)
        if (wanted !== undefined && found !== wanted) missed += 1
        model.set(n, `${round} ${step}`)
        tx.put('plain', keyOf(n), Buffer.from(`${round} ${step}`))
        if (random.int(10) < 2) tx.put('summed', keyOf(n), Buffer.from('beside'))
      }
      return missed
    })
    t.equal(wrong, 0)
  }
})
