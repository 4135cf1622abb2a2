/**
 * The `_replicator` databases, followed by their changes: a page of each in turn, from its beginning on. Each document is
 * told of as it is, and again when it was written.
 */
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { giveWay } from '../base/time-slice.ts'
import type { ChangeRow, Database } from '../database/api/database.ts'
import type { EventBus } from '../server/event-bus.ts'
import type { DatabaseRegistry } from '../server/registry.ts'
import { isGone } from './document-state.ts'
import { isReplicatorDatabase } from './documents/replicator-document.ts'

export interface FollowingOptions {
  databases: Pick<DatabaseRegistry, 'lease' | 'list'>
  bus: Pick<EventBus, 'on'>
  clock: Clock
  log: Log
  metrics: Pick<Metrics, 'count'>
}

/** A database that is followed, with what its follower keeps of each document. */
export interface FollowedDatabase<Kept> {
  readonly name: string
  readonly kept: Map<string, Kept>
  since: string | number
  /** Deleted: nothing more is told of it. One that was made anew with its name is another. */
  isGone: boolean
}

/** Who is told. */
export interface Follower<Kept> {
  see(followed: FollowedDatabase<Kept>, database: Database, row: ChangeRow): Promise<void>
  forget(followed: FollowedDatabase<Kept>): void
}

const PAGE = 100
/** Before a database that could not be read is looked at again. */
const REST_MS = 5000

export class FollowedDatabases<Kept> {
  readonly #options: FollowingOptions
  readonly #follower: Follower<Kept>
  readonly #followed = new Map<string, FollowedDatabase<Kept>>()
  /** Those in which something may have changed, in the order of their turns. */
  readonly #changed = new Set<FollowedDatabase<Kept>>()
  #unsubscribe: readonly (() => void)[] = []
  #running: Promise<void> | undefined
  readonly #cancelRests = new Set<() => void>()
  #isClosed = false

  constructor(options: FollowingOptions, follower: Follower<Kept>) {
    this.#options = options
    this.#follower = follower
  }

  /** Looks at what is there, and at what comes. */
  begin(): void {
    if (this.#isClosed || this.#unsubscribe.length > 0) return
    const { bus, databases, metrics } = this.#options
    this.#unsubscribe = [
      bus.on('updated', (name) => {
        if (isReplicatorDatabase(name)) this.#follow(name)
      }),
      bus.on('deleted', (name) => {
        if (isReplicatorDatabase(name)) this.#forget(name)
      }),
    ]
    metrics.count('couch_replicator.db_scans')
    for (const name of databases.list()) {
      if (!isReplicatorDatabase(name)) continue
      metrics.count('couch_replicator.docs.dbs_found')
      this.#follow(name)
    }
  }

  /** Resolves when nothing is looked at any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const cancel of this.#cancelRests) cancel()
    await this.#running
  }

  get(name: string): FollowedDatabase<Kept> | undefined {
    return this.#followed.get(name)
  }

  [Symbol.iterator](): Iterator<FollowedDatabase<Kept>> {
    return this.#followed.values()
  }

  #follow(name: string): void {
    let followed = this.#followed.get(name)
    if (followed === undefined) {
      followed = { name, kept: new Map(), since: 0, isGone: false }
      this.#followed.set(name, followed)
    }
    this.#changed.add(followed)
    this.#wake()
  }

  #forget(name: string): void {
    const followed = this.#followed.get(name)
    if (followed === undefined) return
    this.#options.metrics.count('couch_replicator.docs.dbs_deleted')
    followed.isGone = true
    this.#followed.delete(name)
    this.#changed.delete(followed)
    this.#follower.forget(followed)
  }

  #wake(): void {
    if (this.#isClosed) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (this.#changed.size > 0) this.#wake()
    })
  }

  /** A page of each in turn. */
  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const [followed] = this.#changed
      if (followed === undefined) return
      this.#changed.delete(followed)
      try {
        if (await this.#page(followed)) this.#changed.add(followed)
      } catch (error) {
        if (!isGone(error)) this.#rest(followed, error)
      }
    }
  }

  #rest(followed: FollowedDatabase<Kept>, error: unknown): void {
    const { log, clock } = this.#options
    log.error('replications could not be read', { database: followed.name, reason: describeError(error) })
    const cancel = clock.after(REST_MS, () => {
      this.#cancelRests.delete(cancel)
      if (followed.isGone) return
      this.#changed.add(followed)
      this.#wake()
    })
    this.#cancelRests.add(cancel)
  }

  /** Whether there may be more. */
  async #page(followed: FollowedDatabase<Kept>): Promise<boolean> {
    const lease = await this.#options.databases.lease(followed.name)
    try {
      const page = lease.database.changes({ since: followed.since, limit: PAGE })
      let count = 0
      for (const row of page.rows) {
        if (this.#isClosed || followed.isGone) return false
        await this.#follower.see(followed, lease.database, row)
        followed.since = row.seq
        count += 1
        await giveWay()
      }
      return count === PAGE
    } finally {
      lease.release()
    }
  }
}
