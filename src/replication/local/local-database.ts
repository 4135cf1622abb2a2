/**
 * A database of this server as one side of a replication. What holds:
 * - It is used as the job's owner may: whoever is no member, or sees his channels alone, reads and writes nothing, and this is looked at again at every step. The
 *   databases of the server's own are for its administrators.
 * - It is leased for one step at a time: a replication that waits keeps no database open.
 */
import { isChannelled, isDatabaseAdmin, isMember, parseSecurity } from '../../auth/security.ts'
import { isServerAdmin, type UserCtx } from '../../auth/user.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { Database } from '../../database/api/database.ts'
import { isReplicatorDatabase } from '../../replicator/documents/replicator-document.ts'
import { replicatorSeenBy } from '../../replicator/documents/replicator-view.ts'
import { ReplicationError } from '../api.ts'
import type { Endpoint, EndpointInfo, LocalRecord } from '../endpoint.ts'
import type { ReplicationParts } from '../parts.ts'

export interface LocalDatabaseOptions {
  readonly parts: ReplicationParts
  readonly name: string
  readonly owner: UserCtx
  /** As it is shown. */
  readonly shown: string
}

export class LocalDatabase implements Endpoint {
  readonly shown: string
  protected readonly parts: ReplicationParts
  protected readonly name: string
  protected readonly owner: UserCtx

  constructor({ parts, name, owner, shown }: LocalDatabaseOptions) {
    this.parts = parts
    this.name = name
    this.owner = owner
    this.shown = shown
  }

  info(): Promise<EndpointInfo> {
    return this.use(async (database) => {
      const { updateSeq, instanceStartTime } = database.info()
      return { updateSeq, instanceStartTime }
    })
  }

  readLocal(id: string): Promise<LocalRecord | undefined> {
    return this.use(async (database) => {
      const found = database.getLocal(id)
      if (found === undefined) return undefined
      return { body: JSON.parse(found.body.toString()) as Record<string, unknown>, rev: found.rev }
    })
  }

  writeLocal(id: string, body: Readonly<Record<string, unknown>>, rev: string | undefined): Promise<string> {
    return this.use((database) => database.putLocal(id, Buffer.from(JSON.stringify(body)), rev))
  }

  ensureFullCommit(): Promise<string | undefined> {
    return this.use(async (database) => {
      await database.ensureFullCommit()
      return database.instanceStartTime
    })
  }

  async close(): Promise<void> {}

  /** Runs `step` with the database, as the owner may use it. Throws ReplicationError. */
  protected async use<T>(step: (database: Database) => Promise<T>): Promise<T> {
    try {
      const lease = await this.parts.databases.lease(this.name)
      try {
        this.requireUse(lease.database)
        return await step(this.seen(lease.database))
      } finally {
        lease.release()
      }
    } catch (error) {
      throw this.failure(error)
    }
  }

  /** What is not for the owner's eyes does not go over either. */
  protected seen(database: Database): Database {
    const { owner } = this
    if (!isReplicatorDatabase(this.name) || isServerAdmin(owner)) return database
    if (isDatabaseAdmin(owner, parseSecurity(database.security()))) return database
    return replicatorSeenBy(database, owner.name)
  }

  protected requireUse(database: Database): void {
    const { owner } = this
    if (isServerAdmin(owner)) return
    const isOfServer = this.name.startsWith('_')
    const security = parseSecurity(database.security())
    if (!isOfServer && isMember(owner, security) && !isChannelled(owner, security)) return
    throw new DatabaseError(owner.name === null ? 'unauthorized' : 'forbidden')
  }

  /** In the words that CouchDB has for a database that cannot be used. */
  protected failure(error: unknown): unknown {
    if (!(error instanceof DatabaseError)) return error
    const { kind, status, error: name, reason } = error
    const told = (what: string, text: string): ReplicationError =>
      new ReplicationError(
        { error: what, reason: `${text} ${this.shown}`, status, isTransient: true },
        { cause: error },
      )
    if (kind === 'noDatabase' || kind === 'illegalDatabaseName') return told('db_not_found', 'could not open')
    if (kind === 'unauthorized') return told('unauthorized', 'unauthorized to access or create database')
    if (kind === 'forbidden') return told('forbidden', 'forbidden to access or create database')
    const isTransient = status >= 500 || status === 429
    return new ReplicationError({ error: name, reason, status, isTransient }, { cause: error })
  }
}
