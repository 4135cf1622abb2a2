/**
 * A running server without its HTTP: settings, log, administrators and databases, composed. The data
 * folder is locked before anything in it is read and until everything in it is closed.
 *
 * DATA/ holds `server.lock`, `private.json`, `local.ini`, `admin-password` (while that password is valid), `databases/`,
 * `drafts/`, `views/`, `channels/` and `events.davenport`.
 */
import { join, resolve } from 'node:path'
import { PageCache } from '../../native-free-btree/index.ts'
import { Administrators } from '../auth/administrators.ts'
import { type Authenticator, authenticatorOf } from '../auth/authenticator.ts'
import { LockOuts } from '../auth/lock-out.ts'
import { createPasswordHasher } from '../auth/password-hash.ts'
import { PrivateStore } from '../auth/private-store.ts'
import { SessionSecrets } from '../auth/session-secrets.ts'
import { VerifiedPasswords } from '../auth/verified-passwords.ts'
import { Audience } from '../base/audience.ts'
import type { Clock } from '../base/clock.ts'
import { freeBytes } from '../base/disk-room.ts'
import { makeDirectory } from '../base/durable-file.ts'
import { countedLog, describeError, type Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { RandomBytes } from '../base/random.ts'
import type { CacheFigures } from '../base/thread-figures.ts'
import { UniqueTime } from '../base/uuids.ts'
import { packageVersion } from '../base/version.ts'
import { ConfigError } from '../config/ini.ts'
import { type Config, fileLayer, localLayer } from '../config/load.ts'
import { LocalFile, readLocalFile } from '../config/local-file.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { DatabaseMap } from '../database/layout/file-map.ts'
import { DesignDocuments } from '../design/design-documents.ts'
import { scriptingOf } from '../design/scripting-of.ts'
import { LocalIndexes } from '../indexes/local-indexes.ts'
import { Connections } from '../replication/http/connections.ts'
import { LocalRunner } from '../replication/runner.ts'
import { addAuthDesign, authDesignEdit } from '../users/auth-design.ts'
import { PasswordUpgrades } from '../users/password-upgrades.ts'
import { UserCredentials } from '../users/user-credentials.ts'
import { USERS_DATABASE } from '../users/user-document.ts'
import { isUsersDatabase, usersDatabaseName } from '../users/users-database.ts'
import { FileMaps } from '../workers/file-maps.ts'
import { WorkerPool } from '../workers/pool.ts'
import { TaskRegistry } from '../workers/tasks.ts'
import { AutomaticCompaction, automaticCompactionSettings } from './automatic-compaction.ts'
import { AutomaticIndexing } from './automatic-indexing.ts'
import { Certificates } from './certificates.ts'
import { ChannelService } from './channel-service.ts'
import { Compactions, compactionSettings } from './compactions.ts'
import { Configuration } from './configuration.ts'
import { type CountedHasher, countedHasher } from './counted-hasher.ts'
import { Dashboard } from './dashboard.ts'
import { DatabaseEvents } from './database-events.ts'
import { DATABASE_EXTENSION } from './database-name.ts'
import { EventBus } from './event-bus.ts'
import { Expirations } from './expirations.ts'
import { definitionSteps } from './index-definitions.ts'
import { Indexing } from './indexing.ts'
import { NodeService } from './node-service.ts'
import { type DatabaseOpener, DatabaseRegistry } from './registry.ts'
import { Replications } from './replications.ts'
import type { ReplicatorService } from './replicator-service.ts'
import { Resharding } from './resharding.ts'
import { problemBeforeListening } from './start-obstacles.ts'
import { UserDatabases } from './user-databases.ts'

/** Keeps other processes off the name `path`, by a lock file beside it; rejects when one of them holds it. */
export type AcquireLock = (path: string) => Promise<{ release(): Promise<void> }>

export interface ServerOptions extends DatabaseOpener {
  settings: SettingsRegistry
  /** What `settings` was made of. */
  config: Config
  /** The text of the file that `--config` names, as it is now. */
  readConfigFile?: (() => Promise<string>) | undefined
  log: Log
  clock: Clock
  random: RandomBytes
  acquireLock: AcquireLock
  /** Of this thread. */
  metrics: Metrics
  /** The cache of pages of this thread. */
  cache: CacheFigures
  /** Makes the one who replicates, when all else is there. He is closed before all else. */
  startReplicator(server: Server): Promise<ReplicatorService>
  /** Starts a server anew where this one is; see `NodeService.restart`. Undefined: nobody does. */
  restart?: (() => Promise<void>) | undefined
}

export class Server {
  readonly settings: SettingsRegistry
  readonly log: Log
  readonly clock: Clock
  readonly random: RandomBytes
  /** What this thread counts. */
  readonly metrics: Metrics
  readonly node: NodeService
  /** What `/_dashboard/` shows of it. */
  readonly dashboard: Dashboard
  readonly resharding = new Resharding()
  /** Of ids that are made of the time, in all threads. */
  readonly uniqueTime = new UniqueTime()
  /** The server's own, 32 hex digits; the same for the life of the data folder. */
  readonly uuid: string
  readonly configuration: Configuration
  /** The threads that hear of changes before these are answered. */
  readonly audience: Audience
  readonly databases: DatabaseRegistry
  /** What happens to them. */
  readonly bus: Pick<EventBus, 'on'>
  readonly events: DatabaseEvents
  readonly tasks: TaskRegistry
  readonly compactions: Compactions
  readonly automaticCompaction: AutomaticCompaction
  readonly expirations: Expirations
  readonly replications: Replications
  readonly authenticator: Authenticator
  /** Who can sign in. */
  readonly users: UserCredentials
  readonly administrators: Administrators
  /** Hashes passwords in turns, whoever asks. */
  readonly hasher: CountedHasher
  /** Verifies passwords for threads that share what is known of them. */
  readonly verifiedPasswords: VerifiedPasswords
  /** Names that are locked for some addresses. */
  readonly lockOuts: LockOuts
  /** Key the cookies of sessions. */
  readonly sessionSecrets: SessionSecrets
  /** Runs functions of design documents. */
  readonly designs: DesignDocuments
  /** Undefined where HTTPS is not served. */
  readonly certificates: Certificates | undefined
  /** What users see of databases with channels. */
  readonly channels: ChannelService
  readonly indexing: Indexing
  readonly automaticIndexing: AutomaticIndexing
  /** As this thread reads them. */
  readonly indexes: LocalIndexes
  readonly #fileMaps = new FileMaps()
  readonly #userDatabases: UserDatabases
  #replicator: ReplicatorService | undefined
  readonly #lock: { release(): Promise<void> }

  private constructor(
    options: ServerOptions,
    parts: {
      dataDir: string
      bus: EventBus
      uuid: string
      configuration: Configuration
      audience: Audience
      databases: DatabaseRegistry
      events: DatabaseEvents
      expirations: Expirations
      authenticator: Authenticator
      users: UserCredentials
      administrators: Administrators
      hasher: CountedHasher
      lockOuts: LockOuts
      sessionSecrets: SessionSecrets
      certificates: Certificates | undefined
      lock: { release(): Promise<void> }
    },
  ) {
    this.settings = options.settings
    this.log = options.log
    this.clock = options.clock
    this.random = options.random
    this.metrics = options.metrics
    this.uuid = parts.uuid
    this.configuration = parts.configuration
    this.audience = parts.audience
    this.databases = parts.databases
    this.bus = parts.bus
    this.events = parts.events
    const { settings, clock, log } = options
    this.tasks = new TaskRegistry(clock, log)
    this.compactions = new Compactions({
      lease: (name) => this.databases.lease(name),
      pool: new WorkerPool({
        threads: settings.get('workerThreads'),
        memoryBytes: settings.get('workerMemoryBytes'),
        idleMs: settings.get('workerIdleMs'),
      }),
      tasks: this.tasks,
      clock,
      settings: compactionSettings(settings),
      onCompacted: (name) => parts.bus.tell('compacted', name),
      freeBytes: () => freeBytes(parts.dataDir),
    })
    this.automaticCompaction = new AutomaticCompaction({
      lease: (name) => this.databases.lease(name),
      compactions: this.compactions,
      bus: parts.bus,
      clock,
      log,
      settings: automaticCompactionSettings(settings),
    })
    this.indexing = new Indexing({
      dataDir: parts.dataDir,
      lease: (name) => this.databases.lease(name),
      hasDatabase: (name) => this.databases.has(name),
      bus: parts.bus,
      tasks: this.tasks,
      settings,
      clock,
      log,
    })
    this.indexes = new LocalIndexes({
      service: this.indexing,
      cache: options.cache instanceof PageCache ? options.cache : undefined,
      clock,
      mostOpen: settings.get('mostOpenIndexes'),
    })
    this.expirations = parts.expirations
    this.designs = new DesignDocuments(scriptingOf(settings, { clock, log, threads: 0 }))
    this.channels = new ChannelService({
      dataDir: parts.dataDir,
      databases: this.databases,
      opener: options,
      scripting: this.designs.scripting,
      bus: parts.bus,
      tasks: this.tasks,
      settings,
      clock,
      log,
    })
    this.automaticIndexing = new AutomaticIndexing({
      lease: (name) => this.databases.lease(name),
      definitions: (database) => definitionSteps(this.designs, database),
      indexing: this.indexing,
      bus: parts.bus,
      clock,
      log,
      settings: settings.view({
        isEnabled: 'automaticIndexing',
        delayMs: 'automaticIndexingDelayMs',
        mostAtOnce: 'automaticIndexingLimit',
      }),
    })
    this.node = new NodeService({
      metrics: options.metrics,
      cache: options.cache,
      clock,
      settings,
      openDatabases: () => this.databases.openCount,
      pendingEvents: () => this.events.pending,
      hashing: () => this.hasher.pending,
      compacting: () => this.compactions.running,
      fileMap: (name) => this.#fileMap(name),
      restart: options.restart,
    })
    const { databases } = this
    this.dashboard = new Dashboard({
      node: this.node,
      tasks: this.tasks,
      databases,
      bus: parts.bus,
      most: settings.get('maxOpenDatabases'),
      clock,
    })
    this.replications = new Replications({
      runner: new LocalRunner({
        databases,
        designs: this.designs,
        metrics: options.metrics,
        clock,
        random: options.random,
        hasher: parts.hasher,
        settings,
        log,
        connections: new Connections(),
        uuid: parts.uuid,
        version: packageVersion(),
      }),
      tasks: this.tasks,
      settings,
      clock,
    })
    this.#userDatabases = new UserDatabases({ settings, databases, bus: parts.bus, clock, log })
    this.authenticator = parts.authenticator
    this.users = parts.users
    this.administrators = parts.administrators
    this.hasher = parts.hasher
    this.verifiedPasswords = new VerifiedPasswords(parts.hasher, options.random)
    this.lockOuts = parts.lockOuts
    this.sessionSecrets = parts.sessionSecrets
    this.certificates = parts.certificates
    this.#lock = parts.lock
  }

  /** Throws ConfigError for what the configuration forbids, and what the lock and the disk throw. */
  static async start(given: ServerOptions): Promise<Server> {
    const { metrics } = given
    const options = {
      ...given,
      log: countedLog(given.log, (level) => metrics.count(`couch_log.level.${level}`)),
    }
    const { settings, config } = options
    const problem = problemBeforeListening({ settings, hasAdmin: config.admins.size > 0 })
    if (problem !== undefined) throw new ConfigError(problem)
    const dataDir = resolve(settings.get('databaseDir'))
    await makeDirectory(dataDir)
    const lock = await options.acquireLock(join(dataDir, 'server'))
    try {
      return await Server.#startLocked(options, dataDir, lock)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  static async #startLocked(
    options: ServerOptions,
    dataDir: string,
    lock: { release(): Promise<void> },
  ): Promise<Server> {
    const { settings, config, random, clock, log } = options
    const localFile = await readLocalFile(dataDir)
    if (localFile.text !== (config.sources.local?.text ?? '')) {
      throw new ConfigError(`${localFile.path} has changed since it was read`)
    }
    const hasher = countedHasher(
      createPasswordHasher(() => settings.get('passwordPrf')),
      options.metrics,
    )
    const store = await PrivateStore.open(dataDir, random)
    const administrators = await Administrators.open({
      dataDir,
      store,
      configured: config.admins,
      hasher,
      iterations: () => settings.get('passwordIterations'),
      prf: () => settings.get('passwordPrf'),
      random,
      log,
    })
    const certificates = Certificates.open({ settings, log, random, clock })
    const audience = new Audience(clock, log)
    // The first to hear: what it makes of a change goes to the others before they are asked.
    audience.join(async () => certificates?.refresh())
    const configuration = new Configuration({
      onReload: () => certificates?.outdate(),
      layers: config.layers,
      file: new LocalFile(localFile.path),
      async reread() {
        const { file } = config.sources
        const text = file && ((await options.readConfigFile?.()) ?? file.text)
        return {
          file: file === undefined ? config.layers.file : fileLayer({ path: file.path, text: text! }),
          local: localLayer(await readLocalFile(dataDir)),
        }
      },
      settings,
      administrators,
      audience,
      log,
    })
    await configuration.tidy()
    const bus = new EventBus(log)
    const databases = await DatabaseRegistry.open({
      dataDir,
      maxOpen: settings.get('maxOpenDatabases'),
      isExempt: (name) => isUsersDatabase(name, settings),
      initialSecurity: () => (settings.get('defaultSecurity') === 'everyone' ? Buffer.from('{}') : undefined),
      initialDocuments: (name) => (isUsersDatabase(name, settings) ? [authDesignEdit()] : []),
      bus,
      clock,
      log,
      openDatabase: (path, name) => options.openDatabase(path, name),
      createDatabase: (path, name, properties) => options.createDatabase(path, name, properties),
    })
    const events = await DatabaseEvents.open(
      {
        path: join(dataDir, `events${DATABASE_EXTENSION}`),
        metrics: options.metrics,
        bus,
        clock,
        log,
        openDatabase: (path, name) => options.openDatabase(path, name),
        createDatabase: (path, name) => options.createDatabase(path, name),
      },
      databases.list(),
    )
    const expirations = new Expirations({ index: events.database, databases, bus, clock, log })
    await makeUsers(databases, log)
    const now = (): number => clock.now()
    const lockOuts = new LockOuts(
      settings.view({
        mode: 'lockOutMode',
        threshold: 'lockOutThreshold',
        maxObjects: 'lockOutMaxObjects',
        maxLifetimeMs: 'lockOutMaxLifetimeMs',
      }),
      now,
      ({ name, address }) => log.warning('too many wrong passwords', { user: name, peer: address }),
    )
    const sessionSecrets = new SessionSecrets(settings, now, { generated: store.state.secret })
    const databaseName = (): string => usersDatabaseName(settings)
    const users = new UserCredentials(administrators, databases, databaseName)
    const upgrades = new PasswordUpgrades({
      databaseName,
      databases,
      hasher,
      settings: settings.view({
        isEnabled: 'upgradeHashes',
        iterations: 'passwordIterations',
        prf: 'passwordPrf',
      }),
      isAdmin: (name) => administrators.find(name) !== undefined,
      log,
    })
    const authenticator = authenticatorOf(settings, {
      source: users,
      onVerified: (credential, password) => upgrades.verified(credential, password),
      onRemembered: () => options.metrics.count('couchdb.password_hashing_fast'),
      secrets: sessionSecrets,
      hasher,
      random,
      lockOut: lockOuts,
      now,
    })
    const uuid = settings.get('serverUuid') ?? store.state.uuid
    const parts = {
      dataDir,
      bus,
      uuid,
      configuration,
      audience,
      databases,
      events,
      expirations,
      authenticator,
      users,
      administrators,
      hasher,
      lockOuts,
      sessionSecrets,
      certificates,
      lock,
    }
    const server = new Server(options, parts)
    server.#replicator = await options.startReplicator(server)
    return server
  }

  async #fileMap(name: string): Promise<DatabaseMap> {
    const lease = await this.databases.lease(name)
    const { database } = lease
    const { uuid, path } = database
    const fileBytes = database.info().sizes.file
    // The map is made of the file itself, whatever becomes of the database meanwhile.
    lease.release()
    return this.#fileMaps.map({ uuid, path, fileBytes })
  }

  get replicator(): ReplicatorService {
    return this.#replicator!
  }

  /** To be called when no more requests come in. Gives what is running `graceMs`; then everything is closed. */
  async stop(graceMs: number): Promise<void> {
    try {
      await this.#replicator?.close()
      await this.replications.stop()
      await this.automaticCompaction.stop()
      await this.compactions.stop()
      await this.#fileMaps.close()
      await this.#userDatabases.close()
      await this.indexes.close()
      const automaticIndexing = this.automaticIndexing.stop()
      await this.indexing.stop()
      await automaticIndexing
      await this.channels.close(graceMs)
      await this.designs.scripting.close()
      await this.expirations.close()
      await this.databases.stop(graceMs)
      await this.events.close()
    } finally {
      await this.#lock.release()
    }
  }
}

/** The database of users is there from the start, with its design document, unless the disk does not take it. */
async function makeUsers(databases: DatabaseRegistry, log: Log): Promise<void> {
  try {
    if (!databases.has(USERS_DATABASE)) await databases.create(USERS_DATABASE)
    else await addAuthDesign(await databases.lease(USERS_DATABASE))
  } catch (error) {
    log.error('the database of users could not be made', { reason: describeError(error) })
  }
}
