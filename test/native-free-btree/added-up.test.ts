/**
 * What a leaf adds up to, where the reducer says that the order does not matter: what it had added up to, and what came in since.
 * It is what all its entries add up to, whatever was done to the leaf between.
 */
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache, type Reducer } from '../../native-free-btree/index.ts'
import { cellLength, writeCell } from '../../native-free-btree/page/cell.ts'
import { MutableNode } from '../../native-free-btree/page/mutable-node.ts'
import { reductionOf } from '../../native-free-btree/tree/reader.ts'
import type { Tree } from '../../native-free-btree/tree/tree.ts'
import { Random } from '../support/random.ts'
import { explained, rounds, seed } from '../support/test-run.ts'
import { edges, totals } from '../support/test-trees.ts'

const STEPS = 6000
const NOWHERE = { position: 4096, length: 100, hash: 0n }

interface Entry {
  key: Buffer
  value: Buffer
}

/** A leaf beside the entries that it should have. */
class LeafRun {
  readonly #random: Random
  readonly #tree: Tree
  #leaf = MutableNode.empty(true, 512, 1)
  #entries: Entry[] = []

  constructor(random: Random, reducer: Reducer) {
    this.#random = random
    this.#tree = { reducer } as Tree
  }

  get #reduction(): Uint8Array {
    return reductionOf(this.#leaf, this.#tree, undefined as never, undefined as never)
  }

  step(): void {
    const random = this.#random
    const kind = random.int(100)
    const some = random.int(this.#entries.length)
    if (kind < 50 || this.#entries.length < 2) this.#insert()
    else if (kind < 55) this.#remove(some)
    else if (kind < 60) this.#replace(some)
    else if (kind < 64) this.#leaf = this.#leaf.clone(1)
    else if (kind < 68) this.#leaf.settle()
    else if (kind < 74) this.#loadAgain()
    else if (this.#leaf.size > 3072) this.#split()
    else if (kind < 76) this.#joinWithAnother()
    else this.compare()
  }

  compare(): void {
    const { reducer } = this.#tree
    const expected = reducer!.combine(this.#entries.map(({ key, value }) => reducer!.map(key, value)))
    const actual = this.#reduction
    if (Buffer.compare(expected, actual) !== 0) throw new Error(`${actual.join()}, not ${expected.join()}`)
  }

  #insert(): void {
    const random = this.#random
    const key = random.bytes(1 + random.int(12))
    const at = this.#entries.findIndex((entry) => Buffer.compare(entry.key, key) >= 0)
    const index = at < 0 ? this.#entries.length : at
    if (at >= 0 && Buffer.compare(this.#entries[at]!.key, key) === 0) return
    const value = random.bytes(random.int(80))
    const cell = Buffer.alloc(cellLength(key.length, value.length))
    writeCell(cell, 0, key, value, false)
    this.#leaf.insertCell(index, cell, 0, cell.length)
    this.#entries.splice(index, 0, { key: Buffer.from(key), value: Buffer.from(value) })
  }

  #remove(index: number): void {
    this.#leaf.removeCell(index)
    this.#entries.splice(index, 1)
  }

  #replace(index: number): void {
    const { key, value } = this.#entries[index]!
    const length = this.#random.bool() ? value.length : this.#random.int(80)
    const other = Buffer.from(this.#random.bytes(length))
    this.#leaf.replacePayload(index, other, false)
    this.#entries[index] = { key, value: other }
  }

  /** Written, and changed again: as a page of the cache, with its gaps or without. */
  #loadAgain(): void {
    const reduction = this.#reduction
    const kept = this.#leaf.keep(this.#random.bool())
    this.#leaf = MutableNode.fromPage(kept, NOWHERE, 1, this.#leaf.page.length + this.#random.int(600))
    this.#leaf.keepReduction(reduction)
  }

  #split(): void {
    const cut = 1 + this.#random.int(this.#entries.length - 1)
    const right = this.#leaf.splitOff(cut, true)
    const isRight = this.#random.bool()
    this.#entries = isRight ? this.#entries.slice(cut) : this.#entries.slice(0, cut)
    if (isRight) this.#leaf = right
  }

  /** As two leaves that have become small: all of the right one goes to the left one. */
  #joinWithAnother(): void {
    const right = this.#leaf.splitOff(this.#entries.length - 1, true)
    if (this.#random.bool()) this.#addUp(this.#leaf, right)
    this.#leaf.appendFrom(right, 0, undefined)
    this.#leaf.forgetReduction()
  }

  #addUp(...leaves: MutableNode[]): void {
    for (const leaf of leaves) reductionOf(leaf, this.#tree, undefined as never, undefined as never)
  }
}

const { mapAll: _, combineAll: __, ...plainTotals } = totals
const reducers = {
  'by one call': totals,
  'one by one': plainTotals,
  'where the order matters': edges,
}

for (const [name, reducer] of Object.entries(reducers)) {
  t.test(`a leaf adds up to what its entries do, ${name}`, (t) => {
    const run = new LeafRun(new Random(seed), reducer)
    let steps = 0
    try {
      for (; steps < STEPS * rounds; steps++) run.step()
      run.compare()
    } catch (error) {
      throw explained(error, `after ${steps} steps`)
    }
    t.pass()
    t.end()
  })
}

t.test('of a leaf that entries came into only those are mapped', async (t) => {
  let mapped = 0
  const counting: Reducer = {
    ...totals,
    map: (key, value) => {
      mapped += 1
      return totals.map(key, value)
    },
    mapAll: (bytes, bounds) => {
      mapped += bounds.length / 4
      return totals.mapAll!(bytes, bounds)
    },
  }
  const keyOf = (n: number): Buffer => Buffer.from(`entry-${String(n).padStart(8, '0')}`)
  const store = await openStore(join(t.testdir(), 'store'), {
    trees: { summed: { reducer: counting } },
    cache: new PageCache(16 * 1024 * 1024),
  })
  await store.transact((tx) => {
    for (let n = 0; n < 20_000; n++) tx.put('summed', keyOf(10 * n), Buffer.alloc(40, n))
  })
  // Leaves are full that were appended to: some room, so that none is split.
  await store.transact((tx) => {
    for (let n = 0; n < 20_000; n += 4) tx.delete('summed', keyOf(10 * n))
  })
  await store.checkpoint()
  for (let round = 1; round <= 3; round++) {
    mapped = 0
    await store.transact((tx) => {
      for (let n = 0; n < 20; n++) tx.put('summed', keyOf(10_000 * n + round), Buffer.alloc(40, round))
    })
    await store.checkpoint()
    t.equal(mapped, 20, `round ${round}`)
  }
  t.same((await store.check()).problems, [])
  mapped = 0
  await store.transact((tx) => tx.put('summed', keyOf(10_010), Buffer.alloc(40, 77)))
  await store.checkpoint()
  t.ok(mapped > 10, 'an entry got another value: all of its leaf')
  await store.transact((tx) => tx.delete('summed', keyOf(20_010)))
  await store.checkpoint()
  t.same((await store.check()).problems, [])
  await store.close()
})
