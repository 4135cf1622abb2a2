/** What a compaction asks of the open store, in this thread or from another one. */
import type { SnapshotHandle, Store, Turn } from '../api.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { StorageError } from '../errors.ts'
import { removeNewFile } from './new-file.ts'

/** The open store, from wherever the compaction runs. */
export interface CompactionSource {
  readonly path: string
  readonly uuid: string
  readonly salt: bigint
  exportSnapshot(): Promise<SnapshotHandle>
  durableEnd(): Promise<number>
  slowDown(delayMs: number): void
  /** Resolves when the writer's turn has come, with the end of the file; the writer waits until `swap` or `giveBack`. */
  turn(): Promise<number>
  giveBack(): void
  swap(path: string): Promise<void>
}

/** Thrown by `pace`: the compaction is to end. With `keep` its file stays, to be gone on from. */
export class CompactionCancelled extends Error {
  readonly keep: boolean

  constructor(keep: boolean) {
    super('the compaction was cancelled')
    this.keep = keep
  }
}

/**
 * An open store as its compaction sees it. `end` may be called at any time: a turn that is lent is given back, unless the
 * swap has begun, which then is waited for. What is asked after it is refused with CLOSED.
 */
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
    if (this.#ended) throw new StorageError('CLOSED', 'the compaction was ended')
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
      throw new StorageError('CLOSED', 'the compaction was ended')
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
    if (this.#turn === undefined) throw new StorageError('CLOSED', 'the compaction was ended')
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
