/**
 * A walk over a tree whose late changes are not applied: the entries of the root, in their order, with the operations of
 * the table put in where they belong. Both stay as they are while it walks.
 */
import type { Cursor, CursorOptions, EntryPlace } from '../api.ts'
import { assertOutside } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import { CellView, readCell } from '../page/cell.ts'
import { referenceLength } from '../page/reference.ts'
import type { ValueReader } from '../values/values.ts'
import type { TreeCursor } from './cursor.ts'
import type { LateChanges } from './late-changes.ts'
import { placeCell } from './point-reads.ts'

const view = new CellView()

export class LateCursor implements Cursor {
  readonly #base: TreeCursor
  readonly #late: LateChanges
  readonly #values: ValueReader
  readonly #isOpen: () => boolean
  readonly #step: 1 | -1
  /** Number in `late.ordered` of the next operation, and where they end. */
  #at: number
  readonly #end: number
  /** Of the entry that the base stands on; undefined behind its last. */
  #baseKey: Buffer | undefined
  #state: 'before' | 'base' | 'late' | 'over' = 'before'

  /** `base` walks the same range in the same direction, and has not begun. */
  constructor(
    base: TreeCursor,
    late: LateChanges,
    values: ValueReader,
    options: CursorOptions,
    isOpen: () => boolean,
  ) {
    this.#base = base
    this.#late = late
    this.#values = values
    this.#isOpen = isOpen
    const { start, startInclusive = true, end, endInclusive = false } = options
    const first = start === undefined ? 0 : this.#bound(start, !startInclusive)
    const last = end === undefined ? late.ordered.length : this.#bound(end, endInclusive)
    const isReverse = options.reverse === true
    this.#step = isReverse ? -1 : 1
    this.#at = isReverse ? last - 1 : first
    this.#end = isReverse ? first - 1 : Math.max(first, last)
    if (isReverse && last < first) this.#at = this.#end
  }

  /** The first operation whose key is not below `key`, or, with `above`, is above it. */
  #bound(key: Uint8Array, above: boolean): number {
    const { ordered, table } = this.#late
    let low = 0
    let high = ordered.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = table.orderTo(ordered[middle]!, key)
      if (order < 0 || (above && order === 0)) low = middle + 1
      else high = middle
    }
    return low
  }

  next(): boolean {
    this.#assertOpen()
    if (this.#state === 'over') return false
    if (this.#state === 'late') this.#at += this.#step
    else this.#nextOfBase()
    for (;;) {
      const isOfLate = this.#at !== this.#end && this.#isLateFirst()
      if (!isOfLate) {
        this.#state = this.#baseKey === undefined ? 'over' : 'base'
        return this.#baseKey !== undefined
      }
      if (this.#late.table.isPut(this.#operation)) {
        this.#state = 'late'
        return true
      }
      this.#at += this.#step
    }
  }

  nextPlace(into: EntryPlace): boolean {
    if (!this.next()) return false
    this.place(into)
    return true
  }

  get #operation(): number {
    return this.#late.ordered[this.#at]!
  }

  #nextOfBase(): void {
    this.#baseKey = this.#base.next() ? this.#base.key() : undefined
  }

  /** Whether the next operation comes before the entry of the base; one on the same key takes its place. */
  #isLateFirst(): boolean {
    if (this.#baseKey === undefined) return true
    const order = this.#late.table.orderTo(this.#operation, this.#baseKey) * this.#step
    if (order === 0) this.#nextOfBase()
    return order <= 0
  }

  key(): Buffer {
    if (this.#stand() === 'base') return this.#base.key()
    return Buffer.from(this.#late.table.keyOf(this.#operation))
  }

  value(): Buffer {
    if (this.#stand() === 'base') return this.#base.value()
    return this.#late.valueOf(this.#operation, this.#values)!
  }

  place(into: EntryPlace): void {
    if (this.#stand() === 'base') {
      this.#base.place(into)
      return
    }
    const { table } = this.#late
    placeCell(table.bytesOf(this.#operation), table.cellOffset(this.#operation), this.#values, into)
  }

  valueLength(): number {
    if (this.#stand() === 'base') return this.#base.valueLength()
    const { table } = this.#late
    const bytes = table.bytesOf(this.#operation)
    readCell(bytes, table.cellOffset(this.#operation), view)
    return view.isReference ? referenceLength(bytes, view.payloadStart) : view.end - view.payloadStart
  }

  #stand(): 'base' | 'late' {
    this.#assertOpen()
    const state = this.#state
    if (state === 'base' || state === 'late') return state
    throw new StorageError('INVALID_ARGUMENT', 'the cursor does not stand on an entry')
  }

  #assertOpen(): void {
    assertOutside()
    if (!this.#isOpen()) throw new StorageError('CLOSED', 'the snapshot of this cursor was closed')
  }
}
