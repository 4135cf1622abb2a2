/**
 * One tree as the writer sees it. Invariants:
 * - Every entry's key lies in the range of its leaf: at or above the separator to its left in each ancestor,
 *   below the one to its right.
 * - Two neighbouring leaves under one parent never fit together in one (so leaves are at least half full on
 *   average), except where the tail of a split by appending has not filled yet.
 * - A node that anybody else may be reading is copied before it is changed (see node.ts).
 */
import type { Comparator, Reducer, TreeOptions } from './api.ts'
import { invariant, StorageError } from './errors.ts'
import { leafCellBytes, MutableNode } from './node.ts'
import {
  CellView,
  cellCount,
  cellHasKey,
  cellKey,
  cellOffset,
  childIndex,
  isLeaf,
  lowerBound,
  type NodePointer,
  readCell,
  readPointer,
} from './page.ts'
import type { PageSource } from './page-source.ts'

/** A node larger than this is split. */
export const LEAF_BYTES = 3072
export const INNER_BYTES = 8192
/** Two nodes are joined when together they take at most this share of a full one. */
const JOIN_SHARE = 0.9

/** A root: in memory, in the file, or (an empty tree) nowhere. */
export type Root = MutableNode | NodePointer | undefined

/** What the file says of a tree. */
export interface TreeDefinition {
  id: number
  name: string
  comparatorName: string
  comparatorVersion: number
  reducerName: string
  reducerVersion: number
}

/** Counts the memory of nodes that the file does not hold. */
export interface DirtyLedger {
  add(bytes: number): void
}

const view = new CellView()

export class Tree {
  readonly definition: TreeDefinition
  readonly comparator: Comparator | undefined
  readonly reducer: Reducer | undefined
  readonly references: TreeOptions['references']
  root: Root
  /** Nodes of this epoch may be changed in place. */
  epoch = 1
  #shared = false
  readonly #source: PageSource
  readonly #ledger: DirtyLedger
  readonly #path: MutableNode[] = []
  readonly #indexes: number[] = []

  constructor(definition: TreeDefinition, options: TreeOptions, source: PageSource, ledger: DirtyLedger) {
    this.definition = definition
    this.comparator = options.comparator
    this.reducer = options.reducer
    this.references = options.references
    this.#source = source
    this.#ledger = ledger
  }

  get compare(): ((a: Uint8Array, b: Uint8Array) => number) | undefined {
    return this.comparator?.compare
  }

  /** The root as it is now, safe from later changes. */
  share(): Root {
    this.#shared = true
    return this.root
  }

  /** Puts the cell at `offset` of `source` (a leaf's cell) in the place of its key. */
  put(source: Buffer, offset: number): void {
    readCell(source, offset, view)
    const length = view.end - view.start
    const addedBytes = leafCellBytes(source, view)
    const key = source.subarray(view.keyStart, view.keyEnd)
    this.#beforeChange()
    const root = this.#mutableRoot()
    if (root === undefined) {
      const leaf = this.#track(new MutableNode(true, Math.max(512, length + 64), this.epoch))
      leaf.insertCell(0, source, offset, length)
      leaf.count = 1
      leaf.bytes = addedBytes
      this.root = leaf
      return
    }
    const leaf = this.#descend(root, key)
    const index = lowerBound(leaf.page, key, this.compare)
    const before = leaf.memoryBytes
    let addedCount = 1
    let deltaBytes = addedBytes
    if (cellHasKey(leaf.page, index, key, this.compare)) {
      readCell(leaf.page, cellOffset(leaf.page, index), view)
      deltaBytes -= leafCellBytes(leaf.page, view)
      addedCount = 0
      leaf.replaceCell(index, source, offset, length)
    } else {
      leaf.insertCell(index, source, offset, length)
    }
    this.#ledger.add(leaf.memoryBytes - before)
    this.#count(leaf, addedCount, deltaBytes)
    if (leaf.size > LEAF_BYTES) this.#splitUp(leaf, index)
    else if (addedCount === 0 && leaf.size < LEAF_BYTES / 2) this.#joinUp(leaf)
    this.#path.length = 0
  }

