/**
 * The indexes of all databases as one thread reads them: followers of their files, opened when they are first asked for. What
 * holds:
 * - An index that is as new as it must be is read without another thread.
 * - A follower is closed when its index was closed by whoever writes it, and, of those that nobody reads, the one that was
 *   read longest ago beyond a number.
 */
import {
  type Follower,
  openFollower,
  type PageCache,
  type SharedProgress,
} from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Database } from '../database/api/database.ts'
import { awaiting, databaseErrorOf } from '../database/errors/layer-errors.ts'
import { ScriptError } from '../scripting/script-error.ts'
import type { Freshness, IndexDefinition, Indexes, IndexInfo, IndexSnapshot } from './api.ts'
import { indexSnapshotOf, KnownState } from './index-reader.ts'
import { treeOptionsOf } from './index-trees.ts'
import type { IndexOf, IndexService } from './service.ts'

/** An index may be closed, or made anew, between its opening and its first use, but not again and again. */
const MOST_ATTEMPTS = 10

export interface LocalIndexesOptions {
  readonly service: IndexService
  /** Of the thread. */
  readonly cache?: PageCache | undefined
  readonly clock: Clock
  readonly mostOpen: number
}

interface Followed {
  readonly key: string
  readonly follower: Follower
  readonly state: KnownState
  readers: number
  /** Closed when nobody reads it any more. */
  isRetired: boolean
}

function keyOf({ uuid, definition }: IndexOf): string {
  return `${uuid} ${definition.signature}`
}

export class LocalIndexes implements Indexes {
  readonly #options: LocalIndexesOptions
  /** The least recently used first. */
  readonly #followed = new Map<string, Followed>()
  /** The last of them, as far as it is known. */
  #newest: Followed | undefined
  #found: { definition: IndexDefinition; uuid: string; followed: Followed } | undefined
  readonly #opening = new Map<string, Promise<void>>()

  constructor(options: LocalIndexesOptions) {
    this.#options = options
  }

  /** Indexes that are followed. */
  get size(): number {
    return this.#followed.size
  }

  openNow(database: Database, definition: IndexDefinition, freshness: Freshness): IndexSnapshot | undefined {
    const index: IndexOf = { database: database.name, uuid: database.uuid, definition }
    const followed = this.#find(index)
    if (followed === undefined || !followed.follower.isFresh) return undefined
    const wantedSeq = freshness === 'current' ? database.updateSeqNumber : 0
    let snapshot: IndexSnapshot
    try {
      snapshot = this.#snapshotOf(index, followed)
    } catch {
      // `open` meets it again, and knows what to do about it.
      return undefined
    }
    if (!isOfHistory(database, snapshot) || snapshot.updateSeq < wantedSeq) {
      snapshot.close()
      return undefined
    }
    this.#buildIfLazy(index, database, snapshot, freshness)
    return snapshot
  }

