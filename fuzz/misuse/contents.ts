/** What a store must hold: that which was acknowledged, tree by tree. */
import type { Reference, Store, TreeReader } from '../../native-free-btree/index.ts'
import { foldedDescending } from '../../test/support/test-trees.ts'

export const TREE_NAMES = ['plain', 'folded', 'summed', 'refs'] as const
export type TreeName = (typeof TREE_NAMES)[number]

interface Entry {
  readonly key: Buffer
  readonly value: Buffer
}

/** Keys that the tree's order calls equal have one name. */
function nameOf(tree: TreeName, key: Buffer): string {
  const text = key.toString('latin1')
  return tree === 'folded' ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text
}

export class Contents {
  readonly #trees: Map<TreeName, Map<string, Entry>>
  /** The bytes behind each reference in `refs`, by its hex. */
  readonly appended: Map<string, Buffer>

  constructor(from?: Contents) {
    this.#trees = new Map(TREE_NAMES.map((name) => [name, new Map(from?.of(name))]))
    this.appended = new Map(from?.appended)
  }

  of(tree: TreeName): Map<string, Entry> {
    return this.#trees.get(tree)!
  }

  get(tree: TreeName, key: Buffer): Buffer | undefined {
    return this.of(tree).get(nameOf(tree, key))?.value
  }

  put(tree: TreeName, key: Buffer, value: Buffer): void {
    this.of(tree).set(nameOf(tree, key), { key, value })
  }

  delete(tree: TreeName, key: Buffer): void {
    this.of(tree).delete(nameOf(tree, key))
  }

  append(reference: Reference, bytes: Buffer): void {
    this.appended.set(Buffer.from(reference).toString('hex'), bytes)
  }

  entries(tree: TreeName): Entry[] {
    const order = tree === 'folded' ? foldedDescending.compare : Buffer.compare
    return [...this.of(tree).values()].sort((a, b) => order(a.key, b.key))
  }
}

/** Why the store does not hold exactly that; undefined when it does. */
export function differenceOf(store: Store, contents: Contents): string | undefined {
  const snapshot = store.snapshot()
  try {
    for (const name of TREE_NAMES) {
      const found = differenceOfTree(name, snapshot.tree(name), contents)
      if (found !== undefined) return `tree ${name}: ${found}`
    }
    for (const { value } of contents.of('refs').values()) {
      const wanted = contents.appended.get(value.toString('hex'))!
      if (Buffer.compare(store.read(value), wanted) !== 0) return 'other bytes behind a reference'
    }
    return undefined
  } finally {
    snapshot.close()
  }
}

function differenceOfTree(name: TreeName, reader: TreeReader, contents: Contents): string | undefined {
  const wanted = contents.entries(name)
  if (reader.count() !== wanted.length) return `${reader.count()} entries, not ${wanted.length}`
  const cursor = reader.cursor()
  for (const { key, value } of wanted) {
    if (!cursor.next()) return `it ends before ${told(key)}`
    if (Buffer.compare(cursor.key(), key) !== 0)
      return `${told(cursor.key())} stands where ${told(key)} should`
    if (Buffer.compare(cursor.value(), value) !== 0) return `another value of ${told(key)}`
  }
  return undefined
}

function told(key: Buffer): string {
  return JSON.stringify(key.toString('latin1').slice(0, 40))
}