  /** Removes an entry; false when there is none. */
  delete(key: Uint8Array): boolean {
    if (!this.#holds(key)) return false
    this.#beforeChange()
    const root = this.#mutableRoot()
    invariant(root !== undefined, 'a key was found in a tree without a root')
    const leaf = this.#descend(root, key)
    const index = lowerBound(leaf.page, key, this.compare)
    invariant(cellHasKey(leaf.page, index, key, this.compare), 'a key moved between two looks at one tree')
    readCell(leaf.page, cellOffset(leaf.page, index), view)
    const removedBytes = leafCellBytes(leaf.page, view)
    leaf.removeCell(index)
    this.#count(leaf, -1, -removedBytes)
    if (leaf.cells === 0) this.#removeEmpty(leaf)
    else if (leaf.size < LEAF_BYTES / 2) this.#joinUp(leaf)
    this.#path.length = 0
    return true
  }

  /** Number of levels; 0 when empty. */
  depth(): number {
    let depth = 0
    let link: Root = this.root
    while (link !== undefined) {
      depth += 1
      const node: Root = link
      const page = this.#source.pageOf(node)
      if (isLeaf(page)) return depth
      const child: MutableNode | undefined =
        node instanceof MutableNode && node.pointer === undefined ? node.children![0] : undefined
      link = child ?? readPointer(page, 0, false)
    }
    return depth
  }

  #holds(key: Uint8Array): boolean {
    const leaf = this.#source.leafFor(this.root, key, this.compare)
    if (leaf === undefined) return false
    return cellHasKey(leaf, lowerBound(leaf, key, this.compare), key, this.compare)
  }

  #beforeChange(): void {
    if (!this.#shared) return
    this.#shared = false
    this.epoch += 1
  }

