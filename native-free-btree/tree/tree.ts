/**
 * One tree as the writer sees it. Invariants:
 * - Every entry's key lies in the range of its leaf: at or above the separator to its left in each ancestor,
 *   below the one to its right.
 * - A node may be changed in place when it is not in the file and no share that is still held (a snapshot, the
 *   running checkpoint) was taken after it was made: `epoch > sharedEpoch`. Then the same holds of all its
 *   ancestors, and `parent` leads to them.
 * - Two neighbouring leaves under one parent never fit together in one (so leaves are at least half full on
 *   average), except where the tail of a split by appending has not filled yet.
 * - A node that anybody else may be reading is copied before it is changed.
 * - No leaf is without entries, except between a change and the end of its group.
 */

import type { Comparator, Reducer, TreeOptions } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import { type Compare, comparing, reducing, referring } from '../callbacks.ts'
import { invariant, StorageError } from '../errors.ts'
import { NODE_HEADER_BYTES } from '../format.ts'
import { CellView, leafCellBytes, readCell } from '../page/cell.ts'
import { cellCount, cellKey, cellOffset, isLeaf, slotWidth } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { type NodePointer, readPointer } from '../page/pointer.ts'
import { cellHasKey, childIndex, lowerBound, orderOfCell } from '../page/search.ts'
import type { TreeDefinition } from './definition.ts'

/** A node larger than this is split. */
export const LEAF_BYTES = 3072
export const INNER_BYTES = 8192
/** Two nodes are joined when together they take at most this share of a full one. */
const JOIN_SHARE = 0.9

/** A root: in memory, in the file, or (an empty tree) nowhere. */
export type Root = MutableNode | NodePointer | undefined

/** A root that somebody reads while the tree goes on; `epoch` is what `unshare` needs. */
export interface Share {
  readonly root: Root
  readonly epoch: number
}

/** The epochs of the shares that are held. */
class Shares {
  /** In ascending order, with how many shares hold each. */
  readonly #held: { epoch: number; shares: number }[] = []
  /** The newest one held; 0 when there is none. */
  newestEpoch = 0

  add(epoch: number): void {
    const last = this.#held[this.#held.length - 1]
    if (last?.epoch === epoch) last.shares += 1
    else this.#held.push({ epoch, shares: 1 })
    this.newestEpoch = epoch
  }

  remove(epoch: number): void {
    const index = this.#held.findIndex((one) => one.epoch === epoch)
    const entry = this.#held[index]
    invariant(entry !== undefined, 'a share was given back twice')
    entry.shares -= 1
    if (entry.shares === 0) this.#held.splice(index, 1)
    this.newestEpoch = this.#held[this.#held.length - 1]?.epoch ?? 0
  }
}

/** Counts the memory of nodes that the file does not hold. */
export interface DirtyLedger {
  add(bytes: number): void
}

const view = new CellView()

export class Tree {
  readonly definition: TreeDefinition
  readonly comparator: Comparator | undefined
  /** Undefined: bytewise. Throws INVALID_ARGUMENT for a comparator that gives no number. */
  readonly compare: Compare | undefined
  readonly reducer: Reducer | undefined
  readonly references: TreeOptions['references']
  root: Root
  readonly shares = new Shares()
  /** What new nodes are marked with; above that of every share that is held when a change is made. */
  #epoch = 1
  readonly #source: PageSource
  readonly #ledger: DirtyLedger
  /** The last leaf, when it may be changed in place and appending needs no look at its ancestors. */
  #lastLeaf: MutableNode | undefined
  /** Leaves without entries, each with a key of its range. */
  readonly #emptied = new Map<MutableNode, Buffer>()

  constructor(definition: TreeDefinition, options: TreeOptions, source: PageSource, ledger: DirtyLedger) {
    this.definition = definition
    this.comparator = options.comparator
    this.compare = options.comparator && comparing(options.comparator)
    this.reducer = options.reducer && reducing(options.reducer)
    this.references = options.references && referring(options.references)
    this.#source = source
    this.#ledger = ledger
  }

