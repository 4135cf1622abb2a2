/**
 * Sessions of one database: who has one's secret is its user until it ends. Secrets are not kept, their hashes are: in
 * memory, and as notes of the database, so that sessions outlive a restart. A session that is used is renewed once a tenth of
 * its time has passed.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { type RandomBytes, randomHex } from '../../base/random.ts'
import type { LocalStore } from '../store/local-store.ts'

export const SESSION_COOKIE = 'SyncGatewaySession'
export const DEFAULT_TTL_MS = 24 * 60 * 60 * 1000
const SECRET_BYTES = 20
const RENEWED_AFTER = 0.1
const NOTES = 'session/'
/** Sessions of a user; the one that ends first makes place. */
const MOST_OF_USER = 1000

export interface Session {
  readonly user: string
  readonly ttlMs: number
  readonly expiresMs: number
}

export interface NewSession extends Session {
  readonly secret: string
}

export class Sessions {
  readonly #local: LocalStore
  readonly #clock: Clock
  readonly #random: RandomBytes
  readonly #sessions = new Map<string, Session>()
  readonly #ofUser = new Map<string, Set<string>>()

  constructor(local: LocalStore, clock: Clock, random: RandomBytes) {
    this.#local = local
    this.#clock = clock
    this.#random = random
    for (const [name, value] of local.notes(NOTES)) this.#remember(name.slice(NOTES.length), value as Session)
  }

  async create(user: string, ttlMs = DEFAULT_TTL_MS): Promise<NewSession> {
    const secret = randomHex(this.#random, SECRET_BYTES)
    const session = { user, ttlMs, expiresMs: this.#clock.now() + ttlMs }
    // Known at once: what ends all sessions of the user meanwhile ends this one too.
    this.#remember(keyOf(secret), session)
    try {
      await this.#makePlace(user)
      await this.#local.setNote(NOTES + keyOf(secret), session)
    } catch (error) {
      this.#forget(keyOf(secret))
      throw error
    }
    return { ...session, secret }
  }

  find(secret: string): Session | undefined {
    const session = this.#sessions.get(keyOf(secret))
    return session !== undefined && session.expiresMs > this.#clock.now() ? session : undefined
  }

  /** Whether that is a session of the user, however old. */
  isOf(secret: string, user: string): boolean {
    return this.#sessions.get(keyOf(secret))?.user === user
  }

  /** The session with a later end, if it was due. */
  async renew(secret: string): Promise<Session | undefined> {
    const session = this.find(secret)
    if (session === undefined) return undefined
    const left = session.expiresMs - this.#clock.now()
    if (session.ttlMs - left < session.ttlMs * RENEWED_AFTER) return undefined
    const renewed = { ...session, expiresMs: this.#clock.now() + session.ttlMs }
    this.#remember(keyOf(secret), renewed)
    await this.#local.setNote(NOTES + keyOf(secret), renewed)
    return renewed
  }

  /** False where there is none, or none of `user`. */
  async end(secret: string, user?: string): Promise<boolean> {
    const session = this.find(secret)
    if (session === undefined || (user !== undefined && session.user !== user)) return false
    await this.#drop(keyOf(secret))
    return true
  }

  /** They sign nobody in any more at once, whatever becomes of what is stored of them. */
  async endAllOf(user: string): Promise<void> {
    await Promise.all([...(this.#ofUser.get(user) ?? [])].map((key) => this.#drop(key)))
  }

  async #makePlace(user: string): Promise<void> {
    const keys = this.#ofUser.get(user)
    if (keys === undefined || keys.size < MOST_OF_USER) return
    const byEnd = [...keys].sort(
      (a, b) => this.#sessions.get(a)!.expiresMs - this.#sessions.get(b)!.expiresMs,
    )
    const now = this.#clock.now()
    for (const [at, key] of byEnd.entries()) {
      if (at === 0 || this.#sessions.get(key)!.expiresMs <= now) await this.#drop(key)
    }
  }

  #remember(key: string, session: Session): void {
    this.#sessions.set(key, session)
    const keys = this.#ofUser.get(session.user)
    if (keys === undefined) this.#ofUser.set(session.user, new Set([key]))
    else keys.add(key)
  }

  async #drop(key: string): Promise<void> {
    if (this.#forget(key)) await this.#local.removeNote(NOTES + key)
  }

  #forget(key: string): boolean {
    const session = this.#sessions.get(key)
    if (session === undefined) return false
    this.#sessions.delete(key)
    this.#ofUser.get(session.user)?.delete(key)
    return true
  }
}

function keyOf(secret: string): string {
  return hash('sha256', secret, 'hex')
}
