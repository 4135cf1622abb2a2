/**
 * Keeps a tree's nodes of a good size: splits those that are too large, joins those that are small, removes empty ones.
 * Invariants:
 * - Two neighbouring leaves under one parent never fit together in one (so leaves are at least half full on
 *   average), except where the tail of a split by appending has not filled yet.
 * - No leaf is without entries, except between a change and the end of its group.
 */
import { invariant, StorageError } from '../errors.ts'
import { NODE_HEADER_BYTES } from '../format.ts'
import { CellView, readCell } from '../page/cell.ts'
import { cellCount, cellKey, cellOffset, slotWidth } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { type NodePointer, readPointer } from '../page/pointer.ts'
import type { ChangeableNodes } from './changeable-nodes.ts'

/** A node larger than this is split. */
export const LEAF_BYTES = 3072
export const INNER_BYTES = 8192
/** Two nodes are joined when together they take at most this share of a full one. */
const JOIN_SHARE = 0.9

const EMPTY = Buffer.alloc(0)
const view = new CellView()

export class Rebalance {
  readonly #nodes: ChangeableNodes
  /** Leaves without entries, each with a key of its range. */
  readonly #emptied = new Map<MutableNode, Buffer>()

  constructor(nodes: ChangeableNodes) {
    this.#nodes = nodes
  }

  /** To be called when cell `index` of `leaf` was put in, or got another payload. */
  afterPut(leaf: MutableNode, index: number, isNew: boolean): void {
    if (leaf.size > LEAF_BYTES) this.#splitUp(leaf, index)
    else if (!isNew && leaf.size < LEAF_BYTES / 2) this.#joinUp(leaf)
  }

  /** To be called when the entry of `key` was taken out of `leaf`. An empty leaf stays until `finishGroup`. */
  afterDelete(leaf: MutableNode, source: Buffer, keyStart: number, keyEnd: number): void {
    if (leaf.cells === 0) this.#emptied.set(leaf, Buffer.from(source.subarray(keyStart, keyEnd)))
    else if (leaf.size < LEAF_BYTES / 2) this.#joinUp(leaf)
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
      const found = this.#nodes.find(key, 0, key.length)
      invariant(found === leaf, 'an empty leaf is not in its place')
      this.#removeEmpty(leaf)
      leaf.parent = undefined
    }
    this.#emptied.clear()
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
      const right = this.#nodes.track(node.splitOff(cut, this.#nodes.compare === undefined))
      this.#nodes.grew(node.memoryBytes - before)
      const parent = node.parent
      if (parent === undefined) {
        const root = MutableNode.empty(false, 1024, this.#nodes.epoch)
        root.insertChild(0, EMPTY, node)
        root.insertChild(1, separator, right)
        root.count = node.count + right.count
        root.bytes = node.bytes + right.bytes
        this.#nodes.root = this.#nodes.track(root)
        this.#afterSplit(node, right)
        return
      }
      const index = indexOfChild(parent, node)
      const parentBefore = parent.memoryBytes
      parent.insertChild(index + 1, separator, right)
      this.#nodes.grew(parent.memoryBytes - parentBefore)
      this.#afterSplit(node, right)
      node = parent
      at = index + 1
    }
  }

  #afterSplit(left: MutableNode, right: MutableNode): void {
    if (!left.leaf) return
    left.moved = true
    right.moved = true
    if (left === this.#nodes.lastLeaf) this.#nodes.setLastLeaf(right)
    else right.parent = undefined
  }

  /** The lower bound of what `splitOff(cut)` moves away. */
  #separator(node: MutableNode, cut: number): Buffer {
    const right = cellKey(node.page, cut)
    if (!node.leaf || this.#nodes.compare !== undefined) return Buffer.from(right)
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
      const page = isWhole
        ? undefined
        : this.#nodes.source.pageOf(child ?? readPointer(parent.page, index, false))
      // What lies in the file as a patch is larger than that.
      if (page !== undefined && contentBytes(page) > mostBytes) return undefined
      return this.#nodes.mutableChild(parent, index)
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
    this.#nodes.setLastLeaf(undefined)
    if (left.leaf) left.parent = undefined
    parent.removeChild(index + 1)
    this.#nodes.grew(left.memoryBytes + parent.memoryBytes - before - right.memoryBytes)
  }

  /** Unlinks a leaf that lost its last entry, and every ancestor that this leaves without children. */
  #removeEmpty(leaf: MutableNode): void {
    leaf.moved = true
    for (let node = leaf; ; ) {
      this.#nodes.grew(-node.memoryBytes)
      const parent = node.parent
      if (parent === undefined) {
        this.#nodes.root = undefined
        this.#nodes.setLastLeaf(undefined)
        return
      }
      parent.removeChild(indexOfChild(parent, node))
      if (parent.cells > 0) {
        this.#nodes.setLastLeaf(undefined)
        this.#joinUp(parent)
        return
      }
      node = parent
    }
  }

  /** A root with one child gives way to it. */
  #collapseRoot(): void {
    let root = this.#nodes.root
    while (root instanceof MutableNode && root.pointer === undefined && !root.leaf && root.cells === 1) {
      const child: MutableNode | NodePointer =
        root.children![0] ?? readPointer(root.page, 0, this.#nodes.hasReducer)
      this.#nodes.grew(-root.memoryBytes)
      this.#nodes.root = child
      if (child instanceof MutableNode) child.parent = undefined
      root = child instanceof MutableNode ? child : undefined
    }
  }
}

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
