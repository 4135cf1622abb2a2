import type { Snapshot, Store, Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import { awaiting, reading } from '../errors/layer-errors.ts'

/** A database's store, on which nothing new begins once it is closing. What it throws is of the table of errors. */
export class OpenStore {
  readonly #store: Store
  #closing = false

  constructor(store: Store) {
    this.#store = store
  }

  /** For one use: it is not to be kept. Throws databaseClosed. */
  get(): Store {
    if (this.#closing) throw new DatabaseError('databaseClosed')
    return this.#store
  }

  withSnapshot<T>(read: (snapshot: Snapshot) => T): T {
    return reading(() => {
      const snapshot = this.get().snapshot()
      try {
        return read(snapshot)
      } finally {
        snapshot.close()
      }
    })
  }

  /** Hands a snapshot over to the rows that `open` makes. */
  page<T>(open: (snapshot: Snapshot) => T): T {
    return reading(() => {
      const snapshot = this.get().snapshot()
      try {
        return open(snapshot)
      } catch (error) {
        snapshot.close()
        throw error
      }
    })
  }

  async transact<T>(build: (tx: Transaction) => T, sizeHint?: number): Promise<T> {
    return awaiting(this.get().transact(build, { sizeHint }))
  }

  /** From now on nothing begins. */
  beginClosing(): void {
    this.#closing = true
  }

  /** `timeoutMs` is how long to wait for rows that are still being read. */
  close(timeoutMs: number): Promise<void> {
    return awaiting(this.#store.close(timeoutMs))
  }
}
