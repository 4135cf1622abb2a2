/**
 * What the log did to a tree since its root was written, kept beside the tree until there is time to apply it: opening a
 * store after a crash costs the reading of the log, not the walk to a leaf for each change. Invariants:
 * - The root and the table together are the tree: of a key that the table has, the table's last operation counts,
 *   whether the root shows it yet or not.
 * - Nothing but these operations changes the tree before all of them are applied.
 * - An application that failed half-way leaves a tree that nobody may read.
 */
import type { EntryPlace } from '../api.ts'
import type { Compare } from '../callbacks.ts'
import type { ValueReader } from '../values/values.ts'
import { ChangeTable } from './change-table.ts'
import type { DirtyLedger } from './changeable-nodes.ts'
import { placeCell, valueOfCell, valueOfCellInto } from './point-reads.ts'

/** So many operations cost less than a tenth of a second to sort. */
export const MOST_LATE_CHANGES = 65_536
/** Operations that are applied before somebody looks whether the time is over. */
const STEP = 16

/** The tree, as the operations are applied to it. */
export interface LateTarget {
  put(source: Buffer, offset: number): void
  delete(source: Buffer, keyStart: number, keyEnd: number): unknown
  finishGroup(): void
}

export class LateChanges {
  readonly table: ChangeTable
  /** The last operation of each key, in the order of keys; made when nothing is added any more. */
  #ordered: readonly number[] | undefined
  #applied = 0
  #broken: unknown

  constructor(compare: Compare | undefined, ledger: DirtyLedger) {
    this.table = new ChangeTable(compare, ledger)
  }

  get ordered(): readonly number[] {
    this.#ordered ??= this.table.lastInOrder(0, this.table.count)
    return this.#ordered
  }

  /** Throws what an application has failed with. */
  assertReadable(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  /** Number of the last operation on the key in `key` from `start` to `end`; undefined where the root says what becomes of it. */
  last(key: Uint8Array, start = 0, end = key.length): number | undefined {
    this.assertReadable()
    return this.table.last(key, start, end)
  }

  /** The value that an operation gives its key; undefined of a deletion. */
  valueOf(operation: number, values: ValueReader): Buffer | undefined {
    const { table } = this
    if (!table.isPut(operation)) return undefined
    return valueOfCell(table.bytesOf(operation), table.cellOffset(operation), values)
  }

  /** As `valueOf`, into `target`: see `StoreReader.getInto`. */
  valueInto(operation: number, values: ValueReader, target: Uint8Array): number {
    const { table } = this
    if (!table.isPut(operation)) return -1
    return valueOfCellInto(table.bytesOf(operation), table.cellOffset(operation), values, target)
  }

  /** Says where the entry lies that an operation made; false of a deletion. */
  place(operation: number, values: ValueReader, into: EntryPlace): boolean {
    const { table } = this
    if (!table.isPut(operation)) return false
    placeCell(table.bytesOf(operation), table.cellOffset(operation), values, into)
    return true
  }

  /** Applies operations until `isOver` says so. True when all are applied. Throws DAMAGED and what a comparator throws. */
  apply(target: LateTarget, isOver: () => boolean): boolean {
    this.assertReadable()
    try {
      const { table, ordered } = this
      while (this.#applied < ordered.length) {
        const end = Math.min(this.#applied + STEP, ordered.length)
        for (; this.#applied < end; this.#applied++) {
          const operation = ordered[this.#applied]!
          const bytes = table.bytesOf(operation)
          if (table.isPut(operation)) target.put(bytes, table.cellOffset(operation))
          else target.delete(bytes, table.keyStart(operation), table.keyEnd(operation))
        }
        if (isOver()) break
      }
      target.finishGroup()
      return this.#applied === ordered.length
    } catch (error) {
      this.#broken = error
      throw error
    }
  }
}
