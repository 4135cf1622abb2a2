/**
 * One tree as the writer sees it. Invariants:
 * - Every entry's key lies in the range of its leaf: at or above the separator to its left in each ancestor, below the one
 *   to its right. Which nodes may be changed is said in changeable-nodes.ts, how large they are in rebalance.ts.
 * - Whoever is given the root sees the whole tree: late changes (late-changes.ts) are applied before.
 */
import type { Comparator, EntryPlace, Reducer, TreeOptions } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import { type Compare, comparing, reducing, referring } from '../callbacks.ts'
import { invariant, StorageError } from '../errors.ts'
import { CellView, leafCellBytes, readCell } from '../page/cell.ts'
import { cellOffset, isLeaf } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { readPointer } from '../page/pointer.ts'
import { cellHasKey, lowerBound } from '../page/search.ts'
import type { ValueReader } from '../values/values.ts'
import { ChangeableNodes, type DirtyLedger } from './changeable-nodes.ts'
import type { TreeDefinition } from './definition.ts'
import { LateChanges, type LateTarget, MOST_LATE_CHANGES } from './late-changes.ts'
import { NearLeaf } from './near-leaf.ts'
import { getValue, getValueInto, hasKey } from './point-reads.ts'
import { Rebalance } from './rebalance.ts'
import type { Root, Share } from './shares.ts'
import { Way } from './way.ts'

const view = new CellView()
/** Of the last look-up, of whichever tree. */
const way = new Way()
let lastNumber = 0

export class Tree {
  readonly definition: TreeDefinition
  readonly comparator: Comparator | undefined
  /** Undefined: bytewise. Throws INVALID_ARGUMENT for a comparator that gives no number. */
  readonly compare: Compare | undefined
  readonly reducer: Reducer | undefined
  readonly references: TreeOptions['references']
  readonly #nodes: ChangeableNodes
  readonly #rebalance: Rebalance
  readonly #ledger: DirtyLedger
  readonly #near = new NearLeaf()
  readonly #number = ++lastNumber
  #late: LateChanges | undefined
  /** Told when the late changes are applied. */
  readonly #waiting = new Set<() => void>()

  constructor(definition: TreeDefinition, options: TreeOptions, source: PageSource, ledger: DirtyLedger) {
    this.definition = definition
    this.comparator = options.comparator
    this.compare = options.comparator && comparing(options.comparator)
    this.reducer = options.reducer && reducing(options.reducer)
    this.references = options.references && referring(options.references)
    this.#nodes = new ChangeableNodes(source, ledger, this.compare, this.reducer !== undefined)
    this.#rebalance = new Rebalance(this.#nodes)
    this.#ledger = ledger
  }

  /** Throws DAMAGED where late changes cannot be applied, as all that needs the whole tree. */
  get root(): Root {
    this.settle()
    return this.#nodes.root
  }

