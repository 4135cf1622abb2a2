/**
 * A store that is written as it is, and read by its followers, each read by one of them: whoever holds it against a model
 * holds them against it. Followers of a writer that has another file, or is far ahead, are caught up after the writes, as
 * their users do it; the others take in what they have to when they are read.
 */

import type { Stand } from '../../native-free-btree/follow/stand.ts'
import type {
  Backup,
  CheckReport,
  EntryPlace,
  Follower,
  RecoveryReport,
  Reference,
  SharedProgress,
  Snapshot,
  SnapshotHandle,
  Store,
  StoreStats,
  Transaction,
  TransactOptions,
  Turn,
  ValueSource,
} from '../../native-free-btree/index.ts'
import { StorageError } from '../../native-free-btree/index.ts'
import type { Random } from './random.ts'
import './poisoned-pages.ts'

function standOf(follower: Follower): Stand {
  return (follower as unknown as { current: { stand: Stand } }).current.stand
}

export class FollowedStore implements Store {
  readonly path: string
  readonly uuid: string
  readonly recovery: RecoveryReport
  readonly store: Store
  readonly followers: readonly Follower[]
  readonly #random: Random

  constructor(store: Store, followers: readonly Follower[], random: Random) {
    this.path = store.path
    this.uuid = store.uuid
    this.recovery = store.recovery
    this.store = store
    this.followers = followers
    this.#random = random
  }

  get #reader(): Follower {
    return this.#random.pick(this.followers)
  }

  async #written<T>(write: Promise<T>): Promise<T> {
    const result = await write
    // Turns of the event loop are when a newer checkpoint is built on.
    if (this.#random.bool(0.3)) await new Promise((resolve) => setImmediate(resolve))
    for (const follower of this.followers) {
      if (!follower.isFresh && (follower.salt !== this.store.salt || this.#random.bool()))
        await follower.catchUp()
      // As `settle` does where there is much.
      if (this.#random.bool(0.3)) standOf(follower).moveSome(1 + this.#random.int(30))
    }
    return result
  }

  get salt(): bigint {
    return this.#reader.salt
  }

  get commit(): number {
    const { commit } = this.#reader
    if (commit !== this.store.commit)
      throw new Error(`a follower at commit ${commit}, not ${this.store.commit}`)
    return commit
  }

  get values(): ValueSource {
    return this.#reader.values
  }

  get durableEnd(): number {
    return this.store.durableEnd
  }

  get fileBytes(): number {
    return this.#reader.fileBytes
  }

  get(tree: string, key: Uint8Array): Buffer | undefined {
    return this.#reader.get(tree, key)
  }

  getInto(tree: string, key: Uint8Array, target: Uint8Array): number {
    return this.#reader.getInto(tree, key, target)
  }

  place(tree: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean {
    return this.#reader.place(tree, bytes, start, end, into)
  }

  has(tree: string, key: Uint8Array): boolean {
    return this.#reader.has(tree, key)
  }

  snapshot(): Snapshot {
    const snapshot = this.#reader.snapshot()
    if (snapshot.commit !== this.store.commit) throw new Error(`a snapshot of commit ${snapshot.commit}`)
    return snapshot
  }

  read(reference: Reference): Buffer {
    return this.#reader.read(reference)
  }

  lengthOf(reference: Reference): number {
    return this.#reader.lengthOf(reference)
  }

  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void> {
    return this.#reader.readStream(reference, start, end)
  }

  backup(): Backup {
    return this.#reader.backup()
  }

  stats(): StoreStats {
    return this.#reader.stats()
  }

  appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference> {
    return this.#written(this.store.appendStream(source))
  }

  transact<T>(build: (tx: Transaction) => T, options?: TransactOptions): Promise<T> {
    return this.#written(this.store.transact(build, options))
  }

  checkpoint(): Promise<void> {
    return this.#written(this.store.checkpoint())
  }

  exportSnapshot(): Promise<SnapshotHandle> {
    return this.#written(this.store.exportSnapshot())
  }

  turn(): Promise<Turn> {
    return this.store.turn()
  }

  slowDown(): void {}

  check(onProgress?: (done: number, total: number) => void): Promise<CheckReport> {
    return this.store.check(onProgress)
  }

  settled(): Promise<void> {
    return this.store.settled()
  }

  refresh(): Promise<void> {
    return this.store.refresh()
  }

  shareProgress(): SharedProgress {
    return this.store.shareProgress()
  }

  /** The writer first, or its followers. */
  async close(timeoutMs?: number): Promise<void> {
    if (this.#random.bool()) {
      await this.store.close(timeoutMs)
      for (const follower of this.followers) {
        await expectClosed(async () => follower.catchUp())
        await expectClosed(async () => follower.get('plain', Buffer.alloc(0)))
        if (follower.isFresh) throw new Error('a follower of a closed store is fresh')
      }
    }
    for (const follower of this.followers) await follower.close(timeoutMs)
    await this.store.close(timeoutMs)
  }
}

async function expectClosed(run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (error instanceof StorageError && error.code === 'CLOSED') return
    throw error
  }
  throw new Error('a follower goes on although its store was closed')
}
