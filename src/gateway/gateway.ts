/**
 * The gateway: databases behind Sync Gateway's API, in a folder of their own of the data folder, so that nobody but the
 * gateway reads or writes them. What holds:
 * - A database is there with the configuration of the file, or with what an administrator made it with.
 * - It is opened when the gateway starts, and stays open.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CredentialCheck } from '../auth/credential-check.ts'
import type { Caller } from '../auth/hash-queue.ts'
import type { Credential } from '../auth/user.ts'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { GUEST, GUEST_LABEL, isDatabaseName } from '../channels/names.ts'
import { ConfigError } from '../config/ini.ts'
import { BodyMemory } from '../http/request/body-memory.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { AutomaticCompaction } from '../server/automatic-compaction.ts'
import type { Compactions } from '../server/compactions.ts'
import { EventBus } from '../server/event-bus.ts'
import { ownCompactions } from '../server/own-compactions.ts'
import { type DatabaseOpener, DatabaseRegistry } from '../server/registry.ts'
import type { Server } from '../server/server.ts'
import { type DatabaseConfig, databaseConfig, type GatewayConfig, type PrincipalConfig } from './config.ts'
import { badRequest, GatewayError } from './errors.ts'
import { GatewayDatabase } from './gateway-database.ts'
import { Oidc } from './oidc/providers.ts'
import { TestingProvider } from './oidc/testing-provider.ts'
import type { PrincipalKind } from './principals/principal.ts'
import { type HashPassword, readWish, savePrincipal } from './principals/principal-writes.ts'
import { type Standing, userStanding } from './principals/standing.ts'
import type { SocialUrls } from './social/identity.ts'
import { SocialNetworks } from './social/social-networks.ts'

const FOLDER = 'gateway'
/** The note of a database that says what it was made with. */
const CONFIG_NOTE = 'config'
const MOST_DATABASES = 1000

export interface GatewayLimits {
  /** Bytes of a body of JSON. */
  maxJsonBytes: number
  maxDocumentBytes: number
  maxAttachmentBytes: number
}

export interface GatewayParts {
  server: Server
  opener: DatabaseOpener
  config: GatewayConfig
  socialUrls: SocialUrls
}

export class Gateway {
  readonly config: GatewayConfig
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
  readonly scripting: Scripting
  readonly bodies: BodyMemory
  readonly oidc: Oidc
  readonly testing: TestingProvider
  readonly social: SocialNetworks
  readonly #server: Server
  readonly #registry: DatabaseRegistry
  readonly #compactions: Compactions
  readonly #automaticCompaction: AutomaticCompaction
  readonly #databases = new Map<string, GatewayDatabase>()
  readonly #checks = new WeakMap<GatewayDatabase, CredentialCheck>()
  /** Names that are being made or deleted. */
  readonly #changing = new Set<string>()

  private constructor(
    { server, config, socialUrls }: GatewayParts,
    registry: DatabaseRegistry,
    bus: EventBus,
  ) {
    this.config = config
    this.clock = server.clock
    this.random = server.random
    this.log = server.log
    this.scripting = server.designs.scripting
    const { random, clock, log, hashPassword } = this
    this.oidc = new Oidc({ random, hashPassword, log })
    this.social = new SocialNetworks({ urls: socialUrls, config: config.social, random, clock, hashPassword })
    this.testing = new TestingProvider(random, () => server.clock.now())
    this.#server = server
    this.#registry = registry
    const { compactions, automaticCompaction } = ownCompactions(server, registry, bus)
    this.#compactions = compactions
    this.#automaticCompaction = automaticCompaction
    this.bodies = new BodyMemory({
      totalBytes: server.settings.get('bodyMemoryBytes'),
      longestBytes: this.limits.maxJsonBytes,
    })
  }

