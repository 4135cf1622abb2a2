/**
 * The nodes of one tree that may be changed in place, and the way to them. Invariants:
 * - A node may be changed in place when it is not in the file and no share that is still held (a snapshot, the
 *   running checkpoint) was taken after it was made: `epoch > shares.newestEpoch`. Then the same holds of all its
 *   ancestors, and `parent` leads to them.
 * - A node that anybody else may be reading is copied before it is changed.
 */
import type { PageSource } from '../cache/page-source.ts'
import type { Compare } from '../callbacks.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { type NodePointer, readPointer } from '../page/pointer.ts'
import { childIndex, orderOfCell } from '../page/search.ts'
import { type Root, type Share, Shares } from './shares.ts'
import type { Way } from './way.ts'

/** Counts the memory of nodes that the file does not hold. */
export interface DirtyLedger {
  add(bytes: number): void
}

export class ChangeableNodes {
  root: Root
  readonly compare: Compare | undefined
  readonly hasReducer: boolean
  readonly source: PageSource
  readonly #shares = new Shares()
  readonly #ledger: DirtyLedger
  /** What new nodes are marked with; above that of every share that is held when a change is made. */
  #epoch = 1
  /** The last leaf, when it may be changed in place and appending needs no look at its ancestors. */
  #lastLeaf: MutableNode | undefined

  constructor(source: PageSource, ledger: DirtyLedger, compare: Compare | undefined, hasReducer: boolean) {
    this.source = source
    this.#ledger = ledger
    this.compare = compare
    this.hasReducer = hasReducer
  }

  /** What new nodes are marked with. */
  get epoch(): number {
    return this.#epoch
  }

  /** The root as it is now, safe from later changes until the share is given back. */
  share(): Share {
    this.setLastLeaf(undefined)
    this.#shares.add(this.#epoch)
    return { root: this.root, epoch: this.#epoch }
  }

  /** Gives a share back: what only it could see may be changed in place again. */
  unshare(share: Share): void {
    this.#shares.remove(share.epoch)
  }

  /**
   * The leaf whose range holds the key in `bytes` from `keyStart` to `keyEnd`, it and its ancestors changeable; undefined
   * in an empty tree. `way` is the way to it.
   */
  find(bytes: Uint8Array, keyStart: number, keyEnd: number, way?: Way): MutableNode | undefined {
    if (this.isBehindAll(bytes, keyStart, keyEnd)) return this.#lastLeaf
    this.#beforeChange()
    const root = this.#mutableRoot()
    return root === undefined ? undefined : this.#descend(root, bytes, keyStart, keyEnd, way)
  }

  /** Whether the last leaf is known, and the key in `bytes` from `keyStart` to `keyEnd` lies behind its last one. */
  isBehindAll(bytes: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const last = this.#lastLeaf
    return (
      last !== undefined &&
      last.cells > 0 &&
      orderOfCell(last.page, last.cells - 1, bytes, this.compare, keyStart, keyEnd) < 0
    )
  }

  /** Whether a leaf that `find` gave earlier in this group is still the place of the key that it was found for. */
  holdsStill(leaf: MutableNode | undefined): leaf is MutableNode {
    if (leaf === undefined || leaf.moved || !this.#isChangeable(leaf)) return false
    // A copy of an ancestor, made for a share that has been given back since, cuts the way to the root.
    let node = leaf
    while (node.parent !== undefined) node = node.parent
    return node === this.root
  }

  /**
   * To be called after the change of a leaf. A leaf knows its parent from its descent to its change: kept longer, it would
   * keep old parents alive.
   */
  finish(leaf: MutableNode): void {
    if (leaf !== this.#lastLeaf) leaf.parent = undefined
  }

  /** Sets the leaf that appending goes on with; undefined when a descent has to find it again. */
  setLastLeaf(leaf: MutableNode | undefined): void {
    const before = this.#lastLeaf
    this.#lastLeaf = leaf
    if (before !== undefined && before !== leaf) before.parent = undefined
  }

  get lastLeaf(): MutableNode | undefined {
    return this.#lastLeaf
  }

  #beforeChange(): void {
    if (this.#epoch <= this.#shares.newestEpoch) this.#epoch = this.#shares.newestEpoch + 1
  }

  /** Counts the memory of a new node. */
  track(node: MutableNode): MutableNode {
    this.#ledger.add(node.memoryBytes)
    return node
  }

  /** Counts memory that nodes take more than before, or less. */
  grew(bytes: number): void {
    this.#ledger.add(bytes)
  }

  /** Nodes that may be changed in place forget those below them that lie in the file. To be called when many have come to. */
  forgetWritten(): void {
    if (this.root instanceof MutableNode) this.#forgetBelow(this.root)
  }

  #forgetBelow(node: MutableNode): void {
    if (node.leaf || !this.#isChangeable(node)) return
    for (const child of node.children!) if (child !== undefined) this.#forgetBelow(child)
    const before = node.memoryBytes
    node.forgetWritten()
    this.grew(node.memoryBytes - before)
  }

  #isChangeable(node: MutableNode): boolean {
    return node.pointer === undefined && node.epoch > this.#shares.newestEpoch
  }

  /** A node that may be changed in the place of `link`. */
  #mutable(link: MutableNode | NodePointer): MutableNode {
    if (link instanceof MutableNode && link.pointer === undefined) {
      if (this.#isChangeable(link)) return link
      return this.track(link.clone(this.#epoch))
    }
    const pointer = link instanceof MutableNode ? link.pointer! : link
    return this.track(this.source.changeable(pointer, this.#epoch))
  }

  #mutableRoot(): MutableNode | undefined {
    if (this.root === undefined) return undefined
    const node = this.#mutable(this.root)
    node.parent = undefined
    this.root = node
    return node
  }

  /** Child `index` of a changeable node, made changeable. */
  mutableChild(parent: MutableNode, index: number): MutableNode {
    const present = parent.children![index]
    if (present !== undefined && this.#isChangeable(present)) {
      present.parent = parent
      return present
    }
    const node = this.#mutable(present ?? readPointer(parent.page, index, false))
    parent.children![index] = node
    node.parent = parent
    return node
  }

  /** Walks down to the leaf for a key, making every node on the way changeable. */
  #descend(
    root: MutableNode,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    way: Way | undefined,
  ): MutableNode {
    let node = root
    let isLast = true
    for (let level = 0; !node.leaf; level++) {
      const index =
        way === undefined ? childIndex(node.page, bytes, this.compare, keyStart, keyEnd) : way.child(level)
      isLast = isLast && index === node.cells - 1
      node = this.mutableChild(node, index)
    }
    if (isLast) this.setLastLeaf(node)
    return node
  }
}
