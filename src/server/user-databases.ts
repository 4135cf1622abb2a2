/**
 * A database for each user, CouchDB's `couch_peruser`: made when the user's document comes, and when the user goes either
 * deleted or closed to him. What holds:
 * - Every user whose document was there when `_users` was looked through has his database: changes are followed from where
 *   they were followed to, which is kept in a local document of `_users`, and what is done twice does no harm.
 * - One user is seen to at a time. What fails is tried again later, and holds up nobody but those behind it.
 */
import { DEFAULT_SECURITY_TEXT } from '../auth/security.ts'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { ChangeRow, Database } from '../database/api/database.ts'
import { canonicalize } from '../json/documents.ts'
import { USER_PREFIX, USERS_DATABASE } from '../users/user-document.ts'
import { checkDatabaseName } from './database-name.ts'
import type { EventBus } from './event-bus.ts'
import type { DatabaseRegistry } from './registry.ts'

const CHECKPOINT = 'couch_peruser'
const BATCH = 100
const REST_MS = 60_000

export interface UserDatabasesOptions {
  settings: SettingsRegistry
  databases: Pick<DatabaseRegistry, 'has' | 'create' | 'delete' | 'lease'>
  bus: Pick<EventBus, 'on'>
  clock: Pick<Clock, 'after'>
  log: Log
}

interface Group {
  names?: string[]
}

export class UserDatabases {
  readonly #options: UserDatabasesOptions
  readonly #settings: {
    readonly isEnabled: boolean
    readonly deletes: boolean
    readonly shards: number
    readonly prefix: string
  }
  readonly #unsubscribe: readonly (() => void)[]
  #running: Promise<void> | undefined
  /** Something came while one was running. */
  #isAsked = false
  #cancelRest: (() => void) | undefined
  #isClosed = false

  constructor(options: UserDatabasesOptions) {
    this.#options = options
    const { settings, bus } = options
    this.#settings = settings.view({
      isEnabled: 'perUserEnabled',
      deletes: 'perUserDeletes',
      shards: 'perUserShards',
      prefix: 'perUserPrefix',
    })
    this.#unsubscribe = [
      bus.on('updated', (name) => {
        if (name === USERS_DATABASE) this.#wake()
      }),
      settings.subscribe('perUserEnabled', () => this.#wake()),
    ]
    this.#wake()
  }

  /** Resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#cancelRest?.()
    await this.#running
  }

  #wake(): void {
    if (!this.#settings.isEnabled || this.#isClosed || this.#cancelRest !== undefined) return
    this.#isAsked = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      // Something may have come since it was last looked whether something had.
      if (this.#isAsked) this.#wake()
    })
  }

  async #run(): Promise<void> {
    while (this.#isAsked && !this.#isClosed) {
      this.#isAsked = false
      try {
        while ((await this.#batch()) && !this.#isClosed);
      } catch (error) {
        const { log, clock } = this.#options
        log.error('databases of users could not be made', { reason: describeError(error) })
        this.#cancelRest = clock.after(REST_MS, () => {
          this.#cancelRest = undefined
          this.#wake()
        })
        return
      }
    }
  }

  /** Whether there may be more. */
  async #batch(): Promise<boolean> {
    const { databases } = this.#options
    if (!databases.has(USERS_DATABASE)) return false
    const lease = await databases.lease(USERS_DATABASE)
    try {
      const users = lease.database
      const page = pageBehind(users, checkpointOf(users))
      const rows = [...page.rows]
      for (const row of rows) {
        if (this.#isClosed) return false
        if (row.id.startsWith(USER_PREFIX)) await this.#see(row)
      }
      if (rows.length === 0) return false
      const text = JSON.stringify({ since: rows.at(-1)!.seq })
      await users.putLocal(CHECKPOINT, Buffer.from(text), undefined)
      return rows.length === BATCH
    } finally {
      lease.release()
    }
  }

  async #see({ id, deleted }: ChangeRow): Promise<void> {
    const { databases, log } = this.#options
    const user = id.slice(USER_PREFIX.length)
    const name = `${this.#settings.prefix}${Buffer.from(user).toString('hex')}`
    try {
      checkDatabaseName(name)
    } catch (error) {
      log.warning('a user has no database', { user, reason: describeError(error) })
      return
    }
    if (deleted && this.#settings.deletes) {
      if (databases.has(name)) await databases.delete(name).catch(unless('noDatabase'))
      return
    }
    if (!databases.has(name)) {
      if (deleted) return
      await databases.create(name, { shards: this.#settings.shards }).catch(unless('databaseExists'))
    }
    await this.#setSecurity(name, user, deleted)
  }

  /** The user's name is, or is no more, among the administrators and the members; all else stays. */
  async #setSecurity(name: string, user: string, isGone: boolean): Promise<void> {
    const lease = await this.#options.databases.lease(name)
    try {
      const { database } = lease
      const stored = database.security()?.toString() ?? DEFAULT_SECURITY_TEXT
      const security = JSON.parse(stored) as { members?: Group; admins?: Group }
      const { members, admins, ...others } = security
      const changed = {
        members: withName(members, user, isGone),
        admins: withName(admins, user, isGone),
        ...others,
      }
      const text = JSON.stringify(changed)
      if (text !== stored) await database.setSecurity(canonicalize(Buffer.from(text)))
    } finally {
      lease.release()
    }
  }
}

/** From the beginning where there is no such place. */
function pageBehind(users: Database, since: string | number) {
  try {
    return users.changes({ since, limit: BATCH })
  } catch (error) {
    if (since === 0 || !(error instanceof DatabaseError) || error.status >= 500) throw error
    return users.changes({ since: 0, limit: BATCH })
  }
}

function checkpointOf(users: Database): string | number {
  const local = users.getLocal(CHECKPOINT)
  if (local === undefined) return 0
  const { since } = JSON.parse(local.body.toString()) as { since?: unknown }
  return typeof since === 'string' ? since : 0
}

function withName(group: Group = {}, user: string, isGone: boolean): Group {
  const names = (group.names ?? []).filter((name) => name !== user)
  return { ...group, names: isGone ? names : [...names, user] }
}

/** For what somebody else has done meanwhile. */
function unless(kind: DatabaseError['kind']): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof DatabaseError) || error.kind !== kind) throw error
  }
}
