/**
 * The open store as a compaction sees it. `end` may be called at any time: a turn that is lent is given back, unless
 * the swap has begun, which then is waited for.
 */
import { nodeFileSystem, removeNewFile, type Store, type Turn } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { CompactionSource } from '../api/compaction.ts'

export class StoreCompactionSource implements CompactionSource {
  readonly path: string
  readonly uuid: string
  readonly salt: bigint
  readonly #store: Store
  #turn: Turn | undefined
  #swapping: Promise<void> | undefined
  #ended = false

  constructor(store: Store) {
    this.#store = store
    this.path = store.path
    this.uuid = store.uuid
    this.salt = store.salt
  }

  #open(): Store {
    if (this.#ended) throw new DatabaseError('databaseClosed')
    return this.#store
  }

  async exportSnapshot() {
    return this.#open().exportSnapshot()
  }

  async durableEnd(): Promise<number> {
    return this.#open().durableEnd
  }

  slowDown(delayMs: number): void {
    this.#store.slowDown(delayMs)
  }

  async turn(): Promise<number> {
    const turn = await this.#open().turn()
    if (this.#ended) {
      turn.giveBack()
      throw new DatabaseError('databaseClosed')
    }
    this.#turn = turn
    return turn.end
  }

  giveBack(): void {
    this.#turn?.giveBack()
    this.#turn = undefined
  }

  async swap(path: string): Promise<void> {
    this.#open()
    if (this.#turn === undefined) throw new DatabaseError('databaseClosed')
    this.#swapping = this.#turn.replaceWith(path)
    await this.#swapping
  }

  /** Removes what a compaction left that ended without doing so itself. After `end`. */
  async discard(): Promise<void> {
    // One that cannot be removed is when the database is opened, or compacted.
    await removeNewFile(nodeFileSystem, this.path).catch(() => undefined)
  }

  /** Nothing more is asked of the store; the writer goes on. */
  async end(): Promise<void> {
    this.#ended = true
    this.slowDown(0)
    await this.#swapping?.catch(() => undefined)
    this.giveBack()
  }
}