  /** Throws ConfigError for databases that cannot be. */
  static async start(parts: GatewayParts): Promise<Gateway> {
    const { server, opener, config } = parts
    const dataDir = join(server.settings.get('databaseDir'), FOLDER)
    await mkdir(dataDir, { recursive: true })
    const bus = new EventBus(server.log)
    const registry = await DatabaseRegistry.open({
      ...opener,
      dataDir,
      maxOpen: MOST_DATABASES,
      initialSecurity: undefined,
      bus,
      clock: server.clock,
      log: server.log,
    })
    const gateway = new Gateway(parts, registry, bus)
    try {
      for (const [name, each] of config.databases) await gateway.#serveConfigured(name, each)
      for (const name of registry.list()) if (!config.databases.has(name)) await gateway.#serveKept(name)
    } catch (error) {
      await gateway.stop()
      throw error
    }
    return gateway
  }

  get limits(): GatewayLimits {
    const { settings } = this.#server
    return {
      maxJsonBytes: settings.get('maxJsonSize'),
      maxDocumentBytes: settings.get('maxDocumentSize'),
      maxAttachmentBytes: settings.get('maxAttachmentSize'),
    }
  }

  /** That each address may have; 0 where it is not said. */
  get maxConnections(): number {
    return this.#server.settings.get('maxConnections')
  }

  /** Names in order. */
  names(): string[] {
    return [...this.#databases.keys()].sort()
  }

  has(name: string): boolean {
    return this.#databases.has(name)
  }

  /** Throws 400, 404. */
  database(name: string): GatewayDatabase {
    const found = this.#databases.get(name)
    if (found !== undefined) return found
    if (!isDatabaseName(name)) throw badRequest(`invalid database name ${JSON.stringify(name)}`)
    throw new GatewayError(404, `no such database ${JSON.stringify(name)}`)
  }

  async #serveConfigured(name: string, config: DatabaseConfig): Promise<void> {
    if (!isDatabaseName(name))
      throw new ConfigError(`--gateway: ${JSON.stringify(name)} is no name of a database`)
    if (!this.#registry.has(name)) await this.#registry.create(name)
    await this.#open(name, config)
  }

  /** One that an administrator made before. */
  async #serveKept(name: string): Promise<void> {
    const database = await this.#open(name, undefined)
    this.log.info('a gateway database that is not in the configuration file', { database: database.name })
  }