  /** The root as it is now, safe from later changes until the share is given back. */
  share(): Share {
    this.#setLastLeaf(undefined)
    this.shares.add(this.#epoch)
    return { root: this.root, epoch: this.#epoch }
  }

  /** Gives a share back: what only it could see may be changed in place again. */
  unshare(share: Share): void {
    this.shares.remove(share.epoch)
  }

  /**
   * Makes the way to the key in bytes `start` to `end` changeable, without changing what it says, and returns the leaf;
   * undefined in an empty tree. Throws DAMAGED. The leaf may be handed to the `put` or `delete` of this key when every one of
   * its group was prepared before the first is made; whether it is still the right one is checked there.
   */
  prepare(bytes: Uint8Array, start: number, end: number): MutableNode | undefined {
    const leaf = this.#find(bytes, start, end)
    if (leaf !== undefined) leaf.moved = false
    return leaf
  }

  /** The leaf whose range holds the key that lies in `bytes`, it and its ancestors changeable. */
  #find(bytes: Uint8Array, keyStart: number, keyEnd: number): MutableNode | undefined {
    const last = this.#lastLeaf
    if (
      last !== undefined &&
      last.cells > 0 &&
      orderOfCell(last.page, last.cells - 1, bytes, this.compare, keyStart, keyEnd) < 0
    ) {
      return last
    }
    this.#beforeChange()
    const root = this.#mutableRoot()
    return root === undefined ? undefined : this.#descend(root, bytes, keyStart, keyEnd)
  }

  /** Whether a leaf from `prepare` is still the place of the key that it was found for. */
  #holdsStill(leaf: MutableNode | undefined): leaf is MutableNode {
    if (leaf === undefined || leaf.moved || !this.#isChangeable(leaf)) return false
    // A copy of an ancestor, made for a share that has been given back since, cuts the way to the root.
    let node = leaf
    while (node.parent !== undefined) node = node.parent
    return node === this.root
  }

  /** A leaf knows its parent from its descent to its change: kept longer, it would keep old parents alive. */
  #finish(leaf: MutableNode): void {
    if (leaf !== this.#lastLeaf) leaf.parent = undefined
  }

  #setLastLeaf(leaf: MutableNode | undefined): void {
    const before = this.#lastLeaf
    this.#lastLeaf = leaf
    if (before !== undefined && before !== leaf) before.parent = undefined
  }

  /** Puts the cell at `offset` of `source` (a leaf's cell) in the place of its key. */
  put(source: Buffer, offset: number, prepared?: MutableNode): void {
    readCell(source, offset, view)
    const length = view.end - view.start
    const addedBytes = leafCellBytes(source, view)
    const keyStart = view.keyStart
    const keyEnd = view.keyEnd
    const leaf = this.#holdsStill(prepared) ? prepared : this.#find(source, keyStart, keyEnd)
    if (leaf === undefined) {
      const first = this.#track(MutableNode.empty(true, Math.max(512, length + 64), this.#epoch))
      first.insertCell(0, source, offset, length)
      first.count = 1
      first.bytes = addedBytes
      this.root = first
      return
    }
    const index = lowerBound(leaf.page, source, this.compare, keyStart, keyEnd)
    const before = leaf.memoryBytes
    let addedCount = 1
    let deltaBytes = addedBytes
    if (cellHasKey(leaf.page, index, source, this.compare, keyStart, keyEnd)) {
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
    this.#finish(leaf)
  }

  /** Removes an entry; false when there is none. A leaf that loses its last one stays until `finishGroup`. */
  delete(key: Uint8Array, prepared?: MutableNode): boolean {
    const leaf = this.#holdsStill(prepared) ? prepared : this.#find(key, 0, key.length)
    if (leaf === undefined) return false
    const index = lowerBound(leaf.page, key, this.compare)
    if (!cellHasKey(leaf.page, index, key, this.compare)) {
      this.#finish(leaf)
      return false
    }
    readCell(leaf.page, cellOffset(leaf.page, index), view)
    const removedBytes = leafCellBytes(leaf.page, view)
    leaf.removeCell(index)
    this.#count(leaf, -1, -removedBytes)
    if (leaf.cells === 0) this.#emptied.set(leaf, Buffer.from(key))
    else if (leaf.size < LEAF_BYTES / 2) this.#joinUp(leaf)
    this.#finish(leaf)
    return true
  }

  /**
   * To be called after the last change of each group, before anybody reads. Leaves that are empty then are removed.
   * Were they removed at once, what the group puts into their range later would go to a neighbour, which nobody has
   * read: when it is damaged, a durable change could not be applied.
   */
  finishGroup(): void {
    if (this.#emptied.size === 0) return
    for (const [leaf, key] of this.#emptied) {
      if (leaf.cells > 0) continue
      const found = this.#find(key, 0, key.length)
      invariant(found === leaf, 'an empty leaf is not in its place')
      this.#removeEmpty(leaf)
      leaf.parent = undefined
    }
    this.#emptied.clear()
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

  #beforeChange(): void {
    if (this.#epoch <= this.shares.newestEpoch) this.#epoch = this.shares.newestEpoch + 1
  }

  #track(node: MutableNode): MutableNode {
    this.#ledger.add(node.memoryBytes)
    return node
  }

  #isChangeable(node: MutableNode): boolean {
    return node.pointer === undefined && node.epoch > this.shares.newestEpoch
  }

  /** A node that may be changed in the place of `link`. */
  #mutable(link: MutableNode | NodePointer): MutableNode {
    if (link instanceof MutableNode && link.pointer === undefined) {
      if (this.#isChangeable(link)) return link
      return this.#track(link.clone(this.#epoch))
    }
    const pointer = link instanceof MutableNode ? link.pointer! : link
    return this.#track(this.#source.changeable(pointer, this.#epoch))
  }

  #mutableRoot(): MutableNode | undefined {
    if (this.root === undefined) return undefined
    const node = this.#mutable(this.root)
    node.parent = undefined
    this.root = node
    return node
  }

