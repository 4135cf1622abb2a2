/**
 * Checks names and passwords without hashing at every request. What holds:
 * - An entry of the cache names one `Credential` object. The credential is looked up anew at every check, so
 *   an entry made for a password that was changed since, or for a user who was removed, never matches again.
 * - Neither names nor passwords are kept: an entry's key is a SHA-256 of them behind a secret of this process
 *   alone. Digests are never given out, so that a longer text with a known one's digest is of no use.
 * - Refusals are not remembered. Requests of one address with the same credentials share one computation while it
 *   runs; it is given up when all of them have gone and its turn has not come.
 * - An unknown name costs a hash too, so that the time taken does not tell which names exist.
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type RandomBytes, randomHex } from '../base/random.ts'
import { type Caller, SERVER_ITSELF } from './hash-queue.ts'
import { type LockOut, lockOutKey } from './lock-out.ts'
import { decoyHash, type PasswordHash, type PasswordHasher, type Prf } from './password-hash.ts'
import type { Credential, CredentialSource } from './user.ts'

const MAX_ENTRIES = 1000

export interface CredentialCheckOptions {
  source: CredentialSource
  hasher: Pick<PasswordHasher, 'verify'>
  random: RandomBytes
  /** Of the hash that is computed for an unknown name. */
  iterations: number
  /** Default SHA-256. */
  prf?: Prf | undefined
  lockOut: LockOut
  /** Hears of every password that was found right by hashing it. */
  onVerified?: ((credential: Credential, password: string) => void) | undefined
  /**
   * Hears of every use of the cache for a right password: as in CouchDB, of the one that follows its hashing too, when the
   * password is noted.
   */
  onRemembered?: (() => void) | undefined
}

/** All who wait for one computation: they have gone when the last of them has. */
class Callers implements Caller {
  readonly address: string
  /** All had gone before the turn came: the computation is given up. */
  areGone = false
  #waiting = 0
  #listener: (() => void) | undefined

  constructor({ address }: Caller) {
    this.address = address
  }

  /** Answers the way to wait no more. */
  join(caller: Caller): () => void {
    this.#waiting += 1
    return caller.onGone(() => {
      this.#waiting -= 1
      if (this.#waiting > 0 || this.#listener === undefined) return
      this.areGone = true
      this.#listener()
    })
  }

  onGone(listener: () => void): () => void {
    this.#listener = listener
    return () => {
      this.#listener = undefined
    }
  }
}

interface Computation {
  credential: Credential | undefined
  callers: Callers
  result: Promise<boolean>
}

export class CredentialCheck {
  readonly #source: CredentialSource
  readonly #hasher: Pick<PasswordHasher, 'verify'>
  readonly #lockOut: LockOut
  readonly #onVerified: (credential: Credential, password: string) => void
  readonly #onRemembered: () => void
  readonly #key: string
  readonly #decoy: PasswordHash
  /** By digest. */
  readonly #verified = new LRUCache<string, Credential>({ max: MAX_ENTRIES })
  readonly #running = new Map<string, Computation>()

  constructor(options: CredentialCheckOptions) {
    this.#source = options.source
    this.#hasher = options.hasher
    this.#lockOut = options.lockOut
    this.#onVerified = options.onVerified ?? (() => {})
    this.#onRemembered = options.onRemembered ?? (() => {})
    this.#key = randomHex(options.random, 32)
    this.#decoy = decoyHash(options.prf ?? 'sha256', options.iterations, options.random)
  }

  /**
   * The credential when the password is right; undefined when it is not, or nobody has that name. Rejects with
   * tooManyHashes, hashesBusy, clientGone, and with forbidden for a name that is locked for the caller's address.
   */
  async check(
    name: string,
    password: string,
    caller: Caller = SERVER_ITSELF,
  ): Promise<Credential | undefined> {
    const credential = await this.#source.find(name)
    const lock = credential && lockOutKey(caller.address, credential)
    if (lock !== undefined && !this.#lockOut.isClear(lock)) await this.#lockOut.require(lock)
    const key = this.#keyOf(name, password)
    if (credential !== undefined && this.#verified.get(key) === credential) {
      this.#onRemembered()
      return credential
    }
    const right = await this.#compute(key, credential, password, caller)
    if (credential === undefined || lock === undefined) return undefined
    if (!right) {
      await this.#lockOut.failed(lock)
      return undefined
    }
    this.#verified.set(key, credential)
    this.#onRemembered()
    this.#onVerified(credential, password)
    return credential
  }

  /**
   * As `check`, of what was right before: what has become wrong meanwhile is nobody's guess, and does not count as one; nor does it
   * matter that others guess.
   */
  async recheck(name: string, password: string, caller: Caller): Promise<Credential | undefined> {
    const credential = await this.#source.find(name)
    if (credential === undefined) return undefined
    const key = this.#keyOf(name, password)
    if (this.#verified.get(key) === credential) return credential
    if (!(await this.#compute(key, credential, password, caller))) return undefined
    this.#verified.set(key, credential)
    return credential
  }

  /**
   * The credential for which `accept` was called with this Authorization header, if it still is its user's.
   * Undefined where that is not known at once: then `check` says.
   */
  recall(header: string, address: string): Credential | undefined {
    const credential = this.#verified.get(this.#digest('header', header))
    if (credential === undefined) return undefined
    const stored = this.#source.find(credential.name)
    // Nobody waits for it here: `check` looks again, and says what keeps it from being read.
    if (stored instanceof Promise) stored.catch(() => undefined)
    if (stored !== credential) return undefined
    if (!this.#lockOut.isClear(lockOutKey(address, credential))) return undefined
    this.#onRemembered()
    return credential
  }

  /** Notes that `check` gave this credential for what the header says. */
  accept(header: string, credential: Credential): void {
    this.#verified.set(this.#digest('header', header), credential)
  }

  async #compute(
    key: string,
    credential: Credential | undefined,
    password: string,
    caller: Caller,
  ): Promise<boolean> {
    const shared = `${key} ${caller.address}`
    let computation = this.#running.get(shared)
    if (computation?.credential !== credential || computation === undefined || computation.callers.areGone) {
      const callers = new Callers(caller)
      const hash = credential?.hash ?? this.#decoy
      const result = this.#hasher.verify(password, hash, callers).finally(() => {
        if (this.#running.get(shared)?.result === result) this.#running.delete(shared)
      })
      computation = { credential, callers, result }
      this.#running.set(shared, computation)
    }
    const leave = computation.callers.join(caller)
    try {
      return await computation.result
    } finally {
      leave()
    }
  }

  /** The length keeps ("a", "bc") and ("ab", "c") apart. */
  #keyOf(name: string, password: string): string {
    return this.#digest('password', `${name.length}:${name}${password}`)
  }

  #digest(kind: 'header' | 'password', text: string): string {
    return hash('sha256', `${this.#key}${kind}:${text}`, 'binary')
  }
}
