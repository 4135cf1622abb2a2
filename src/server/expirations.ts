/**
 * Lets documents expire, in databases that are open and in those that are not. What holds:
 * - For each database that has documents to expire the earliest time is known here, so databases need no timer of
 *   their own: one timer waits for the earliest of all, and none where nothing is to expire. It looks at the time of
 *   day every minute, since timers do not see how that is corrected, nor that the machine slept. A closed database
 *   is opened only when it has something due.
 * - The times outlive restarts as local documents of the events' database, `expiry:NAME`. A stored time is never later
 *   than the database's earliest expiry: it is durable before the write that sets that expiry is acknowledged. It may be
 *   earlier, as after a deletion of the document: the database is then opened, has nothing due, and the right time is
 *   stored.
 * - A database that is opened for any reason has what is due done before anybody uses it, up to a batch, and makes
 *   itself known if it was not (a file from elsewhere).
 * - One batch runs at a time, the database that waits longest first, so that thousands that fall due together are
 *   not opened together.
 */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { OwnedDatabase } from '../database/api/database.ts'
import { scanDocument } from '../json/documents.ts'
import type { EventBus } from './event-bus.ts'
import type { DatabaseRegistry } from './registry.ts'

export interface ExpirationsOptions {
  /** Keeps the times. Stays open until `close` has resolved. */
  index: Pick<OwnedDatabase, 'localDocs' | 'putLocal' | 'deleteLocal'>
  databases: Pick<DatabaseRegistry, 'has' | 'withDatabase'>
  /** Tells what is opened and deleted. */
  bus: EventBus
  clock: Clock
  log: Log
}

const PREFIX = 'expiry:'
/** Documents that expire in one transaction. */
const BATCH = 256
/** For how long nothing is tried again, at most, when a batch failed. */
const REST_MS = 60_000
/** Between two looks at the time of day. */
const LOOK_MS = 60_000

export class Expirations {
  readonly #options: ExpirationsOptions
  /** When each database has something to do, milliseconds since the epoch. */
  readonly #due = new Map<string, number>()
  /** What the index says. */
  readonly #stored = new Map<string, number>()
  /** Databases in which a batch failed. */
  readonly #resting = new Set<string>()
  #cancelRest: (() => void) | undefined
  #storing: Promise<void> = Promise.resolve()
  #timer: { atMs: number; cancel: () => void } | undefined
  #running: Promise<void> | undefined
  #closed = false

  constructor(options: ExpirationsOptions) {
    this.#options = options
    for (const { id, body } of options.index.localDocs({ startKey: PREFIX })) {
      if (!id.startsWith(PREFIX)) break
      const name = id.slice(PREFIX.length)
      const { dueMs } = JSON.parse(body.toString()) as { dueMs: number }
      this.#stored.set(name, dueMs)
      if (options.databases.has(name)) this.#due.set(name, dueMs)
      else void this.#store(name)
    }
    // For as long as the bus lives: databases that are open when this closes still have writes that expire.
    options.bus.onOpening((name, database) => this.#opened(name, database))
    options.bus.on('deleted', (name) => this.#forget(name))
    this.#arm()
  }

  /** Before anybody uses the database. Never rejects. */
  async #opened(name: string, database: OwnedDatabase): Promise<void> {
    database.onExpirySet((expiresAtMs) => this.#note(name, expiresAtMs))
    await this.#guarded(name, () => this.#expire(name, database))
  }

  #forget(name: string): void {
    this.#due.delete(name)
    this.#resting.delete(name)
    void this.#store(name)
  }

  /** Resolves when nothing runs any more. Writes may still tell of their times. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#cancelRest?.()
    await this.#running
    await this.#storing
  }

  /** Undefined when there is nothing to wait for. Never rejects. */
  #note(name: string, dueMs: number): Promise<void> | undefined {
    if (dueMs < (this.#due.get(name) ?? Number.POSITIVE_INFINITY)) {
      this.#due.set(name, dueMs)
      this.#arm()
    }
    const stored = this.#stored.get(name)
    return stored === undefined || stored > dueMs ? this.#store(name) : undefined
  }

  /** Makes the index say what is known of a database when its turn comes. Never rejects. */
  #store(name: string): Promise<void> {
    this.#storing = this.#storing.then(async () => {
      const dueMs = this.#due.get(name)
      if (dueMs === this.#stored.get(name)) return
      const { index, log } = this.#options
      try {
        if (dueMs === undefined) {
          await index.deleteLocal(PREFIX + name, undefined)
          this.#stored.delete(name)
        } else {
          await index.putLocal(
            PREFIX + name,
            scanDocument(Buffer.from(`{"dueMs":${dueMs}}`))!.body,
            undefined,
          )
          this.#stored.set(name, dueMs)
        }
      } catch (error) {
        log.error('the time of an expiry was not stored', { database: name, reason: describeError(error) })
      }
    })
    return this.#storing
  }

  /** The database that has waited longest, of those that are not at rest. */
  #first(): [name: string, dueMs: number] | undefined {
    let first: [string, number] | undefined
    for (const entry of this.#due) {
      if (this.#resting.has(entry[0])) continue
      if (first === undefined || entry[1] < first[1]) first = entry
    }
    return first
  }

  #arm(): void {
    if (this.#closed || this.#running !== undefined) return
    const first = this.#first()
    if (this.#timer !== undefined && this.#timer.atMs === first?.[1]) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (first === undefined) return
    const atMs = first[1]
    const leftMs = atMs - this.#options.clock.now()
    const look = (): void => {
      this.#timer = undefined
      if (atMs > this.#options.clock.now()) this.#arm()
      else this.#start()
    }
    const cancel = this.#options.clock.after(Math.min(LOOK_MS, Math.max(0, leftMs)), look)
    this.#timer = { atMs, cancel }
  }

  #start(): void {
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#arm()
    })
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const first = this.#first()
      if (first === undefined || first[1] > this.#options.clock.now()) return
      const [name] = first
      await this.#guarded(name, () =>
        this.#options.databases.withDatabase(name, (database) => this.#expire(name, database)),
      )
    }
  }

  /** One batch; then when there is more to do. */
  async #expire(name: string, database: OwnedDatabase): Promise<void> {
    const nowMs = this.#options.clock.now()
    const dueMs = database.nextExpiry()
    if (dueMs !== undefined && dueMs <= nowMs) await database.expire(nowMs, BATCH)
    const next = database.nextExpiry()
    if (next === undefined) this.#due.delete(name)
    else this.#due.set(name, next)
    // While it has more to do, what the index says is early enough.
    if (next === undefined || next > nowMs || !this.#stored.has(name)) void this.#store(name)
    this.#arm()
  }

  async #guarded(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.#resting.delete(name)
    } catch (error) {
      const isGone = error instanceof DatabaseError && error.kind === 'noDatabase'
      if (isGone) return this.#forget(name)
      const { log } = this.#options
      log.error('documents could not expire', { database: name, reason: describeError(error) })
      if (this.#due.has(name)) this.#rest(name)
    }
  }

  #rest(name: string): void {
    this.#resting.add(name)
    if (this.#closed) return
    this.#cancelRest ??= this.#options.clock.after(REST_MS, () => {
      this.#cancelRest = undefined
      this.#resting.clear()
      this.#arm()
    })
  }
}
