/**
 * The databases that are open now. What holds:
 * - At most `maxOpen` are opening, open or closing at any time: each may hold two file descriptors.
 * - A database is used only under a lease. One with leases is never closed to make room; of those without,
 *   the one that was used longest ago goes first. An idle database costs no timer.
 * - Those that `isExempt` says are beside that number, and stay open, as CouchDB's system databases do: who holds a lease may have to
 *   look into them before he can give it back.
 * - A name is opened once, however many ask at the same time, and never while it is still being closed.
 */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { type Linked, LinkedMembers } from '../base/linked-members.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Database } from '../database/api/database.ts'

/** The right to use a database until `release`. Hold it for as long as an iterator or a listener lives. */
export interface Lease<Held extends Database = Database> {
  readonly database: Held
  /** Aborted when the database is deleted or the server stops: what holds a lease for long should end then. */
  readonly signal: AbortSignal
  /** Calls after the first do nothing. */
  release(): void
}

export interface OpenDatabasesOptions<Held extends Database> {
  maxOpen: number
  /** Default none. Asked when a database is opened. */
  isExempt?: ((name: string) => boolean) | undefined
  /** Opens a database. What it throws goes to all who asked for it. */
  open(name: string): Promise<Held>
  clock: Clock
  log: Log
  /** How long a request waits for room when all open databases are in use. Default 5000. */
  waitMs?: number | undefined
  /** Runs when somebody waits for room and every database has a lease: their holders may have some to give back. */
  onFull?: (() => void) | undefined
}

interface Entry<Held extends Database> extends Linked<Entry<Held>> {
  readonly name: string
  readonly isExempt: boolean
  readonly abort: AbortController
  opened: Promise<Held>
  /** Once it is open. */
  database: Held | undefined
  /** Set once the database is to be closed; resolves when it is. Never rejects. */
  closing: Promise<void> | undefined
  leases: number
  /** Runs when the last lease of a closing entry is released. */
  drained: (() => void) | undefined
}

class HeldLease<Held extends Database> implements Lease<Held> {
  readonly database: Held
  readonly #entry: Entry<Held>
  readonly #onRelease: (entry: Entry<Held>) => void
  #held = true

  constructor(entry: Entry<Held>, database: Held, onRelease: (entry: Entry<Held>) => void) {
    this.#entry = entry
    this.database = database
    this.#onRelease = onRelease
  }

  get signal(): AbortSignal {
    return this.#entry.abort.signal
  }

  release(): void {
    if (this.#held) this.#onRelease(this.#entry)
    this.#held = false
  }
}

export class OpenDatabases<Held extends Database> {
  readonly #options: OpenDatabasesOptions<Held>
  readonly #entries = new Map<string, Entry<Held>>()
  /** Open, without a lease, the least recently used first. */
  readonly #idle = new LinkedMembers<Entry<Held>>()
  /** Those who wait for room, in order. */
  readonly #waiting: { grant: () => void; refuse: (error: DatabaseError) => void }[] = []
  readonly #onRelease = (entry: Entry<Held>): void => this.#release(entry)
  #occupied = 0
  /** Those beside them. */
  #exempt = 0
  /** Idle ones being closed to make room: each serves one of those who wait. */
  #evicting = 0
  #stopped = false

  constructor(options: OpenDatabasesOptions<Held>) {
    this.#options = options
  }

  /** Databases that are opening, open or closing. */
  get size(): number {
    return this.#occupied + this.#exempt
  }