  #track(node: MutableNode): MutableNode {
    this.#ledger.add(node.memoryBytes)
    return node
  }

  /** A node of this epoch in the place of `link`. */
  #mutable(link: MutableNode | NodePointer): MutableNode {
    if (link instanceof MutableNode && link.pointer === undefined) {
      if (link.epoch === this.epoch) return link
      return this.#track(link.clone(this.epoch))
    }
    const pointer = link instanceof MutableNode ? link.pointer! : link
    const page = this.#source.load(pointer.position, pointer.length, pointer.hash)
    const node = MutableNode.fromPage(page, pointer.count, pointer.bytes, this.epoch)
    node.reduction = pointer.reduction
    return this.#track(node)
  }

  #mutableRoot(): MutableNode | undefined {
    if (this.root === undefined) return undefined
    const node = this.#mutable(this.root)
    this.root = node
    return node
  }

  #mutableChild(parent: MutableNode, index: number): MutableNode {
    const present = parent.children![index]
    if (present !== undefined && present.pointer === undefined && present.epoch === this.epoch) return present
    const node = this.#mutable(present ?? readPointer(parent.page, index, this.reducer !== undefined))
    parent.children![index] = node
    return node
  }

  /** Walks down to the leaf for `key`, making every node on the way changeable; fills the path above it. */
  #descend(root: MutableNode, key: Uint8Array): MutableNode {
    let node = root
    let depth = 0
    while (!node.leaf) {
      const index = childIndex(node.page, key, this.compare)
      this.#path[depth] = node
      this.#indexes[depth] = index
      depth += 1
      node = this.#mutableChild(node, index)
    }
    this.#path.length = depth
    return node
  }

  #count(leaf: MutableNode, entries: number, bytes: number): void {
    leaf.count += entries
    leaf.bytes += bytes
    leaf.reduction = undefined
    for (const node of this.#path) {
      node.count += entries
      node.bytes += bytes
      node.reduction = undefined
    }
  }

  /** Splits `node`, which is too large after a change at `changed`, and its ancestors as far as they need it. */
  #splitUp(from: MutableNode, changed: number): void {
    let node = from
    let at = changed
    for (let level = this.#path.length - 1; ; level--) {
      const limit = node.leaf ? LEAF_BYTES : INNER_BYTES
      if (node.size <= limit || node.cells < (node.leaf ? 2 : 4)) return
      const appending = at === node.cells - 1 && this.#isRightmost(level)
      const before = node.memoryBytes
      const cut = appending ? node.cells - (node.leaf ? 1 : 2) : middleOf(node)
      const separator = this.#separator(node, cut)
      const right = this.#track(node.splitOff(cut))
      this.#ledger.add(node.memoryBytes - before)
      if (level < 0) {
        const root = new MutableNode(false, 1024, this.epoch)
        root.insertChild(0, EMPTY, node)
        root.insertChild(1, separator, right)
        root.count = node.count + right.count
        root.bytes = node.bytes + right.bytes
        this.root = this.#track(root)
        return
      }
      const parent = this.#path[level]!
      const index = this.#indexes[level]!
      const parentBefore = parent.memoryBytes
      parent.insertChild(index + 1, separator, right)
      this.#ledger.add(parent.memoryBytes - parentBefore)
      node = parent
      at = index + 1
    }
  }

  #isRightmost(level: number): boolean {
    for (let i = level; i >= 0; i--) {
      if (this.#indexes[i] !== this.#path[i]!.cells - 1) return false
    }
    return true
  }

  /** The lower bound of what `splitOff(cut)` moves away. */
  #separator(node: MutableNode, cut: number): Buffer {
    const right = cellKey(node.page, cut)
    if (!node.leaf || this.compare !== undefined) return Buffer.from(right)
    const left = cellKey(node.page, cut - 1)
    let shared = 0
    while (shared < left.length && left[shared] === right[shared]) shared += 1
    return Buffer.from(right.subarray(0, shared + 1))
  }

  /** Joins `node` with a neighbour when the two fit together, then its ancestors likewise. */
  #joinUp(from: MutableNode): void {
    let node = from
    for (let level = this.#path.length - 1; level >= 0; level--) {
      const limit = (node.leaf ? LEAF_BYTES : INNER_BYTES) * JOIN_SHARE
      if (node.size >= limit / 2 / JOIN_SHARE) break
      const parent = this.#path[level]!
      const index = this.#indexes[level]!
      const size = node.size
      if (index > 0 && parent.childSize(index - 1) + size <= limit) {
        const left = this.#neighbour(parent, index - 1)
        if (left === undefined) break
        this.#join(parent, index - 1, left, node)
      } else if (index + 1 < parent.cells && parent.childSize(index + 1) + size <= limit) {
        const right = this.#neighbour(parent, index + 1)
        if (right === undefined) break
        this.#join(parent, index, node, right)
      } else {
        break
      }
      node = parent
    }
    this.#collapseRoot()
  }

  /**
   * A child to join another with; undefined when it is damaged. By now the change is durable and has to be
   * applied: a neighbour that nobody asked for must not stop it, nor the replay of it at the next opening.
   */
  #neighbour(parent: MutableNode, index: number): MutableNode | undefined {
    try {
      return this.#mutableChild(parent, index)
    } catch (error) {
      if (error instanceof StorageError && error.code === 'DAMAGED') return undefined
      throw error
    }
  }

  /** Moves all of `right` (child `index + 1` of `parent`) behind `left` (child `index`). */
  #join(parent: MutableNode, index: number, left: MutableNode, right: MutableNode): void {
    const before = left.memoryBytes + parent.memoryBytes
    const bound = Buffer.from(cellKey(parent.page, index + 1))
    const cells = cellCount(right.page)
    for (let i = 0; i < cells; i++) left.appendFrom(right, i, i === 0 ? bound : undefined)
    left.reduction = undefined
    parent.removeChild(index + 1)
    this.#ledger.add(left.memoryBytes + parent.memoryBytes - before - right.memoryBytes)
  }

  /** Unlinks a leaf that lost its last entry, and every ancestor that this leaves without children. */
  #removeEmpty(leaf: MutableNode): void {
    let node = leaf
    for (let level = this.#path.length - 1; ; level--) {
      this.#ledger.add(-node.memoryBytes)
      if (level < 0) {
        this.root = undefined
        return
      }
      const parent = this.#path[level]!
      parent.removeChild(this.#indexes[level]!)
      if (parent.cells > 0) {
        this.#path.length = level
        this.#joinUp(parent)
        return
      }
      node = parent
    }
  }

  /** A root with one child gives way to it. */
  #collapseRoot(): void {
    let root = this.root
    while (root instanceof MutableNode && root.pointer === undefined && !root.leaf && root.cells === 1) {
      const child: MutableNode | NodePointer =
        root.children![0] ?? readPointer(root.page, 0, this.reducer !== undefined)
      this.#ledger.add(-root.memoryBytes)
      this.root = child
      root = child instanceof MutableNode ? child : undefined
    }
  }

  /** Throws COMPARATOR_MISMATCH when the tree was opened without the order that its keys are in. */
  assertReadable(): void {
    if (this.definition.comparatorName === (this.comparator?.name ?? '')) return
    throw new StorageError(
      'COMPARATOR_MISMATCH',
      `tree ${this.definition.name} needs the comparator ${this.definition.comparatorName}`,
      { tree: this.definition.name },
    )
  }

  /** Throws REDUCER_MISMATCH or COMPARATOR_MISMATCH when the tree cannot be written with the reducer that it was opened with. */
  assertWritable(): void {
    if (this.definition.reducerName !== (this.reducer?.name ?? '')) {
      throw new StorageError(
        'REDUCER_MISMATCH',
        `tree ${this.definition.name} needs the reducer ${this.definition.reducerName}`,
        { tree: this.definition.name },
      )
    }
    this.assertReadable()
  }
}

const EMPTY = Buffer.alloc(0)

/** The first cell of the right half, by bytes; at least one cell stays on each side. */
function middleOf(node: MutableNode): number {
  const page = node.page
  const cells = cellCount(page)
  const half = (node.size - 8) / 2
  let sum = 0
  for (let i = 0; i < cells - 1; i++) {
    readCell(page, cellOffset(page, i), view)
    sum += view.end - view.start + 2
    if (sum >= half) return Math.max(1, Math.min(cells - 1, i + 1))
  }
  return cells - 1
}