  set root(root: Root) {
    way.forget(this.#number)
    this.#nodes.root = root
  }

  /** The root as it is now, safe from later changes until the share is given back. */
  share(): Share {
    this.settle()
    return this.#nodes.share()
  }

  /** While the tree is late: its changes, and the root that they have not all been applied to, safe from later ones. */
  shareLate(): { late: LateChanges; share: Share } {
    invariant(this.#late !== undefined, 'a tree has no late changes')
    this.#late.assertReadable()
    return { late: this.#late, share: this.#nodes.share() }
  }

  /** Takes changes to be applied later. Many are applied at once: the more there are, the less each of them costs. */
  later(): Omit<LateTarget, 'finishGroup'> {
    return {
      put: (source, offset) => this.#roomForLater().table.put(source, offset),
      delete: (source, keyStart, keyEnd) => this.#roomForLater().table.delete(source, keyStart, keyEnd),
    }
  }

  #roomForLater(): LateChanges {
    if (this.#late !== undefined && this.#late.table.count >= MOST_LATE_CHANGES) this.settle()
    this.#late ??= new LateChanges(this.compare, this.#ledger)
    return this.#late
  }

  /** Whether changes are still to be applied. */
  get isLate(): boolean {
    return this.#late !== undefined
  }

  /** Applies what is late. Throws DAMAGED, again and again: nobody may read the tree then. */
  settle(): void {
    if (this.#late !== undefined) this.settleUntil(() => false)
  }

  /** Applies late changes until `isOver` says so. True when the tree is whole. */
  settleUntil(isOver: () => boolean): boolean {
    const late = this.#late
    if (late === undefined) return true
    if (!late.apply(this, isOver)) return false
    late.table.retire()
    this.#late = undefined
    for (const tell of this.#waiting) tell()
    this.#waiting.clear()
    return true
  }

  /** Calls `tell` when late changes are applied, before anything else can change the tree. Returns what takes that back. */
  whenSettled(tell: () => void): () => void {
    this.#waiting.add(tell)
    return () => this.#waiting.delete(tell)
  }

  /** The value of a key, copied or fetched, whether the tree is whole or not. `isToChange`: the entry will be put or deleted next. */
  get(key: Uint8Array, values: ValueReader, isToChange = false): Buffer | undefined {
    const operation = this.#late?.last(key)
    if (operation !== undefined) return this.#late!.valueOf(operation, values)
    const { root, source } = this.#nodes
    if (!isToChange) return getValue(root, key, source, values, this.compare)
    const { length } = key
    const sought = way.begin(key, length)
    const value = getValue(root, sought, source, values, this.compare, true, length, way)
    way.end(this.#number)
    return value
  }

  /** As `get`, into `target`: see `StoreReader.getInto`. */
  getInto(key: Uint8Array, target: Uint8Array, values: ValueReader, isToChange = false): number {
    const operation = this.#late?.last(key)
    if (operation !== undefined) return this.#late!.valueInto(operation, values, target)
    const { root, source } = this.#nodes
    if (!isToChange) return getValueInto(root, key, source, values, this.compare, target)
    const { length } = key
    if (this.#nodes.isBehindAll(key, 0, length)) return -1
    const sought = way.begin(key, length)
    const bytes = getValueInto(root, sought, source, values, this.compare, target, true, length, way)
    way.end(this.#number)
    return bytes
  }

  /** See `StoreReader.place`. */
  place(bytes: Uint8Array, start: number, end: number, values: ValueReader, into: EntryPlace): boolean {
    const operation = this.#late?.last(bytes, start, end)
    if (operation !== undefined) return this.#late!.place(operation, values, into)
    return this.placeInRoot(bytes, start, end, values, into)
  }

  /** The same where there are no late changes, or none of this key. */
  placeInRoot(bytes: Uint8Array, start: number, end: number, values: ValueReader, into: EntryPlace): boolean {
    const { root, source } = this.#nodes
    return this.#near.place(root, bytes, start, end, source, values, this.compare, into)
  }

  has(key: Uint8Array): boolean {
    const operation = this.#late?.last(key)
    if (operation !== undefined) return this.#late!.table.isPut(operation)
    return hasKey(this.#nodes.root, key, this.#nodes.source, this.compare)
  }

  /** Gives a share back: what only it could see may be changed in place again. */
  unshare(share: Share): void {
    this.#nodes.unshare(share)
  }

  /** A checkpoint is complete: what it has written is forgotten where that is possible. */
  forgetWritten(): void {
    this.#nodes.forgetWritten()
  }

  /**
   * Makes the way to the key in bytes `start` to `end` changeable, without changing what it says, and returns the leaf;
   * undefined in an empty tree. Throws DAMAGED. The leaf may be handed to the `put` or `delete` of this key when every one of
   * its group was prepared before the first is made; whether it is still the right one is checked there.
   */
  prepare(bytes: Uint8Array, start: number, end: number): MutableNode | undefined {
    invariant(this.#late === undefined, 'a tree is changed whose late changes are not applied')
    const leaf = this.#nodes.find(
      bytes,
      start,
      end,
      way.isTo(this.#number, bytes, start, end) ? way : undefined,
    )
    if (leaf !== undefined) leaf.moved = false
    return leaf
  }

  /** Puts the cell at `offset` of `source` (a leaf's cell) in the place of its key. */
  put(source: Buffer, offset: number, prepared?: MutableNode): void {
    this.#forget()
    readCell(source, offset, view)
    const length = view.end - view.start
    const addedBytes = leafCellBytes(source, view)
    const keyStart = view.keyStart
    const keyEnd = view.keyEnd
    const leaf = this.#nodes.holdsStill(prepared) ? prepared : this.#nodes.find(source, keyStart, keyEnd)
    if (leaf === undefined) {
      const first = this.#nodes.track(MutableNode.empty(true, Math.max(512, length + 64), this.#nodes.epoch))
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
    this.#nodes.grew(leaf.memoryBytes - before)
    count(leaf, addedCount, deltaBytes)
    this.#rebalance.afterPut(leaf, index, addedCount === 1)
    this.#nodes.finish(leaf)
  }

  /**
   * Removes the entry whose key lies in `source` from `keyStart` to `keyEnd`; false when there is none. A leaf that loses
   * its last one stays until `finishGroup`.
   */
  delete(source: Buffer, keyStart: number, keyEnd: number, prepared?: MutableNode): boolean {
    this.#forget()
    const leaf = this.#nodes.holdsStill(prepared) ? prepared : this.#nodes.find(source, keyStart, keyEnd)
    if (leaf === undefined) return false
    const index = lowerBound(leaf.page, source, this.compare, keyStart, keyEnd)
    if (!cellHasKey(leaf.page, index, source, this.compare, keyStart, keyEnd)) {
      this.#nodes.finish(leaf)
      return false
    }
    readCell(leaf.page, cellOffset(leaf.page, index), view)
    const removedBytes = leafCellBytes(leaf.page, view)
    leaf.removeCell(index)
    count(leaf, -1, -removedBytes)
    this.#rebalance.afterDelete(leaf, source, keyStart, keyEnd)
    this.#nodes.finish(leaf)
    return true
  }

  /** To be called after the last change of each group, before anybody reads: removes leaves that are empty then. */
  finishGroup(): void {
    this.#forget()
    this.#nodes.source.keepLoose()
    this.#rebalance.finishGroup()
  }

  #forget(): void {
    this.#near.forget()
    way.forget(this.#number)
  }

  /** Number of levels; 0 when empty. */
  depth(): number {
    let depth = 0
    let link: Root = this.root
    while (link !== undefined) {
      depth += 1
      const node: Root = link
      const page = this.#nodes.source.pageOf(node)
      if (isLeaf(page)) return depth
      const child: MutableNode | undefined =
        node instanceof MutableNode && node.pointer === undefined ? node.children![0] : undefined
      link = child ?? readPointer(page, 0, false)
    }
    return depth
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

/** Counts in a leaf and all above it what was put in or taken out. */
function count(leaf: MutableNode, entries: number, bytes: number): void {
  let node: MutableNode | undefined = leaf
  while (node !== undefined) {
    node.count += entries
    node.bytes += bytes
    node.reduction = undefined
    node = node.parent
  }
}