  /** The lease of a database that is open; undefined for any other, which `acquire` opens or refuses. */
  acquireOpen(name: string): Lease<Held> | undefined {
    const entry = this.#entries.get(name)
    if (this.#stopped || entry?.database === undefined || entry.closing !== undefined) return undefined
    entry.leases++
    this.#idle.delete(entry)
    return new HeldLease(entry, entry.database, this.#onRelease)
  }

  /** Opens the database where needed. Throws all_dbs_active when no room comes free in time. */
  async acquire(name: string): Promise<Lease<Held>> {
    for (;;) {
      if (this.#stopped) throw new DatabaseError('shuttingDown')
      const entry = this.#entries.get(name) ?? this.#openNew(name)
      if (entry.closing === undefined) {
        entry.leases++
        this.#idle.delete(entry)
        try {
          return new HeldLease(entry, await entry.opened, this.#onRelease)
        } catch (error) {
          this.#release(entry)
          throw error
        }
      }
      await entry.closing
    }
  }

  /**
   * Closes one database: aborts its leases' signals with `reason`, gives them `graceMs` to be released, then
   * closes it whether they were or not. Resolves when it is closed.
   */
  async retire(name: string, reason: DatabaseError, graceMs: number): Promise<void> {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    this.#idle.delete(entry)
    entry.closing ??= this.#drainAndClose(entry, reason, graceMs)
    await entry.closing
  }

  /** The same, if it is `database` that is open under the name. */
  async retireIf(name: string, database: Held, reason: DatabaseError, graceMs: number): Promise<void> {
    if (this.#entries.get(name)?.database === database) await this.retire(name, reason, graceMs)
  }

  /** Refuses new leases and retires every database. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    const reason = new DatabaseError('shuttingDown')
    for (const waiter of this.#waiting.splice(0)) waiter.refuse(reason)
    await Promise.all([...this.#entries.keys()].map((name) => this.retire(name, reason, graceMs)))
  }

  #openNew(name: string): Entry<Held> {
    const isExempt = this.#options.isExempt?.(name) === true
    const entry: Entry<Held> = {
      name,
      isExempt,
      abort: new AbortController(),
      opened: this.#open(name, isExempt),
      database: undefined,
      closing: undefined,
      leases: 0,
      drained: undefined,
      isListed: false,
      previous: undefined,
      next: undefined,
    }
    entry.opened.then(
      (database) => {
        entry.database = database
      },
      () => this.#entries.delete(name),
    )
    this.#entries.set(name, entry)
    return entry
  }

  async #open(name: string, isExempt: boolean): Promise<Held> {
    if (isExempt) this.#exempt += 1
    else await this.#takeRoom()
    try {
      return await this.#options.open(name)
    } catch (error) {
      this.#giveBack(isExempt)
      throw error
    }
  }

  /** A database that was counted is closed, or was never opened. */
  #giveBack(isExempt: boolean): void {
    if (isExempt) this.#exempt -= 1
    else this.#freeRoom()
  }

  #release(entry: Entry<Held>): void {
    entry.leases--
    if (entry.leases > 0) return
    entry.drained?.()
    if (entry.closing !== undefined || this.#entries.get(entry.name) !== entry) return
    if (entry.isExempt) return
    this.#idle.add(entry)
    this.#evictForWaiting()
  }

  async #drainAndClose(entry: Entry<Held>, reason: DatabaseError, graceMs: number): Promise<void> {
    let database: Held
    try {
      database = await entry.opened
    } catch {
      return
    }
    entry.abort.abort(reason)
    if (entry.leases > 0) await this.#drain(entry, graceMs)
    await this.#close(entry, database)
    this.#giveBack(entry.isExempt)
  }

  #drain(entry: Entry<Held>, graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(graceMs, resolve, true)
      entry.drained = () => {
        cancel()
        resolve()
      }
    })
  }

  async #close(entry: Entry<Held>, database: Held): Promise<void> {
    try {
      await database.close()
    } catch (error) {
      this.#options.log.warning('closing a database failed', {
        database: entry.name,
        reason: describeError(error),
      })
    }
    this.#entries.delete(entry.name)
  }

  async #takeRoom(): Promise<void> {
    if (this.#occupied < this.#options.maxOpen) {
      this.#occupied++
      return
    }
    await new Promise<void>((resolve, reject) => {
      const waiter = {
        grant: () => {
          cancel()
          resolve()
        },
        refuse: (error: DatabaseError) => {
          cancel()
          reject(error)
        },
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(new DatabaseError('allDatabasesActive'))
      }
      const cancel = this.#options.clock.after(this.#options.waitMs ?? 5000, leave, true)
      this.#waiting.push(waiter)
      this.#evictForWaiting()
    })
  }

  #freeRoom(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#occupied--
    else next.grant()
  }

  #evictForWaiting(): void {
    while (this.#waiting.length > this.#evicting) {
      const victim = this.#idle.first
      if (victim === undefined) {
        this.#options.onFull?.()
        return
      }
      this.#evicting++
      this.#beginEviction(victim)
    }
  }

  #beginEviction(victim: Entry<Held>): void {
    this.#idle.delete(victim)
    victim.closing = this.#evict(victim)
  }

  /** Closes all that nobody uses. */
  closeIdle(): void {
    for (const entry of this.#idle.list()) {
      this.#evicting++
      this.#beginEviction(entry)
    }
  }

  async #evict(entry: Entry<Held>): Promise<void> {
    await this.#close(entry, await entry.opened)
    this.#evicting--
    this.#freeRoom()
  }
}
