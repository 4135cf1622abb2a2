import type { Snapshot, Store, StoreReader, Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { Metrics } from '../../base/metrics.ts'
import { awaiting, databaseErrorOf, reading } from '../errors/layer-errors.ts'

/** What reads need of a store: a writer's, or one that follows a writer in another thread. */
export type ReadableStore = Pick<
  StoreReader,
  'salt' | 'get' | 'place' | 'snapshot' | 'values' | 'fileBytes' | 'backup' | 'close'
> & {
  /** False: what is read may be behind what was acknowledged. A store with a writer, which never is, has none. */
  readonly isFresh?: boolean
  /** False: who writes it has closed it. */
  readonly isFollowing?: boolean
}

/** A database's store, on which nothing new begins once it is closing. What it throws is of the table of errors. */
export class OpenStore<S extends ReadableStore = ReadableStore> {
  readonly #store: S
  #closing = false

  constructor(store: S) {
    this.#store = store
  }

  /** For one use: it is not to be kept. Throws databaseClosed. */
  get(): S {
    if (this.#closing) throw new DatabaseError('databaseClosed')
    return this.#store
  }

  /** For what began before it was closing, as `get`. */
  underWay(): S {
    return this.#store
  }

  /** Whether a read now sees every write that was acknowledged before. */
  get isFresh(): boolean {
    return this.#store.isFresh !== false
  }

  /** Whether something new may begin on it, here and where it is written. */
  get isOpen(): boolean {
    return !this.#closing && this.#store.isFollowing !== false
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

  /** From now on nothing begins. */
  beginClosing(): void {
    this.#closing = true
  }

  /** `timeoutMs` is how long to wait for rows that are still being read. */
  close(timeoutMs: number): Promise<void> {
    return awaiting(this.#store.close(timeoutMs))
  }
}

/** The same of a store with a writer. */
export class WritableStore extends OpenStore<Store> {
  readonly #metrics: Metrics
  /** Number of the last commit that was counted. */
  #counted: number

  constructor(store: Store, metrics: Metrics) {
    super(store)
    this.#metrics = metrics
    this.#counted = store.commit
  }

  /** `onDurable` as the engine's. */
  transact<T>(build: (tx: Transaction) => T, sizeHint?: number, onDurable?: (result: T) => void): Promise<T> {
    try {
      const store = this.get()
      return store.transact(build, { sizeHint, onDurable }).then((result) => {
        this.#countCommits(store.commit)
        return result
      }, rethrown)
    } catch (error) {
      return Promise.reject(databaseErrorOf(error))
    }
  }

  /** How many commits there were that nobody has counted. */
  #countCommits(commit: number): void {
    if (commit <= this.#counted) return
    this.#metrics.count('couchdb.commits', commit - this.#counted)
    this.#counted = commit
  }
}

function rethrown(error: unknown): never {
  throw databaseErrorOf(error)
}
