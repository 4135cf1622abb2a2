import type { PasswordHasher } from '../auth/password-hash.ts'
import type { Metrics } from '../base/metrics.ts'

/** A hasher that counts what it does, and knows how much it has to do. */
export interface CountedHasher extends PasswordHasher {
  /** Passwords that are being hashed or wait for it. */
  readonly pending: number
}

export function countedHasher(hasher: PasswordHasher, metrics: Pick<Metrics, 'count'>): CountedHasher {
  let pending = 0
  const counted = async <T>(hashing: Promise<T>): Promise<T> => {
    pending += 1
    try {
      const result = await hashing
      metrics.count('couchdb.password_hashing_slow')
      return result
    } finally {
      pending -= 1
    }
  }
  return {
    get pending() {
      return pending
    },
    hash: (...hashed) => counted(hasher.hash(...hashed)),
    rehash: (...hashed) => counted(hasher.rehash(...hashed)),
    verify: (...verified) => counted(hasher.verify(...verified)),
  }
}
