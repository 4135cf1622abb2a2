/**
 * What a store under a crash test should hold: one version for each transaction, numbered by a marker that the
 * transaction writes into every tree, so that a store which came back tells which version it claims to be.
 */
import type { Store, Transaction, TreeReader } from '../../native-free-btree/index.ts'
import type { Random } from './random.ts'
import { foldedDescending, patternBytes } from './test-trees.ts'

/** A value as the pattern that makes it, or a reference with the pattern of what it names. */
interface Value {
  readonly seed: number
  readonly length: number
  readonly reference?: Buffer
}

const TREES = ['plain', 'folded', 'summed', 'refs'] as const
type TreeName = (typeof TREES)[number]

interface Entry {
  readonly key: Buffer
  readonly value: Value
}

export interface Version {
  readonly marker: number
  readonly trees: Readonly<Record<TreeName, ReadonlyMap<string, Entry>>>
}

export const EMPTY_VERSION: Version = {
  marker: 0,
  trees: { plain: new Map(), folded: new Map(), summed: new Map(), refs: new Map() },
}

const MARKER_KEY = Buffer.from('marker')

function canonical(tree: TreeName, key: Buffer): string {
  const text = key.toString('latin1')
  return tree === 'folded' ? text.toLowerCase() : text
}

/** A planned transaction: what it does, in order, and the version it leads to. */
export interface Plan {
  readonly version: Version
  readonly writes: readonly { tree: TreeName; key: Buffer; value: Value | undefined }[]
}

function randomKey(random: Random, keys: number): Buffer {
  const name = `Key-${String(random.int(keys)).padStart(3, '0')}`
  return Buffer.from(random.bool() ? name : name.toLowerCase())
}

function randomLength(random: Random): number {
  return random.pick([0, 3, 20, 100, 256, 257, random.int(900), random.int(3000)])
}

/** `streamed` are references that wait to be stored by some transaction. */
export function planTransaction(
  random: Random,
  before: Version,
  marker: number,
  writeCount: number,
  streamed: readonly Value[] = [],
): Plan {
  const writes: { tree: TreeName; key: Buffer; value: Value | undefined }[] = []
  for (let i = 0; i < writeCount; i++) {
    const tree = random.pick(TREES)
    const remove = random.bool(0.25)
    const value = remove ? undefined : { seed: random.next(), length: randomLength(random) }
    writes.push({ tree, key: randomKey(random, 40), value })
  }
  for (const value of streamed) writes.push({ tree: 'refs', key: randomKey(random, 40), value })
  for (const tree of TREES) writes.push({ tree, key: MARKER_KEY, value: { seed: marker, length: -1 } })
  const trees = {
    plain: new Map(before.trees.plain),
    folded: new Map(before.trees.folded),
    summed: new Map(before.trees.summed),
    refs: new Map(before.trees.refs),
  }
  for (const { tree, key, value } of writes) {
    if (value === undefined) trees[tree].delete(canonical(tree, key))
    else trees[tree].set(canonical(tree, key), { key, value })
  }
  return { version: { marker, trees }, writes }
}

const made = new WeakMap<Value, Buffer>()

/** A length of -1 stands for the marker itself. */
function bytesOf(value: Value): Buffer {
  const known = made.get(value)
  if (known !== undefined) return known
  const bytes = value.length >= 0 ? patternBytes(value.seed, value.length) : Buffer.alloc(4)
  if (value.length < 0) bytes.writeUInt32LE(value.seed)
  made.set(value, bytes)
  return bytes
}

export function runPlan(plan: Plan, tx: Transaction): void {
  for (const { tree, key, value } of plan.writes) {
    if (value === undefined) tx.delete(tree, key)
    else if (tree === 'refs') tx.put(tree, key, value.reference ?? tx.append(bytesOf(value)))
    else tx.put(tree, key, bytesOf(value))
  }
}

/** The marker that the store shows; 0 in an empty one. */
export function markerOf(store: Store): number {
  return store.get('plain', MARKER_KEY)?.readUInt32LE(0) ?? 0
}

/** Compares everything that the store holds with a version; throws at the first difference. */
export function assertHolds(store: Store, version: Version): void {
  const snapshot = store.snapshot()
  try {
    for (const name of TREES) assertTree(store, name, snapshot.tree(name), version)
  } finally {
    snapshot.close()
  }
}

/** Of each version its entries in each tree's order. */
const inOrder = new WeakMap<ReadonlyMap<string, Entry>, readonly Entry[]>()

function entriesOf(name: TreeName, entries: ReadonlyMap<string, Entry>): readonly Entry[] {
  const known = inOrder.get(entries)
  if (known !== undefined) return known
  const compare = name === 'folded' ? foldedDescending.compare : Buffer.compare
  const sorted = [...entries.values()].sort((a, b) => compare(a.key, b.key))
  inOrder.set(entries, sorted)
  return sorted
}

function assertTree(store: Store, name: TreeName, tree: TreeReader, version: Version): void {
  const expected = entriesOf(name, version.trees[name])
  const where = `tree ${name}, version ${version.marker}`
  if (tree.count() !== expected.length) {
    throw new Error(`${where}: ${tree.count()} entries instead of ${expected.length}`)
  }
  const cursor = tree.cursor()
  for (const entry of expected) {
    if (!cursor.next()) throw new Error(`${where}: the cursor passed over entries`)
    const key = cursor.key()
    if (!entry.key.equals(key)) {
      throw new Error(`${where}: has ${key.toString('latin1')}, not ${entry.key.toString('latin1')}`)
    }
    const value = name === 'refs' ? store.read(cursor.value()) : cursor.value()
    if (!value.equals(bytesOf(entry.value))) throw new Error(`${where}: ${key.toString('latin1')} is wrong`)
  }
  if (cursor.next()) throw new Error(`${where}: has ${cursor.key().toString('latin1')} as well`)
}
