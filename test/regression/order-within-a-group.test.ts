/**
 * In a tree with a comparator every point read of a transaction looked through all operations of its group, and in every
 * tree a transaction that threw made the next one index the whole group anew: 8,000 reads and writes took seconds.
 * Counted is how often the comparator is asked.
 */
import t from 'tap'
import { openStore, type Transaction } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { seededRandomBytes } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { foldedDescending, noLock } from '../support/test-trees.ts'

let compared = 0
const counting = {
  ...foldedDescending,
  compare(a: Uint8Array, b: Uint8Array): number {
    compared += 1
    return foldedDescending.compare(a, b)
  },
}

const open = () =>
  openStore('/d/s', {
    trees: { folded: { comparator: counting }, plain: {} },
    fileSystem: new SimulatedDisk(1),
    random: seededRandomBytes(new Random(1)),
    lock: noLock,
  })

const keyOf = (n: number) => Buffer.from(`Key-${(n * 7919) % 100_000}`)

/** Comparisons of a transaction that reads and writes `count` keys. */
async function comparisons(count: number): Promise<number> {
  const store = await open()
  const before = compared
  await store.transact((tx) => {
    for (let n = 0; n < count; n++) {
      if (tx.get('folded', keyOf(n)) !== undefined) throw new Error('it is not there yet')
      tx.put('folded', keyOf(n), Buffer.from(String(n)))
    }
  })
  const during = compared - before
  await store.close()
  return during
}

t.test('a read among the operations of its group costs little more in a long one', async (t) => {
  const few = await comparisons(1000)
  const many = await comparisons(8000)
  t.ok(many < few * 8 * 3, `${few} comparisons for 1,000, ${many} for 8,000`)
})

t.test('transactions that throw do not make it begin anew', async (t) => {
  const store = await open()
  const before = compared
  const all = Array.from({ length: 2000 }, (_, n) =>
    store
      .transact((tx) => {
        tx.get('folded', keyOf(n))
        for (let i = 0; i < 4; i++) tx.put('folded', keyOf(n * 4 + i), Buffer.from('x'))
        if (n % 2 === 1) throw new Error('refused')
      })
      .catch(() => undefined),
  )
  await Promise.all(all)
  t.ok(compared - before < 2000 * 4 * 100, `${compared - before} comparisons`)
  await store.close()
})

/** What a model of one group says of each read, for keys that are equal though their bytes are not. */
for (const tree of ['folded', 'plain'] as const) {
  t.test(`reads see what came before in the group, and nothing that was taken back: ${tree}`, async (t) => {
    const random = new Random(7)
    const store = await open()
    const identity = (key: string) => (tree === 'folded' ? key.toLowerCase() : key)
    const kept = new Map<string, string>()
    let wrong = 0
    const build = (throws: boolean, operations: number) => (tx: Transaction) => {
      const own = new Map(kept)
      for (let i = 0; i < operations; i++) {
        const key = random.pick(['a', 'A', 'k', 'K']) + random.int(300)
        const found = tx.get(tree, Buffer.from(key))?.toString()
        if (found !== own.get(identity(key))) wrong += 1
        if (random.bool(0.3)) {
          tx.delete(tree, Buffer.from(key))
          own.delete(identity(key))
        } else {
          const value = `v${random.int(1e9)}`
          tx.put(tree, Buffer.from(key), Buffer.from(value))
          own.set(identity(key), value)
        }
      }
      if (throws) throw new Error('refused')
      kept.clear()
      for (const [key, value] of own) kept.set(key, value)
    }
    for (let round = 0; round < 5; round++) {
      const group = Array.from({ length: 60 }, () =>
        store.transact(build(random.bool(0.3), random.int(random.pick([6, 40, 400])))).catch((error) => {
          t.equal(error.message, 'refused')
        }),
      )
      await Promise.all(group)
    }
    t.equal(wrong, 0)
    for (const [key, value] of kept) t.equal(store.get(tree, Buffer.from(key))?.toString(), value)
    await store.close()
  })
}
