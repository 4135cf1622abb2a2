/**
 * Names that are locked for an address, after too many wrong passwords from there: CouchDB's `[chttpd_auth_lockout]`. What
 * holds:
 * - A lock is of one address and one password: others sign in with that name from elsewhere, so nobody can lock anybody
 *   out of everywhere, and a new password is a new beginning.
 * - A right password takes no failure back. What is locked is so for right passwords too, until its time is over.
 * - Names that nobody has are not counted, as in CouchDB.
 */
import { LRUCache } from 'lru-cache'
import { DatabaseError } from '../base/errors.ts'
import { networkOf } from './network.ts'
import type { Credential } from './user.ts'

export interface LockOutSettings {
  /** `warn`: failures are counted and logged, and nobody is locked. */
  readonly mode: 'enforce' | 'warn' | 'off'
  /** Failures from which on a name is locked. */
  readonly threshold: number
  /** Addresses and names that are remembered. */
  readonly maxObjects: number
  /** Since the first failure. */
  readonly maxLifetimeMs: number
}

/** Whose failures are counted together. */
export interface LockOutKey {
  readonly address: string
  readonly name: string
  readonly salt: string
}

export function lockOutKey(address: string, { name, hash }: Credential): LockOutKey {
  return { address, name, salt: hash.salt }
}

/** Locks as a thread asks for them: they may be kept by another one. */
export interface LockOut {
  /** True: nothing is known against it, so that it need not be asked for. */
  isClear(key: LockOutKey): boolean
  /** Rejects with forbidden while it is locked. */
  require(key: LockOutKey): Promise<void>
  /** A wrong password. */
  failed(key: LockOutKey): Promise<void>
}

interface Failures {
  count: number
  untilMs: number
}

/**
 * How many failures are remembered whose keys fall on a slot, and behind the slots how many in all, in memory that all
 * threads see: where there is none, nobody need be asked.
 */
const SLOTS = 4096
const ALL = SLOTS

export class LockOutSlots {
  readonly buffer: SharedArrayBuffer
  readonly #slots: Int32Array

  constructor(buffer = new SharedArrayBuffer((SLOTS + 1) * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#slots = new Int32Array(buffer)
  }

  isClear(key: LockOutKey): boolean {
    return Atomics.load(this.#slots, ALL) === 0 || Atomics.load(this.#slots, slotOf(textOf(key))) === 0
  }

  add(text: string, count: number): void {
    Atomics.add(this.#slots, ALL, count)
    Atomics.add(this.#slots, slotOf(text), count)
  }
}

/** The one that keeps the locks. */
export class LockOuts implements LockOut {
  readonly slots = new LockOutSlots()
  readonly #settings: LockOutSettings
  readonly #now: () => number
  readonly #warn: (key: LockOutKey) => void
  readonly #failures: LRUCache<string, Failures>

  /** `warn` hears of every failure from which on a name is, or would be, locked. */
  constructor(settings: LockOutSettings, now: () => number, warn: (key: LockOutKey) => void = () => {}) {
    this.#settings = settings
    this.#now = now
    this.#warn = warn
    this.#failures = new LRUCache({
      max: settings.maxObjects,
      dispose: (_failures, text) => this.slots.add(text, -1),
      noDisposeOnSet: true,
    })
  }

  isClear(key: LockOutKey): boolean {
    return this.slots.isClear(key)
  }

  async require(key: LockOutKey): Promise<void> {
    const { mode, threshold } = this.#settings
    if (mode !== 'enforce') return
    const failures = this.#find(textOf(key))
    if (failures !== undefined && failures.count >= threshold) throw lockedError()
  }

  async failed(key: LockOutKey): Promise<void> {
    const { mode, threshold, maxLifetimeMs } = this.#settings
    if (mode === 'off') return
    const text = textOf(key)
    const known = this.#find(text)
    if (known === undefined) {
      this.slots.add(text, 1)
      this.#failures.set(text, { count: 1, untilMs: this.#now() + maxLifetimeMs })
    } else known.count += 1
    if ((known?.count ?? 1) >= threshold) this.#warn(key)
  }

  #find(text: string): Failures | undefined {
    const found = this.#failures.get(text)
    if (found === undefined || found.untilMs > this.#now()) return found
    this.#failures.delete(text)
    return undefined
  }
}

/** For who has no locks. */
export const NO_LOCK_OUT: LockOut = {
  isClear: () => true,
  require: async () => {},
  failed: async () => {},
}

export function lockedError(): DatabaseError {
  const reason = 'Account is temporarily locked due to multiple authentication failures'
  return new DatabaseError('forbidden', reason)
}

function textOf({ address, name, salt }: LockOutKey): string {
  return JSON.stringify([networkOf(address), name, salt])
}

function slotOf(text: string): number {
  let sum = 0
  for (let at = 0; at < text.length; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0
  return (sum >>> 0) % SLOTS
}