  #mutableChild(parent: MutableNode, index: number): MutableNode {
    const present = parent.children![index]
    if (present !== undefined && this.#isChangeable(present)) {
      present.parent = parent
      return present
    }
    const node = this.#mutable(present ?? readPointer(parent.page, index, this.reducer !== undefined))
    parent.children![index] = node
    node.parent = parent
    return node
  }

  /** Walks down to the leaf for a key, making every node on the way changeable. */
  #descend(root: MutableNode, bytes: Uint8Array, keyStart: number, keyEnd: number): MutableNode {
    let node = root
    let isLast = true
    while (!node.leaf) {
      const index = childIndex(node.page, bytes, this.compare, keyStart, keyEnd)
      isLast = isLast && index === node.cells - 1
      node = this.#mutableChild(node, index)
    }
    if (isLast) this.#setLastLeaf(node)
    return node
  }

  #count(leaf: MutableNode, entries: number, bytes: number): void {
    let node: MutableNode | undefined = leaf
    while (node !== undefined) {
      node.count += entries
      node.bytes += bytes
      node.reduction = undefined
      node = node.parent
    }
  }

  /** Splits `node`, which is too large after a change at `changed`, and its ancestors as far as they need it. */
  #splitUp(from: MutableNode, changed: number): void {
    let node = from
    let at = changed
    for (;;) {
      const limit = node.leaf ? LEAF_BYTES : INNER_BYTES
      if (node.size <= limit || node.cells < (node.leaf ? 2 : 4)) return
      const appending = at === node.cells - 1 && isLast(node)
      const before = node.memoryBytes
      const cut = appending ? node.cells - (node.leaf ? 1 : 2) : middleOf(node)
      const separator = this.#separator(node, cut)
      const right = this.#track(node.splitOff(cut))
      this.#ledger.add(node.memoryBytes - before)
      const parent = node.parent
      if (parent === undefined) {
        const root = MutableNode.empty(false, 1024, this.#epoch)
        root.insertChild(0, EMPTY, node)
        root.insertChild(1, separator, right)
        root.count = node.count + right.count
        root.bytes = node.bytes + right.bytes
        this.root = this.#track(root)
        this.#afterSplit(node, right)
        return
      }
      const index = indexOfChild(parent, node)
      const parentBefore = parent.memoryBytes
      parent.insertChild(index + 1, separator, right)
      this.#ledger.add(parent.memoryBytes - parentBefore)
      this.#afterSplit(node, right)
      node = parent
      at = index + 1
    }
  }

  #afterSplit(left: MutableNode, right: MutableNode): void {
    if (!left.leaf) return
    left.moved = true
    right.moved = true
    if (left === this.#lastLeaf) this.#lastLeaf = right
    else right.parent = undefined
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
    for (let parent = node.parent; parent !== undefined; parent = node.parent) {
      const limit = (node.leaf ? LEAF_BYTES : INNER_BYTES) * JOIN_SHARE
      if (node.size >= limit / 2 / JOIN_SHARE) break
      const index = indexOfChild(parent, node)
      const size = node.size
      const left = index > 0 ? this.#neighbour(parent, index - 1, limit - size) : undefined
      const right =
        left === undefined && index + 1 < parent.cells
          ? this.#neighbour(parent, index + 1, limit - size)
          : undefined
      if (left !== undefined) this.#join(parent, index - 1, left, node)
      else if (right !== undefined) this.#join(parent, index, node, right)
      else break
      node = parent
    }
    this.#collapseRoot()
  }

  /**
   * A child of at most `mostBytes` to join another with; undefined when it is larger, or damaged. By now the
   * change is durable and has to be applied: a neighbour that nobody asked for must not stop it, nor the replay
   * of it at the next opening.
   */
  #neighbour(parent: MutableNode, index: number, mostBytes: number): MutableNode | undefined {
    if (parent.childSize(index) > mostBytes) return undefined
    try {
      const child = parent.children![index]
      const isWhole = child !== undefined && child.pointer === undefined
      const page = isWhole ? undefined : this.#source.pageOf(child ?? readPointer(parent.page, index, false))
      // What lies in the file as a patch is larger than that.
      if (page !== undefined && contentBytes(page) > mostBytes) return undefined
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
    left.moved = true
    right.moved = true
    this.#emptied.delete(right)
    this.#setLastLeaf(undefined)
    if (left.leaf) left.parent = undefined
    parent.removeChild(index + 1)
    this.#ledger.add(left.memoryBytes + parent.memoryBytes - before - right.memoryBytes)
  }

  /** Unlinks a leaf that lost its last entry, and every ancestor that this leaves without children. */
  #removeEmpty(leaf: MutableNode): void {
    leaf.moved = true
    for (let node = leaf; ; ) {
      this.#ledger.add(-node.memoryBytes)
      const parent = node.parent
      if (parent === undefined) {
        this.root = undefined
        this.#setLastLeaf(undefined)
        return
      }
      parent.removeChild(indexOfChild(parent, node))
      if (parent.cells > 0) {
        this.#setLastLeaf(undefined)
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
      if (child instanceof MutableNode) child.parent = undefined
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

/** Whether a changeable node is the last of its level. */
function isLast(node: MutableNode): boolean {
  let child = node
  for (let parent = child.parent; parent !== undefined; parent = child.parent) {
    if (parent.children![parent.children!.length - 1] !== child) return false
    child = parent
  }
  return true
}

/** Bytes that a page takes, cell by cell. */
function contentBytes(page: Buffer): number {
  const cells = cellCount(page)
  let bytes = NODE_HEADER_BYTES + cells * slotWidth(page)
  for (let i = 0; i < cells; i++) {
    readCell(page, cellOffset(page, i), view)
    bytes += view.end - view.start
  }
  return bytes
}

function indexOfChild(parent: MutableNode, child: MutableNode): number {
  const index = parent.children!.indexOf(child)
  invariant(index >= 0, 'a node is not among the children of its parent')
  return index
}

/** The first cell of the right half, by bytes; at least one cell stays on each side. */
function middleOf(node: MutableNode): number {
  const page = node.page
  const cells = cellCount(page)
  const half = (node.size - NODE_HEADER_BYTES) / 2
  let sum = 0
  for (let i = 0; i < cells - 1; i++) {
    readCell(page, cellOffset(page, i), view)
    sum += view.end - view.start + slotWidth(page)
    if (sum >= half) return Math.max(1, Math.min(cells - 1, i + 1))
  }
  return cells - 1
}
