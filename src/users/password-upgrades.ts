/**
 * Hashes of passwords that are weaker than new ones are replaced when their user signs in, for then the password is known.
 * What holds:
 * - The salt stays, so that sessions go on.
 * - Nobody waits for it, and one that fails is tried again when the user signs in next.
 * - Only the hash that was checked is replaced: a document that has changed meanwhile is left alone.
 */
import { isWeaker, type PasswordHash, type PasswordHasher, type Prf } from '../auth/password-hash.ts'
import type { Credential } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Database } from '../database/api/database.ts'
import { credentialOf, USER_PREFIX } from './user-document.ts'
import { withHash } from './user-passwords.ts'

/** So many at once: they cost a hash each. */
const MOST_RUNNING = 16

export interface PasswordUpgradesOptions {
  /** Of the database whose users sign in. */
  databaseName: () => string
  databases: { lease(name: string): Promise<{ readonly database: Database; release(): void }> }
  hasher: Pick<PasswordHasher, 'rehash'>
  settings: { readonly isEnabled: boolean; readonly iterations: number; readonly prf: Prf }
  /** Whether the name is an administrator's, whose hash is not in `_users`. */
  isAdmin(name: string): boolean
  log: Pick<Log, 'warning'>
}

export class PasswordUpgrades {
  readonly #options: PasswordUpgradesOptions
  readonly #running = new Set<string>()

  constructor(options: PasswordUpgradesOptions) {
    this.#options = options
  }

  /** The password was found to be the credential's. */
  verified({ name, hash }: Credential, password: string): void {
    const { settings, isAdmin, log } = this.#options
    if (!settings.isEnabled || !isWeaker(hash, settings) || isAdmin(name)) return
    if (this.#running.has(name) || this.#running.size >= MOST_RUNNING) return
    this.#running.add(name)
    void this.#upgrade(name, hash, password)
      .catch((error: unknown) =>
        log.warning('a hash could not be replaced', { user: name, reason: describeError(error) }),
      )
      .finally(() => this.#running.delete(name))
  }

  async #upgrade(name: string, hash: PasswordHash, password: string): Promise<void> {
    const { databases, databaseName, hasher, settings } = this.#options
    const stronger = await hasher.rehash(password, hash.salt, settings.iterations)
    const lease = await databases.lease(databaseName())
    try {
      const view = lease.database.get(USER_PREFIX + name)
      const body = view.body()
      if (credentialOf(name, body)?.hash.derivedKey !== hash.derivedKey) return
      const attachments = view
        .attachments()
        .map(({ name: file }) => ({ kind: 'stub' as const, name: file, revpos: undefined }))
      const edit = await withHash({ body, term: Buffer.alloc(0) }, stronger)
      const { id, rev } = view
      const [result] = await lease.database.update([{ ...edit, id, rev, deleted: false, attachments }])
      if (!result!.ok && result!.refusal.kind !== 'conflict') throw result!.refusal
    } catch (error) {
      const isGone = error instanceof DatabaseError && (error.kind === 'missing' || error.kind === 'deleted')
      if (!isGone) throw error
    } finally {
      lease.release()
    }
  }
}
