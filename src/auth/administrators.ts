/**
 * The server's administrators: exactly those that are configured now, which may change. With none configured there is one,
 * `admin`, with a password that the server made; `DATA/admin-password` (mode 0600, one line) holds it until an
 * administrator is configured, and then it and its account are gone. Only hashes outlive the start; a
 * configured password that is still the same keeps its hash, so that sessions outlive a restart.
 *
 * Order of writes: a generated password is on disk before the account that needs it, and an account is gone
 * before its password file, so that a crash leaves no account whose password nobody can know.
 */
import { join } from 'node:path'
import { removeDurably, writeDurably } from '../base/durable-file.ts'
import { Listeners } from '../base/listeners.ts'
import { describeError, type Log } from '../base/log.ts'
import { type RandomBytes, randomHex } from '../base/random.ts'
import { ConfigError } from '../config/ini.ts'
import { CredentialTable } from './credential-table.ts'
import {
  formatCouchHash,
  type PasswordHash,
  type PasswordHasher,
  type Prf,
  parseCouchHash,
} from './password-hash.ts'
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
  iterations: () => number
  /** Default SHA-256. */
  prf?: () => Prf
  random: RandomBytes
  log: Pick<Log, 'error'>
}

export class Administrators implements CredentialSource {
  /** The generated account, in the start that made it. */
  readonly generated: { name: string; password: string } | undefined
  /** Where a generated password is kept. */
  readonly passwordFile: string
  readonly #options: Omit<AdministratorsOptions, 'configured'>
  #configured: ReadonlyMap<string, string>
  readonly #table = new CredentialTable()
  readonly #listeners: Listeners<readonly Credential[]>

  private constructor(
    options: AdministratorsOptions,
    passwordFile: string,
    admins: readonly StoredAdmin[],
    generatedPassword?: string,
  ) {
    this.#options = options
    this.#configured = options.configured
    this.passwordFile = passwordFile
    this.#table.replace(admins.map(credentialOf))
    this.#listeners = new Listeners((error) =>
      options.log.error('changed administrators were not taken', { reason: describeError(error) }),
    )
    this.generated =
      generatedPassword === undefined ? undefined : { name: GENERATED_NAME, password: generatedPassword }
  }

  /** Brings the store and the password file in line with the configuration. Throws ConfigError. */
  static async open(options: AdministratorsOptions): Promise<Administrators> {
    const { store } = options
    const passwordFile = join(options.dataDir, 'admin-password')
    if (options.configured.size > 0) {
      const admins = await hashConfigured(options.configured, options)
      await store.save({ ...store.state, admins })
      await removeDurably(passwordFile)
      return new Administrators(options, passwordFile, admins)
    }
    const kept = store.state.admins.filter(({ source }) => source === 'generated')
    if (kept.length > 0) return new Administrators(options, passwordFile, kept)
    const password = Buffer.from(randomHex(options.random, 18), 'hex').toString('base64url')
    const hash = await options.hasher.hash(password, options.iterations(), options.random)
    const admins: StoredAdmin[] = [{ name: GENERATED_NAME, source: 'generated', hash }]
    await writeDurably(passwordFile, `${password}\n`)
    await store.save({ ...store.state, admins })
    return new Administrators(options, passwordFile, admins, password)
  }

  /** All of them. */
  list(): Credential[] {
    return this.#table.list()
  }

  find(name: string): Credential | undefined {
    return this.#table.find(name)
  }

  /** Calls `listener` with all of them after each change. Returns what ends that. */
  onChange(listener: (credentials: readonly Credential[]) => void): () => void {
    return this.#listeners.subscribe(listener)
  }

  /** A hash of a password, as it is configured. */
  async hash(password: string): Promise<string> {
    const { hasher, iterations, random } = this.#options
    return formatCouchHash(await hasher.hash(password, iterations(), random))
  }

  /**
   * What is to be done so that exactly these are the administrators, of whom there is one at least. Rejects with
   * ConfigError; then, and until it is done, nothing has changed.
   */
  async prepare(configured: ReadonlyMap<string, string>): Promise<() => Promise<void>> {
    const changed = [...configured].filter(([name, secret]) => this.#configured.get(name) !== secret)
    const hashed = await hashConfigured(new Map(changed), this.#options)
    const kept = [...configured.keys()].flatMap((name) => {
      const isChanged = changed.some(([each]) => each === name)
      const found = isChanged ? undefined : this.#table.find(name)
      return found === undefined ? [] : [{ name, source: 'configured', hash: found.hash } as const]
    })
    const admins = [...hashed, ...kept]
    return async () => {
      this.#configured = configured
      this.#table.replace(admins.map(credentialOf))
      this.#listeners.tell(this.#table.list())
      // The next start does it, where it fails here.
      await this.#store(admins).catch((error: unknown) =>
        this.#options.log.error('administrators are not stored yet', { reason: describeError(error) }),
      )
    }
  }

  async #store(admins: readonly StoredAdmin[]): Promise<void> {
    const { store } = this.#options
    await store.save({ ...store.state, admins })
    await removeDurably(this.passwordFile)
  }
}

function credentialOf({ name, hash }: StoredAdmin): Credential {
  return { name, roles: [ADMIN_ROLE], hash }
}

type HashOptions = Omit<AdministratorsOptions, 'configured'>

function hashConfigured(
  configured: ReadonlyMap<string, string>,
  options: HashOptions,
): Promise<StoredAdmin[]> {
  const stored = new Map(options.store.state.admins.map((admin) => [admin.name, admin]))
  const entries = [...configured]
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
  options: HashOptions,
): Promise<PasswordHash> {
  const { hasher, random } = options
  const iterations = options.iterations()
  const prf = options.prf?.() ?? 'sha256'
  const reusable = previous !== undefined && previous.prf === prf && previous.iterations === iterations
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
