/**
 * Who can sign in: the configured administrators, and the users whose documents are in `_users`. What holds:
 * - A credential is what is stored now: every look reads the document, or knows that nothing has changed in its database
 *   since it was read. So nobody signs in with what a write that was acknowledged has taken away.
 * - A credential that has not changed is the same object, by which caches of checked passwords know it.
 * - An administrator signs in with the configured password, and has the roles of the document of that name beside his own.
 */
import { LRUCache } from 'lru-cache'
import type { Credential, CredentialSource } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'
import type { AllDocsRow, Database } from '../database/api/database.ts'
import { credentialOf, USER_PREFIX, USERS_DATABASE } from './user-document.ts'

/** Names of which the credential is remembered. */
const MOST_REMEMBERED = 10_000
/** No user has a longer name, in characters: the id of its document would be too long. */
const LONGEST_NAME = 16_000

type UsersDatabase = Pick<Database, 'uuid' | 'isFresh' | 'refresh' | 'updateSeqNumber' | 'lookup'>

interface UsersLease {
  readonly database: UsersDatabase
  release(): void
}

/** Where `_users` is found. */
export interface UsersBackend {
  /** Undefined: it has to be opened, or to catch up, first. */
  leaseOpen(name: string): UsersLease | undefined
  /** Rejects with noDatabase where there is none. */
  lease(name: string): Promise<UsersLease>
}

interface Remembered {
  readonly admin: Credential | undefined
  readonly rev: string | undefined
  readonly credential: Credential | undefined
  /** What the database was when this was so. */
  uuid: string
  seqNumber: number
}

export class UserCredentials implements CredentialSource {
  readonly #admins: { find(name: string): Credential | undefined }
  readonly #databases: UsersBackend
  readonly #databaseName: () => string
  readonly #remembered = new LRUCache<string, Remembered>({ max: MOST_REMEMBERED })

  /** `databaseName`: of the database whose users sign in, asked each time. */
  constructor(
    admins: { find(name: string): Credential | undefined },
    databases: UsersBackend,
    databaseName: () => string = () => USERS_DATABASE,
  ) {
    this.#admins = admins
    this.#databases = databases
    this.#databaseName = databaseName
  }

  /**
   * Throws unauthorized for a user whose document has conflicts: which of its passwords holds is not known. Rejects with
   * what keeps `_users` from being read.
   */
  find(name: string): Credential | undefined | Promise<Credential | undefined> {
    if (name.length > LONGEST_NAME) return undefined
    const admin = this.#admins.find(name)
    const lease = this.#databases.leaseOpen(this.#databaseName())
    if (lease === undefined) return this.#findLater(name, admin)
    try {
      return this.#read(lease.database, name, admin)
    } finally {
      lease.release()
    }
  }

  /** An administrator gets in whatever state `_users` is in. */
  async #findLater(name: string, admin: Credential | undefined): Promise<Credential | undefined> {
    let lease: UsersLease
    try {
      lease = await this.#databases.lease(this.#databaseName())
    } catch (error) {
      const isGone = error instanceof DatabaseError && error.kind === 'noDatabase'
      if (isGone || admin !== undefined) return admin
      throw error
    }
    try {
      return this.#read(lease.database, name, admin)
    } finally {
      lease.release()
    }
  }

  #read(database: UsersDatabase, name: string, admin: Credential | undefined): Credential | undefined {
    const known = this.#remembered.get(name)
    const { uuid, isFresh, updateSeqNumber: seqNumber } = database
    const isSame = known !== undefined && known.admin === admin && known.uuid === uuid
    if (isSame && isFresh && known.seqNumber === seqNumber) return known.credential
    const row = this.#lookup(database, name, admin)
    const rev = row?.rev
    if (isSame && known.rev === rev) {
      if (isFresh) known.seqNumber = seqNumber
      return known.credential
    }
    const user = row && credentialOf(name, row.document().body())
    const credential = admin === undefined ? user : withRoles(admin, row && rolesOf(name, row))
    // Numbers were read before the document: what is remembered is never older than they say.
    if (isFresh) this.#remembered.set(name, { admin, rev, credential, uuid, seqNumber })
    return credential
  }

  #lookup(database: UsersDatabase, name: string, admin: Credential | undefined): AllDocsRow | undefined {
    let row: AllDocsRow | undefined
    try {
      row = database.lookup(USER_PREFIX + name)
    } catch (error) {
      if (admin !== undefined) return undefined
      throw error
    }
    if (row === undefined || row.deleted) return undefined
    if (admin === undefined && row.document().conflicts().length > 0) {
      throw new DatabaseError(
        'unauthorized',
        'User document conflicts must be resolved before the document is used for authentication purposes.',
      )
    }
    return row
  }
}

function rolesOf(name: string, row: AllDocsRow): readonly string[] {
  return credentialOf(name, row.document().body())?.roles ?? []
}

function withRoles(admin: Credential, roles: readonly string[] | undefined): Credential {
  if (roles === undefined || roles.length === 0) return admin
  return { ...admin, roles: [...new Set([...admin.roles, ...roles])] }
}
