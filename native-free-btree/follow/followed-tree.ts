/**
 * A tree as of some point of the log, and what the log did to it since, in a table. Operations are numbered from the tree's
 * beginning here. Invariants:
 * - The tree holds the operations below `#moved`, the table those from `#base` on, and `#base` <= `#moved`: what both hold
 *   they say alike.
 * - Operations are moved into the tree only as far as somebody wants to see it whole, and not beyond what a snapshot wants
 *   that has no root of its own yet (stand.ts sees to that).
 * - A move that failed half-way leaves a tree that nobody may read.
 */
import type { EntryPlace } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import type { ReplayTree } from '../log/replay.ts'
import { ChangeTable } from '../tree/change-table.ts'
import type { DirtyLedger } from '../tree/changeable-nodes.ts'
import {
  getValue,
  getValueInto,
  hasKey,
  placeCell,
  valueOfCell,
  valueOfCellInto,
} from '../tree/point-reads.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'

export class FollowedTree implements ReplayTree {
  readonly tree: Tree
  /** Rises with each operation. */
  version = 0
  readonly #source: PageSource
  readonly #values: ValueReader
  readonly #table: ChangeTable
  /** Without the order of its keys nobody can read the tree, and what is done to it need not be kept. */
  readonly isReadable: boolean
  #base = 0
  #moved = 0
  #broken: unknown

  constructor(tree: Tree, source: PageSource, values: ValueReader, ledger: DirtyLedger) {
    this.tree = tree
    this.#source = source
    this.#values = values
    this.#table = new ChangeTable(tree.compare, ledger)
    this.isReadable = tree.definition.comparatorName === (tree.comparator?.name ?? '')
  }

  get name(): string {
    return this.tree.definition.name
  }

  /** Number of the next operation. */
  get end(): number {
    return this.#base + this.#table.count
  }

  /** The operations below it are in the tree. */
  get moved(): number {
    return this.#moved
  }

  /** How many operations are not in the tree yet; none of a tree that nobody may read. */
  get behind(): number {
    return this.isReadable && this.#broken === undefined ? this.end - this.#moved : 0
  }

  put(source: Buffer, offset: number): void {
    this.version += 1
    if (this.isReadable) this.#table.put(source, offset)
  }

  delete(source: Buffer, keyStart: number, keyEnd: number): void {
    this.version += 1
    if (this.isReadable) this.#table.delete(source, keyStart, keyEnd)
  }

  /** Throws COMPARATOR_MISMATCH, and what a move has failed with. */
  assertReadable(): void {
    this.tree.assertReadable()
    if (this.#broken !== undefined) throw this.#broken
  }

  get(key: Uint8Array): Buffer | undefined {
    const operation = this.#table.last(key)
    if (operation !== undefined) return this.#valueOf(operation)
    return getValue(this.tree.root, key, this.#source, this.#values, this.tree.compare)
  }

  getInto(key: Uint8Array, target: Uint8Array): number {
    const table = this.#table
    const operation = table.last(key)
    if (operation === undefined) {
      const { root, compare } = this.tree
      return getValueInto(root, key, this.#source, this.#values, compare, target)
    }
    if (!table.isPut(operation)) return -1
    return valueOfCellInto(table.bytesOf(operation), table.cellOffset(operation), this.#values, target)
  }

  /** See `StoreReader.place`. */
  place(bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean {
    const table = this.#table
    const operation = table.last(bytes, start, end)
    if (operation === undefined) return this.tree.placeInRoot(bytes, start, end, this.#values, into)
    if (!table.isPut(operation)) return false
    placeCell(table.bytesOf(operation), table.cellOffset(operation), this.#values, into)
    return true
  }

  has(key: Uint8Array): boolean {
    const operation = this.#table.last(key)
    if (operation !== undefined) return this.#table.isPut(operation)
    return hasKey(this.tree.root, key, this.#source, this.tree.compare)
  }

  /** Whether `get` and `has` of a key answer as they did when the operation `end` was the next. */
  isAsBefore(end: number, key: Uint8Array): boolean {
    const operation = this.#table.last(key)
    return operation === undefined || this.#base + operation < end
  }

  #valueOf(operation: number): Buffer | undefined {
    const table = this.#table
    if (!table.isPut(operation)) return undefined
    return valueOfCell(table.bytesOf(operation), table.cellOffset(operation), this.#values)
  }

  /** Gives the memory of the table back, when nobody reads the tree any more. */
  release(): void {
    this.#table.clear()
  }

  /** Moves the operations below `end` into the tree. */
  moveTo(end: number): void {
    this.assertReadable()
    if (end <= this.#moved) return
    try {
      this.#move(this.#moved - this.#base, end - this.#base)
    } catch (error) {
      this.#broken = error
      throw error
    }
    this.#moved = end
    if (end !== this.end) return
    this.#table.clear()
    this.#base = end
  }

  /** In the order of keys: neighbours share their way to the leaf. */
  #move(from: number, to: number): void {
    const table = this.#table
    for (const operation of table.lastInOrder(from, to)) {
      const bytes = table.bytesOf(operation)
      if (table.isPut(operation)) this.tree.put(bytes, table.cellOffset(operation))
      else this.tree.delete(bytes, table.keyStart(operation), table.keyEnd(operation))
    }
    this.tree.finishGroup()
  }
}
