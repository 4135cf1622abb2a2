/**
 * The server's administrators: exactly those that are configured now. With none configured there is one,
 * `admin`, with a password that the server made; `DATA/admin-password` (mode 0600, one line) holds it until an
 * administrator is configured, and then it and its account are gone. Only hashes outlive the start; a
 * configured password that is still the same keeps its hash, so that sessions outlive a restart.
 *
 * Order of writes: a generated password is on disk before the account that needs it, and an account is gone
 * before its password file, so that a crash leaves no account whose password nobody can know.
 */
import { join } from 'node:path'
import { removeDurably, writeDurably } from '../base/durable-file.ts'
import { type RandomBytes, randomHex } from '../base/random.ts'
import { ConfigError } from '../config/ini.ts'
import { type PasswordHash, type PasswordHasher, parseCouchHash } from './password-hash.ts'
import type { PrivateStore, StoredAdmin } from './private-store.ts'
import { ADMIN_ROLE, type Credential, type CredentialSource } from './user.ts'

const GENERATED_NAME = 'admin'

export interface AdministratorsOptions {
  dataDir: string
  store: PrivateStore
  /** By name: a password, or a hash as CouchDB writes it. */
  configured: ReadonlyMap<string, string>
  hasher: PasswordHasher
  /** Of new hashes. */
  iterations: number
  random: RandomBytes
}

export class Administrators implements CredentialSource {
  readonly #credentials: ReadonlyMap<string, Credential>
  /** The generated account, in the start that made it. */
  readonly generated: { name: string; password: string } | undefined

  /** Where a generated password is kept. */
  readonly passwordFile: string

  private constructor(passwordFile: string, admins: readonly StoredAdmin[], generatedPassword?: string) {
    this.passwordFile = passwordFile
    const roles = [ADMIN_ROLE]
    this.#credentials = new Map(admins.map(({ name, hash }) => [name, { name, roles, hash }]))
    this.generated =
      generatedPassword === undefined ? undefined : { name: GENERATED_NAME, password: generatedPassword }
  }

  /** Brings the store and the password file in line with the configuration. Throws ConfigError. */
  static async open(options: AdministratorsOptions): Promise<Administrators> {
    const { store } = options
    const passwordFile = join(options.dataDir, 'admin-password')
    if (options.configured.size > 0) {
      const admins = await hashConfigured(options)
      await store.save({ ...store.state, admins })
      await removeDurably(passwordFile)
      return new Administrators(passwordFile, admins)
    }
    const kept = store.state.admins.filter(({ source }) => source === 'generated')
    if (kept.length > 0) return new Administrators(passwordFile, kept)
    const password = Buffer.from(randomHex(options.random, 18), 'hex').toString('base64url')
    const hash = await options.hasher.hash(password, options.iterations, options.random)
    const admins: StoredAdmin[] = [{ name: GENERATED_NAME, source: 'generated', hash }]
    await writeDurably(passwordFile, `${password}\n`)
    await store.save({ ...store.state, admins })
    return new Administrators(passwordFile, admins, password)
  }

  /** All of them. */
  list(): Credential[] {
    return [...this.#credentials.values()]
  }

  find(name: string): Credential | undefined {
    return this.#credentials.get(name)
  }
}

function hashConfigured(options: AdministratorsOptions): Promise<StoredAdmin[]> {
  const stored = new Map(options.store.state.admins.map((admin) => [admin.name, admin]))
  const entries = [...options.configured]
  return Promise.all(
    entries.map(async ([name, secret]): Promise<StoredAdmin> => {
      const known = stored.get(name)
      const previous = known?.source === 'configured' ? known.hash : undefined
      const hash = readHash(name, secret) ?? (await hashPlain(secret, previous, options))
      return { name, source: 'configured', hash }
    }),
  )
}

async function hashPlain(
  password: string,
  previous: PasswordHash | undefined,
  options: AdministratorsOptions,
): Promise<PasswordHash> {
  const { hasher, iterations, random } = options
  const reusable = previous !== undefined && previous.prf === 'sha256' && previous.iterations === iterations
  if (reusable && (await hasher.verify(password, previous))) return previous
  return hasher.hash(password, iterations, random)
}

function readHash(name: string, secret: string): PasswordHash | undefined {
  try {
    return parseCouchHash(secret)
  } catch (error) {
    throw new ConfigError(`[admins] ${name}: ${(error as Error).message}`)
  }
}
