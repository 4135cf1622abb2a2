/**
 * What happened to the databases: created, updated, deleted, for `_db_updates`. What holds:
 * - Events live in a database of their own that no name reaches, DATA/events.davenport: one document for each kind
 *   and name, `created:a`, of which only the last occurrence counts, as in CouchDB. So its update sequence is
 *   the feed, known to clients over restarts, and its size is bounded by the number of names.
 * - Creations and deletions are written at once, and at start they are compared with the databases that are
 *   there: a crash between the deed and its event does not leave the feed untrue.
 * - Updates are written at most once in `UPDATE_DELAY_MS` for each database. A crash may lose the event of
 *   changes that are younger than that; the next change of the database tells of them too.
 */

import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { hasCode } from '../base/node-error.ts'
import type { OwnedDatabase } from '../database/api/database.ts'
import { scanDocument } from '../json/documents.ts'
import type { DatabaseEventType, EventBus } from './event-bus.ts'
import type { DatabaseOpener } from './registry.ts'

export interface DatabaseEventsOptions extends DatabaseOpener {
  path: string
  metrics: Pick<Metrics, 'count'>
  /** Tells the events. */
  bus: EventBus
  clock: Clock
  log: Log
}

const UPDATE_DELAY_MS = 500
/** What could not be written is tried again so much later, if nothing else is to be written before. */
const RETRY_DELAY_MS = 5000
const EMPTY = scanDocument(Buffer.from('{}'))!
/** Shown in errors alone. No other database has it. */
export const EVENTS_NAME = '_events'

export class DatabaseEvents {
  /** Its changes are the events: see `eventOf`. */
  readonly database: OwnedDatabase
  readonly #clock: Clock
  readonly #log: Log
  readonly #metrics: Pick<Metrics, 'count'>
  /** Ids of events that are not written yet, in the order of their happening. */
  readonly #pending = new Set<string>()
  /** The write that is under way. */
  #writing: Promise<void> = Promise.resolve()
  /** The one that begins after it, once somebody has asked for one. */
  #queued: Promise<void> | undefined
  readonly #unsubscribe: readonly (() => void)[]
  #cancelTimer: (() => void) | undefined

  private constructor(database: OwnedDatabase, options: DatabaseEventsOptions) {
    this.database = database
    this.#clock = options.clock
    this.#log = options.log
    this.#metrics = options.metrics
    const types = ['created', 'updated', 'deleted'] as const
    this.#unsubscribe = types.map((type) => options.bus.on(type, (name) => this.#note(type, name)))
  }

  /** `names` are the databases that are there. */
  static async open(options: DatabaseEventsOptions, names: readonly string[]): Promise<DatabaseEvents> {
    const events = new DatabaseEvents(await openOrCreate(options), options)
    events.#reconcile(names)
    await events.flush()
    return events
  }

  #note(type: DatabaseEventType, name: string): void {
    if (type === 'deleted') this.#pending.delete(`updated:${name}`)
    const id = `${type}:${name}`
    if (type !== 'updated') {
      this.#pending.delete(id)
      this.#pending.add(id)
      void this.flush()
      return
    }
    this.#pending.add(id)
    this.#cancelTimer ??= this.#clock.after(UPDATE_DELAY_MS, () => void this.flush())
  }

  /** Events that are not written yet. */
  get pending(): number {
    return this.#pending.size
  }

  /** Resolves when what was noted is in the database, or could not be written and was logged. */
  flush(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#queued ??= this.#writing.then(() => {
      this.#queued = undefined
      this.#writing = this.#write()
      return this.#writing
    })
    return this.#queued
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    await this.flush()
    this.#cancelTimer?.()
    await this.database.close()
  }

  /** Each event is an update of its own, for those of one update are ordered by id; they share a commit. */
  async #write(): Promise<void> {
    const ids = [...this.#pending]
    if (ids.length === 0) return
    this.#pending.clear()
    const { body, term } = EMPTY
    try {
      await Promise.all(
        ids.map((id) => {
          const rev = this.database.lookup(id)?.rev
          return this.database.update([{ id, deleted: false, body, term, rev }])
        }),
      )
      this.#metrics.count('global_changes.db_writes', ids.length)
    } catch (error) {
      this.#log.error('events of databases could not be written', { reason: describeError(error) })
      this.#putBack(ids)
    }
  }

  /** Before those that have happened since; they are written with the next ones, or by themselves. */
  #putBack(ids: readonly string[]): void {
    const later = [...this.#pending]
    this.#pending.clear()
    for (const id of [...ids, ...later]) {
      this.#pending.delete(id)
      this.#pending.add(id)
    }
    this.#cancelTimer ??= this.#clock.after(RETRY_DELAY_MS, () => void this.flush())
  }

  /** What the feed says last of each database against what is there. */
  #reconcile(names: readonly string[]): void {
    const alive = new Set<string>()
    const page = this.database.changes()
    for (const { id } of page.rows) {
      const { type, name } = eventOf(id)
      if (type === 'created') alive.add(name)
      if (type === 'deleted') alive.delete(name)
    }
    const there = new Set(names)
    for (const name of alive) if (!there.has(name)) this.#pending.add(`deleted:${name}`)
    for (const name of there) if (!alive.has(name)) this.#pending.add(`created:${name}`)
  }
}

/** What a document of the events' database stands for. */
export function eventOf(id: string): { type: string; name: string } {
  const colon = id.indexOf(':')
  return { type: id.slice(0, colon), name: id.slice(colon + 1) }
}

async function openOrCreate(options: DatabaseEventsOptions): Promise<OwnedDatabase> {
  try {
    return await options.openDatabase(options.path, EVENTS_NAME)
  } catch (error) {
    const isMissing = error instanceof DatabaseError && error.kind === 'noDatabase'
    if (!isMissing && !hasCode(error, 'ENOENT')) throw error
  }
  const database = await options.createDatabase(options.path, EVENTS_NAME)
  // The history of an event is of no use to anybody.
  await database.setRevsLimit(1)
  return database
}
