/** Space: what updates leave behind in the trees, compared with trees that were loaded in order. */
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache, type Store } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { fullSize, seed } from '../support/test-run.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(300_000)

const DOCUMENTS = fullSize ? 100_000 : 20_000
const UPDATES = DOCUMENTS * 10
const BATCH = 1000

function sequenceKey(sequence: number): Buffer {
  const key = Buffer.alloc(6)
  key.writeUIntBE(sequence, 0, 6)
  return key
}

const value = (document: number) => patternBytes(document, 40)

async function nodesOf(store: Store): Promise<number> {
  const { problems, nodes } = await store.check()
  if (problems.length > 0) throw new Error(`check: ${JSON.stringify(problems.slice(0, 3))}`)
  return nodes
}

function open(path: string): Promise<Store> {
  return openStore(path, { trees: { seq: {} }, cache: new PageCache(64 * 1024 * 1024) })
}

t.test(`${UPDATES} random updates leave at most twice the leaves`, { timeout: 300_000 }, async (t) => {
  const folder = t.testdir()
  const random = new Random(seed)
  const updated = await open(join(folder, 'updated'))
  /** The sequence of each document. */
  const current = Array.from({ length: DOCUMENTS }, (_, document) => document)
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    await updated.transact((tx) => {
      for (let i = from; i < from + BATCH; i++) tx.put('seq', sequenceKey(i), value(i))
    })
  }
  let sequence = DOCUMENTS
  for (let done = 0; done < UPDATES; done += BATCH) {
    await updated.transact((tx) => {
      for (let i = 0; i < BATCH; i++) {
        const document = random.int(DOCUMENTS)
        tx.delete('seq', sequenceKey(current[document]!))
        current[document] = sequence
        tx.put('seq', sequenceKey(sequence++), value(document))
      }
    })
  }
  const loaded = await open(join(folder, 'loaded'))
  const sorted = current.map((at, document) => ({ at, document })).sort((a, b) => a.at - b.at)
  for (let from = 0; from < DOCUMENTS; from += BATCH) {
    await loaded.transact((tx) => {
      for (const { at, document } of sorted.slice(from, from + BATCH)) {
        tx.put('seq', sequenceKey(at), value(document))
      }
    })
  }
  t.equal(updated.stats().trees['seq']?.count, DOCUMENTS)
  const ratio = (await nodesOf(updated)) / (await nodesOf(loaded))
  t.comment(`${ratio.toFixed(2)} times the nodes of a tree loaded in order`)
  t.ok(ratio <= 2, `${ratio} times`)
  await updated.close()
  await loaded.close()
})

t.test('trees shrink as they empty, whatever the order, and vanish when they are empty', async (t) => {
  const orders = {
    forwards: (keys: number[]) => keys,
    backwards: (keys: number[]) => keys.reverse(),
    randomly: (keys: number[]) => new Random(seed).shuffle(keys),
    'from the middle': (keys: number[]) => keys.sort((a, b) => Math.abs(a - 8000) - Math.abs(b - 8000)),
  }
  for (const [name, ordered] of Object.entries(orders)) {
    for (const tree of ['plain', 'folded', 'summed']) {
      const random = new Random(seed)
      const store = await openSimulated(new SimulatedDisk(random.fork()), '/d/s', random)
      const count = 16_000
      const keys = Array.from({ length: count }, (_, i) => i)
      await store.transact((tx) => {
        for (const i of keys) tx.put(tree, sequenceKey(i), value(i))
      })
      t.ok(store.stats().trees[tree]!.depth >= 3)
      const left = ordered(keys)
      while (left.length > 0) {
        const removed = left.splice(0, 500)
        await store.transact((tx) => {
          for (const i of removed) tx.delete(tree, sequenceKey(i))
        })
        if (left.length === 500) t.ok((await nodesOf(store)) < 80, `${name}: ${tree} has given nodes back`)
      }
      t.equal(store.stats().trees[tree]!.depth, 0, `${name}: ${tree} is empty`)
      t.equal(store.stats().trees[tree]!.bytes, 0)
      await store.checkpoint()
      t.equal(await nodesOf(store), 0)
      await store.close()
    }
  }
})
