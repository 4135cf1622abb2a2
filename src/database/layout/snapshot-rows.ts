/**
 * Rows read from a snapshot, one at a time. The snapshot is closed exactly once: when the rows are exhausted,
 * when a row cannot be read, or on `return()`. This is a class and not a generator because a generator that
 * was never started does not run its `finally` on `return()`, and would keep the snapshot for ever.
 */
import type { Snapshot } from '../../../native-free-btree/index.ts'
import { databaseErrorOf } from '../errors/layer-errors.ts'

export class SnapshotRows<Row> implements IterableIterator<Row> {
  readonly #snapshot: Snapshot
  readonly #take: () => Row | undefined
  #open = true

  /** `take` gives the next row, or undefined at the end. */
  constructor(snapshot: Snapshot, take: () => Row | undefined) {
    this.#snapshot = snapshot
    this.#take = take
  }

  protected get isOpen(): boolean {
    return this.#open
  }

  protected close(): void {
    if (this.#open) this.#snapshot.close()
    this.#open = false
  }

  next(): IteratorResult<Row> {
    if (!this.#open) return { done: true, value: undefined }
    try {
      const row = this.#take()
      if (row !== undefined) return { done: false, value: row }
    } catch (error) {
      this.close()
      throw databaseErrorOf(error)
    }
    this.close()
    return { done: true, value: undefined }
  }

  return(): IteratorResult<Row> {
    this.close()
    return { done: true, value: undefined }
  }

  throw(error: unknown): IteratorResult<Row> {
    this.close()
    throw error
  }

  [Symbol.iterator](): this {
    return this
  }
}