  async #open(name: string, given: DatabaseConfig | undefined): Promise<GatewayDatabase> {
    const lease = await this.#registry.lease(name)
    try {
      const { scripting, clock, random, log } = this
      const { tasks } = this.#server
      const kept = lease.database.getLocal(`own/${CONFIG_NOTE}`)
      const config = given ?? (kept === undefined ? {} : JSON.parse(kept.body.toString()))
      const database = await GatewayDatabase.open({
        name,
        config,
        lease,
        scripting,
        tasks,
        clock,
        random,
        log,
      })
      await this.#makePrincipals(database)
      this.#databases.set(name, database)
      return database
    } catch (error) {
      lease.release()
      throw error
    }
  }

  /** Users and roles of the configuration that are not there yet. */
  async #makePrincipals(database: GatewayDatabase): Promise<void> {
    const { users = {}, roles = {} } = database.config
    for (const [kind, all] of [
      ['role', roles],
      ['user', users],
    ] as [PrincipalKind, Record<string, PrincipalConfig>][]) {
      for (const [label, config] of Object.entries(all)) {
        const name = kind === 'user' && label === GUEST_LABEL ? GUEST : label
        // What an administrator has changed since stays as it is; GUEST is as the file says.
        if (name !== GUEST && database.principals.find({ kind, name }) !== undefined) continue
        await savePrincipal(database, readWish(kind, name, config), this.hashPassword)
      }
    }
  }

  /** Throws 400, 412. */
  async create(name: string, value: Record<string, unknown>): Promise<void> {
    if (!isDatabaseName(name)) throw badRequest(`Illegal database name: ${name}`)
    if (this.#databases.has(name) || this.#changing.has(name)) {
      throw new GatewayError(412, `Duplicate database name ${JSON.stringify(name)}`)
    }
    const config = checkedConfig(value)
    await this.#change(name, async () => {
      if (!this.#registry.has(name)) await this.#registry.create(name)
      try {
        const database = await this.#open(name, config)
        await database.local.setNote(CONFIG_NOTE, config)
      } catch (error) {
        await this.#drop(name)
        throw error
      }
    })
  }

  async #drop(name: string): Promise<void> {
    const database = this.#databases.get(name)
    this.#databases.delete(name)
    await database?.close()
    await this.#registry.delete(name)
  }

  /** Throws 400, 404. */
  async delete(name: string): Promise<void> {
    this.database(name)
    if (this.#changing.has(name)) throw new GatewayError(503, 'The database is being made or deleted')
    await this.#change(name, () => this.#drop(name))
  }

  async #change(name: string, change: () => Promise<void>): Promise<void> {
    this.#changing.add(name)
    try {
      await change()
    } finally {
      this.#changing.delete(name)
    }
  }

  /** Keeps a configuration until the database comes online again. Throws 400. */
  async setConfig(database: GatewayDatabase, value: Record<string, unknown>): Promise<void> {
    const config = checkedConfig(value)
    await database.local.setNote(CONFIG_NOTE, config)
    database.pendingConfig = config
  }

  readonly hashPassword: HashPassword = async (password, before) => {
    const { hasher, settings } = this.#server
    const iterations = settings.get('passwordIterations')
    if (before?.iterations === iterations && (await hasher.verify(password, before))) return before
    return hasher.hash(password, iterations, this.random)
  }

  /**
   * How the user stands whose password that is; undefined where it is nobody's. A disabled user has none. Rejects where too many
   * passwords wait.
   */
  async checkPassword(
    database: GatewayDatabase,
    name: string,
    password: string,
    caller: Caller,
  ): Promise<Standing | undefined> {
    const user = database.principals.user(name)
    // Of the password that is checked: there may be another one when the check is done.
    const stands = userStanding(database, name)
    if (user?.hash === undefined && user?.allowsEmptyPassword && !user.isDisabled && password === '')
      return stands
    const isRight = (await this.#checkOf(database).check(name, password, caller)) !== undefined
    return isRight && stands() ? stands : undefined
  }

  #checkOf(database: GatewayDatabase): CredentialCheck {
    let check = this.#checks.get(database)
    if (check === undefined) {
      const credentials = new WeakMap<object, Credential>()
      const find = (name: string): Credential | undefined => {
        const user = database.principals.user(name)
        if (user?.hash === undefined || user.isDisabled || name === GUEST) return undefined
        const known = credentials.get(user.hash) ?? { name, roles: [], hash: user.hash }
        credentials.set(user.hash, known)
        return known
      }
      check = new CredentialCheck({
        source: { find },
        hasher: this.#server.hasher,
        random: this.random,
        iterations: this.#server.settings.get('passwordIterations'),
        prf: this.#server.settings.get('passwordPrf'),
        lockOut: this.#server.lockOuts,
      })
      this.#checks.set(database, check)
    }
    return check
  }

  /** Begins to give back the space that old revisions take. */
  compact(database: GatewayDatabase): Promise<void> {
    return this.#compactions.start(database.name)
  }

  /** To be called when no more requests come in. */
  async stop(): Promise<void> {
    await this.#automaticCompaction.stop()
    await this.#compactions.stop()
    for (const database of this.#databases.values()) {
      await database.close().catch((error: unknown) => {
        this.log.error('a gateway database did not close', {
          database: database.name,
          reason: describeError(error),
        })
      })
    }
    await this.#registry.stop(0)
  }
}

/** Throws 400. */
function checkedConfig(value: Record<string, unknown>): DatabaseConfig {
  try {
    return databaseConfig(value)
  } catch (error) {
    throw error instanceof ConfigError ? badRequest(error.message) : error
  }
}
