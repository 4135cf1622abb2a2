/**
 * Password hashes: PBKDF2 over the password's UTF-8 bytes, with the text of the salt as salt (its characters,
 * not the bytes that its hex digits would stand for) and a key as long as the hash function's output. That is
 * how CouchDB's `couch_passwords` makes them, so its `[admins]` hashes are usable as they are:
 * `-pbkdf2-KEY,SALT,ITERATIONS` (SHA-1) and `-pbkdf2:PRF-KEY,SALT,ITERATIONS`. Its oldest scheme, `simple`, is the SHA-1 of
 * password and salt, in `[admins]` `-hashed-KEY,SALT`: it is read, and made no more.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { type RandomBytes, randomHex } from '../base/random.ts'
import { DeriveThreads } from '../workers/derive.ts'
import { type Caller, HashQueue, hashesAtOnce, SERVER_ITSELF } from './hash-queue.ts'

/** CouchDB's names of the hash functions: Node's name, and bytes of output. */
const PRFS = {
  simple: { digest: 'sha1', bytes: 20 },
  sha: { digest: 'sha1', bytes: 20 },
  sha224: { digest: 'sha224', bytes: 28 },
  sha256: { digest: 'sha256', bytes: 32 },
  sha384: { digest: 'sha384', bytes: 48 },
  sha512: { digest: 'sha512', bytes: 64 },
} as const

export type Prf = keyof typeof PRFS

/** From the weakest to the strongest. */
const STRENGTHS = Object.keys(PRFS) as readonly Prf[]

/** Whether a hash is weaker than new ones are. */
export function isWeaker(
  hash: Pick<PasswordHash, 'prf' | 'iterations'>,
  wanted: Pick<PasswordHash, 'prf' | 'iterations'>,
): boolean {
  return STRENGTHS.indexOf(hash.prf) < STRENGTHS.indexOf(wanted.prf) || hash.iterations < wanted.iterations
}

export interface PasswordHash {
  /** `simple` is no such function, and is not iterated. */
  readonly prf: Prf
  readonly salt: string
  readonly iterations: number
  /** Lower-case hex. */
  readonly derivedKey: string
}

/** A hash that no password has, and that costs as much to try as those that some have. */
export function decoyHash(prf: Prf, iterations: number, random: RandomBytes): PasswordHash {
  return { prf, salt: randomHex(random, 16), iterations, derivedKey: randomHex(random, PRFS[prf].bytes) }
}

const MAX_ITERATIONS = 10_000_000

function isPrf(value: unknown): value is Prf {
  return typeof value === 'string' && Object.hasOwn(PRFS, value)
}

/** Whether all fields are present and well formed. */
export function isPasswordHash(value: unknown): value is PasswordHash {
  if (typeof value !== 'object' || value === null) return false
  const { prf, salt, iterations, derivedKey } = value as Record<string, unknown>
  return (
    isPrf(prf) &&
    typeof salt === 'string' &&
    salt !== '' &&
    Number.isInteger(iterations) &&
    (iterations as number) >= 1 &&
    (iterations as number) <= MAX_ITERATIONS &&
    typeof derivedKey === 'string' &&
    derivedKey.length === PRFS[prf].bytes * 2 &&
    /^[0-9a-f]+$/.test(derivedKey)
  )
}

/**
 * Reads a hash as CouchDB writes it in `[admins]`; undefined for a password in plain text. Throws an Error
 * for what looks like a hash and cannot be used: hashing it as a password would leave its author locked out.
 */
export function parseCouchHash(text: string): PasswordHash | undefined {
  if (!/^-(hashed|pbkdf2)[-:]/.test(text)) return undefined
  const simple = /^-hashed-([0-9a-fA-F]{40}),([^,]+)$/.exec(text)
  if (simple !== null) {
    return { prf: 'simple', salt: simple[2]!, iterations: 1, derivedKey: simple[1]!.toLowerCase() }
  }
  const match = /^-pbkdf2(?::(sha[0-9]*))?-([0-9a-fA-F]+),([^,]+),(\d+)$/.exec(text)
  if (match === null) throw new Error('not a -pbkdf2- hash as CouchDB writes it')
  const hash = {
    prf: match[1] ?? 'sha',
    salt: match[3]!,
    iterations: Number(match[4]),
    derivedKey: match[2]!.toLowerCase(),
  }
  if (!isPasswordHash(hash)) throw new Error('a -pbkdf2- hash of unknown kind, length or iterations')
  return hash
}

/** A hash as CouchDB writes it in `[admins]`. */
export function formatCouchHash({ prf, salt, iterations, derivedKey }: PasswordHash): string {
  return `-pbkdf2${prf === 'sha' ? '' : `:${prf}`}-${derivedKey},${salt},${iterations}`
}

type HashedBy = Pick<PasswordHash, 'salt' | 'iterations' | 'prf'>

export interface PasswordHasher {
  /** A new hash with a fresh salt. Rejects as `verify` does. */
  hash(password: string, iterations: number, random: RandomBytes, caller?: Caller): Promise<PasswordHash>
  /** The same with a salt that is known. */
  rehash(password: string, salt: string, iterations: number, caller?: Caller): Promise<PasswordHash>
  /** Rejects with tooManyHashes, hashesBusy and clientGone, as the caller's place in the queue is. */
  verify(password: string, hash: PasswordHash, caller?: Caller): Promise<boolean>
}

/** Hashes off the event loop, a few at a time: see hash-queue.ts. `newPrf` says what new hashes are made with. */
export function createPasswordHasher(newPrf: () => Prf = () => 'sha256'): PasswordHasher {
  const atOnce = hashesAtOnce(availableParallelism())
  const queue = new HashQueue(atOnce)
  const threads = new DeriveThreads(atOnce)

  function derive(
    password: string,
    { salt, iterations, prf }: HashedBy,
    caller: Caller,
  ): Promise<Uint8Array> {
    const { bytes, digest } = PRFS[prf]
    return queue.run(caller, async () => {
      if (prf === 'simple') return createHash('sha1').update(password).update(salt).digest()
      return threads.derive({ password, salt, iterations, bytes, digest })
    })
  }

  async function rehash(
    password: string,
    salt: string,
    iterations: number,
    caller: Caller = SERVER_ITSELF,
  ): Promise<PasswordHash> {
    const prf = newPrf()
    const key = await derive(password, { salt, iterations, prf }, caller)
    return { prf, salt, iterations, derivedKey: Buffer.from(key).toString('hex') }
  }

  return {
    rehash,
    hash: (password, iterations, random, caller) =>
      rehash(password, randomHex(random, 16), iterations, caller),
    async verify(password, hash, caller = SERVER_ITSELF) {
      const key = await derive(password, hash, caller)
      return timingSafeEqual(key, Buffer.from(hash.derivedKey, 'hex'))
    },
  }
}