  /** Most often what was found before. */
  #find(index: IndexOf): Followed | undefined {
    const last = this.#found
    if (last?.definition === index.definition && last.uuid === index.uuid && !last.followed.isRetired) {
      return last.followed
    }
    const followed = this.#followed.get(keyOf(index))
    const { definition, uuid } = index
    this.#found = followed && { definition, uuid, followed }
    return followed
  }

  async open(
    database: Database,
    definition: IndexDefinition,
    { freshness, signal }: { freshness: Freshness; signal: AbortSignal },
  ): Promise<IndexSnapshot> {
    const { service } = this.#options
    const index: IndexOf = { database: database.name, uuid: database.uuid, definition }
    const wantedSeq = freshness === 'current' ? database.updateSeqNumber : 0
    // What is built anew has no rows before it is built.
    let isLost = false
    for (let attempt = 1; ; attempt++) {
      const onDamage = (error: unknown): undefined => {
        if (!isDamage(error) || attempt === MOST_ATTEMPTS) throw error
        isLost = true
      }
      signal.throwIfAborted()
      const snapshot = await this.#snapshot(index).catch(onDamage)
      // What is of another history than the database's is wrong, not old.
      const isWrong = snapshot !== undefined && !isOfHistory(database, snapshot)
      if (snapshot !== undefined && !isWrong && snapshot.updateSeq >= wantedSeq) {
        this.#buildIfLazy(index, database, snapshot, freshness)
        return snapshot
      }
      snapshot?.close()
      // It was built as far as that, but not by the thread that is followed: that one has ended, and closed nothing.
      if (snapshot !== undefined && attempt > 1) this.#retireOf(index)
      if (attempt === MOST_ATTEMPTS) {
        throw new DatabaseError('serviceUnavailable', 'The index changes all the time.')
      }
      isLost ||= isWrong
      const untilSeq = freshness === 'current' || isLost ? wantedSeq : undefined
      const prepared = await service.prepare(index, untilSeq, { signal }).catch((error: unknown) => {
        signal.throwIfAborted()
        throw error
      })
      if ('failure' in prepared) throw new ScriptError(prepared.failure)
      await this.#follow(index, prepared.progress).catch(onDamage)
    }
  }

  /** Undefined where the index is not followed, or was closed. */
  async #snapshot(index: IndexOf): Promise<IndexSnapshot | undefined> {
    const followed = this.#followed.get(keyOf(index))
    if (followed === undefined) return undefined
    followed.readers += 1
    try {
      if (!followed.follower.isFresh) await followed.follower.catchUp()
      return this.#snapshotOf(index, followed)
    } catch (error) {
      this.#retire(followed)
      const told = databaseErrorOf(error)
      if (isDamage(told)) this.#damaged(index, followed)
      if (!isGone(told)) throw told
      return undefined
    } finally {
      this.#release(followed)
    }
  }

  /** Of what the follower has taken in. Throws as it does, and what storage throws. */
  #snapshotOf(index: IndexOf, followed: Followed): IndexSnapshot {
    const snapshot = followed.follower.snapshot()
    followed.readers += 1
    try {
      this.#used(followed)
      return indexSnapshotOf(
        snapshot,
        followed.state,
        index.definition,
        () => this.#damaged(index, followed),
        () => this.#release(followed),
      )
    } catch (error) {
      snapshot.close()
      this.#release(followed)
      throw error
    }
  }

  #buildIfLazy(index: IndexOf, database: Database, { updateSeq }: IndexSnapshot, freshness: Freshness): void {
    if (freshness === 'lazy' && updateSeq < database.updateSeqNumber) this.#options.service.buildLater(index)
  }

  /** Where the index is not followed: by one opening, however many ask. */
  async #follow(index: IndexOf, progress: SharedProgress): Promise<void> {
    const key = keyOf(index)
    if (this.#followed.has(key)) return
    const opening =
      this.#opening.get(key) ??
      this.#openFollower(key, index, progress).finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    await opening
  }

  async #openFollower(key: string, index: IndexOf, progress: SharedProgress): Promise<void> {
    const { cache, clock } = this.#options
    const options = { trees: treeOptionsOf(index.definition), clock, ...(cache && { cache }) }
    try {
      const follower = await awaiting(openFollower(progress, options))
      const state = new KnownState()
      this.#followed.set(key, { key, follower, state, readers: 0, isRetired: false })
      this.#newest = undefined
      this.#closeIdle()
    } catch (error) {
      if (isDamage(error)) this.#options.service.damaged(index)
      // It was closed, or replaced, since: whoever asks again is told of another one.
      if (!isGone(error)) throw error
    }
  }

  #used(followed: Followed): void {
    if (followed === this.#newest || this.#followed.get(followed.key) !== followed) return
    this.#followed.delete(followed.key)
    this.#followed.set(followed.key, followed)
    this.#newest = followed
  }

  #closeIdle(): void {
    for (const followed of this.#followed.values()) {
      if (this.#followed.size <= this.#options.mostOpen) return
      if (followed.readers === 0) this.#retire(followed)
    }
  }

  #retire(followed: Followed): void {
    if (this.#followed.get(followed.key) === followed) this.#followed.delete(followed.key)
    if (followed.isRetired) return
    followed.isRetired = true
    if (followed.readers === 0) void followed.follower.close().catch(() => undefined)
  }

  #retireOf(index: IndexOf): void {
    const followed = this.#followed.get(keyOf(index))
    if (followed !== undefined) this.#retire(followed)
  }

  #release(followed: Followed): void {
    followed.readers -= 1
    if (followed.readers > 0) return
    if (followed.isRetired) void followed.follower.close().catch(() => undefined)
    else if (this.#followed.size > this.#options.mostOpen) this.#closeIdle()
  }

  #damaged(index: IndexOf, followed: Followed): void {
    this.#retire(followed)
    this.#options.service.damaged(index)
  }

  info(database: Database, definition: IndexDefinition): Promise<IndexInfo> {
    return this.#options.service.info({ database: database.name, uuid: database.uuid, definition })
  }

  compact(database: Database, definition: IndexDefinition): Promise<void> {
    return this.#options.service.compact({ database: database.name, uuid: database.uuid, definition })
  }

  cleanUp(database: Database, signatures: readonly string[]): Promise<void> {
    return this.#options.service.cleanUp(database.name, database.uuid, signatures)
  }

  /** Closes the followers of databases that are gone. */
  forget(uuid: string): void {
    for (const followed of [...this.#followed.values()]) {
      if (followed.key.startsWith(`${uuid} `)) this.#retire(followed)
    }
  }

  async close(): Promise<void> {
    const all = [...this.#followed.values()]
    this.#followed.clear()
    for (const followed of all) followed.isRetired = true
    await Promise.all(all.map(({ follower }) => follower.close().catch(() => undefined)))
  }
}

function isOfHistory(database: Database, { updateSeq, sequence }: IndexSnapshot): boolean {
  return updateSeq === 0 || database.isOfHistory(sequence)
}

function isDamage(error: unknown): boolean {
  return error instanceof DatabaseError && error.kind === 'storageDamaged'
}

function isGone(error: unknown): boolean {
  return error instanceof DatabaseError && (error.kind === 'databaseClosed' || error.kind === 'noDatabase')
}
