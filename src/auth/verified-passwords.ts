/**
 * Passwords that were found right, remembered for all threads that ask: each has a cache of its own, and would hash what
 * another one has hashed. What holds:
 * - An entry is a SHA-256 of a password and the whole hash that it is right for, behind a secret of this process alone: no
 *   password is kept, and none can be guessed at faster from what is. A new password has a new salt, so that nothing that
 *   was remembered of the one before is found.
 * - Refusals are not remembered, and there are no more entries than `MAX_ENTRIES`.
 */
import { hash as digestOf } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type RandomBytes, randomHex } from '../base/random.ts'
import type { Caller } from './hash-queue.ts'
import type { PasswordHash, PasswordHasher } from './password-hash.ts'

const MAX_ENTRIES = 1000

export class VerifiedPasswords implements Pick<PasswordHasher, 'verify'> {
  readonly #hasher: Pick<PasswordHasher, 'verify'>
  readonly #key: string
  readonly #right = new LRUCache<string, true>({ max: MAX_ENTRIES })

  constructor(hasher: Pick<PasswordHasher, 'verify'>, random: RandomBytes) {
    this.#hasher = hasher
    this.#key = randomHex(random, 32)
  }

  /** Rejects as the hasher does. */
  async verify(password: string, hash: PasswordHash, caller?: Caller): Promise<boolean> {
    const digest = this.#digest(password, hash)
    if (this.#right.get(digest) === true) return true
    const isRight = await this.#hasher.verify(password, hash, caller)
    if (isRight) this.#right.set(digest, true)
    return isRight
  }

  #digest(password: string, { prf, salt, iterations, derivedKey }: PasswordHash): string {
    const text = JSON.stringify([this.#key, prf, salt, iterations, derivedKey, password])
    return digestOf('sha256', text, 'binary')
  }
}
