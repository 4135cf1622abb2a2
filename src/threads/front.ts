/**
 * A front: HTTP, rights, parsing and reading in a thread of its own; what it cannot do itself the core does. Its `Backend`
 * is made of local parts and of calls, so routes do not know which they have.
 */
import { availableParallelism } from 'node:os'
import type { MessagePort } from 'node:worker_threads'
import { PageCache } from '../../native-free-btree/index.ts'
import { type Authenticator, authenticatorOf } from '../auth/authenticator.ts'
import { CredentialTable } from '../auth/credential-table.ts'
import { type Caller, HashQueue, hashesAtOnce, SERVER_ITSELF } from '../auth/hash-queue.ts'
import { type LockOut, LockOutSlots } from '../auth/lock-out.ts'
import type { PasswordHasher } from '../auth/password-hash.ts'
import { SessionSecrets, type SharedSecrets } from '../auth/session-secrets.ts'
import type { Credential } from '../auth/user.ts'
import { systemClock } from '../base/clock.ts'
import { ConnectionShare } from '../base/connection-shares.ts'
import { Listeners } from '../base/listeners.ts'
import { describeError, type Log } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { systemRandom } from '../base/random.ts'
import { lookAtThread, measureThread } from '../base/thread-figures.ts'
import { UniqueTime } from '../base/uuids.ts'
import { SettingsRegistry } from '../config/registry.ts'
import type { Settings } from '../config/settings.ts'
import { openFollowed } from '../database/shared/open-followed.ts'
import { DesignDocuments } from '../design/design-documents.ts'
import { scriptingOf } from '../design/scripting-of.ts'
import { type HttpServer, startHttp } from '../http/listen/server.ts'
import { type Descriptor, type HttpLimits, type HttpOptions, httpOptions } from '../http/request/options.ts'
import { LocalIndexes } from '../indexes/local-indexes.ts'
import type { TlsMaterial } from '../server/certificates.ts'
import { PasswordUpgrades } from '../users/password-upgrades.ts'
import { UserCredentials } from '../users/user-credentials.ts'
import { isUsersDatabase, usersDatabaseName } from '../users/users-database.ts'
import { Channel } from '../workers/channel.ts'
import type { Core, CoreVocabulary, FrontVocabulary } from './front-channel.ts'
import { FrontChannels } from './front-channels.ts'
import { FrontDatabases } from './front-databases.ts'
import { threadLog } from './log-batch.ts'
import type { OpenedDatabase } from './protocol.ts'
import { remoteConfiguration } from './remote-configuration.ts'
import { remoteIndexes } from './remote-indexes.ts'
import { remoteNode, remoteReplicator, remoteResharding } from './remote-node.ts'
import { remoteWriter } from './remote-writer.ts'

export interface FrontSocket extends Descriptor {
  readonly isSecure: boolean
}

/** What a front's thread is started with. */
export interface FrontStart {
  port: MessagePort
  /** Listening sockets of its own; the first is one of a port without TLS. */
  sockets: readonly FrontSocket[]
  /** Memory of `ConnectionShare`, which all fronts have, and this one's place in it. */
  connections: Int32Array
  place: number
  settings: Settings
  /** Its part of what all fronts share. */
  share: {
    cacheBytes: number
    maxOpen: number
    bodyMemoryBytes: number
    maxConnections: number
    scriptThreads: number
    maxHandshakes: number
  }
  /** What the settings do not say. */
  limits: Partial<HttpLimits>
  /** Of HTTPS, where it is served. */
  certificate: TlsMaterial | undefined
  administrators: readonly Credential[]
  sessionSecrets: SharedSecrets
  /** See `LockOutSlots`. */
  lockOutSlots: SharedArrayBuffer
  uuid: string
  /** Memory of `Metrics`, of its own. */
  metrics: SharedArrayBuffer
  /** Memory of `UniqueTime`, which all threads share. */
  uniqueTime: SharedArrayBuffer
  version: string
}

/** Runs until the core says to stop; then the thread ends by itself. */
export function runFront(start: FrontStart): void {
  void new Front(start).run()
}

class Front {
  readonly #start: FrontStart
  readonly #channel: Channel<FrontVocabulary, CoreVocabulary>
  readonly #databases: FrontDatabases
  readonly #channels: FrontChannels
  readonly #settings: SettingsRegistry
  readonly #log: Log
  readonly #flushLog: () => void
  readonly #cache: PageCache
  readonly #administrators: CredentialTable
  readonly #designs: DesignDocuments
  readonly #indexes: LocalIndexes
  readonly #metrics: Metrics
  #http: HttpServer | undefined
  #starting: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #eventsChanged: () => void = () => {}
  #certificate: TlsMaterial | undefined
  readonly #certificateChanged: Listeners<TlsMaterial>

  constructor(start: FrontStart) {
    this.#start = start
    this.#administrators = new CredentialTable(start.administrators)
    this.#certificate = start.certificate
    this.#certificateChanged = new Listeners((error) =>
      this.#log.error('a certificate was not taken', { reason: describeError(error) }),
    )
    this.#cache = new PageCache(start.share.cacheBytes)
    this.#metrics = new Metrics(start.metrics)
    this.#channel = new Channel({
      port: start.port,
      handlers: {
        hasHeard: () => undefined,
        measure: () => measureThread(this.#metrics, this.#cache, this.#channel.waiting),
        look: () => lookAtThread(this.#metrics, this.#cache, systemClock.now()),
      },
      listeners: {
        retire: ({ handle, kind }) => {
          this.#databases.retire(handle, kind)
          this.#channels.retire(handle, kind)
        },
        changed: ({ name }) => this.#databases.changed(name),
        deleted: ({ name }) => this.#databases.deleted(name),
        compacted: ({ name }) => void this.#databases.compacted(name),
        eventsChanged: () => this.#eventsChanged(),
        makeRoom: () => {
          this.#databases.makeRoom()
          this.#channels.makeRoom()
        },
        certificate: ({ material }) => {
          this.#certificate = material
          this.#certificateChanged.tell(material)
        },
        setting: ({ name, value }) => this.#settings.put(name, value as never),
        administrators: ({ credentials }) => this.#administrators.replace(credentials),
        stop: ({ graceMs }) => void this.#stop(graceMs),
      },
    })
    // The core writes it.
    const { log, setLevel, flush } = threadLog(start.settings.logLevel, this.#metrics, (lines) =>
      this.#core.tell('log', { lines }),
    )
    this.#log = log
    this.#flushLog = flush
    this.#settings = new SettingsRegistry(start.settings, this.#log)
    this.#settings.subscribe('logLevel', (level) => setLevel(level))
    const { scriptThreads: threads } = start.share
    this.#designs = new DesignDocuments(
      scriptingOf(this.#settings, { clock: systemClock, log: this.#log, threads }),
    )
    this.#indexes = new LocalIndexes({
      service: remoteIndexes(this.#core),
      cache: this.#cache,
      clock: systemClock,
      mostOpen: start.settings.mostOpenIndexes,
    })
    this.#databases = new FrontDatabases({
      core: this.#core,
      maxOpen: start.share.maxOpen,
      isExempt: (name) => isUsersDatabase(name, this.#settings),
      clock: systemClock,
      log: this.#log,
      follow: (opened, onClosed) => this.#follow(opened, onClosed),
    })
    this.#channels = new FrontChannels({
      core: this.#core,
      clock: systemClock,
      log: this.#log,
      scripting: this.#designs.scripting,
      follow: (opened, onClosed) => this.#follow(opened, onClosed),
    })
  }

  get #core(): Core {
    return this.#channel
  }

  #follow({ handle, shared }: OpenedDatabase, onClosed: () => void) {
    return openFollowed(shared, remoteWriter(this.#core, handle), {
      cache: this.#cache,
      clock: systemClock,
      metrics: this.#metrics,
      compression: () => this.#settings.get('fileCompression'),
      onClosed,
    })
  }

  /** Rejects with what keeps it from taking requests: the thread ends then. */
  async run(): Promise<void> {
    this.#starting = this.#listen()
    await this.#starting
    await this.#stopping
  }

  async #listen(): Promise<void> {
    const { sockets, share, limits, uuid, uniqueTime, version } = this.#start
    const core = this.#core
    const events = await this.#follow(await core.ask('openEvents', undefined), () => {})
    this.#eventsChanged = () => events.changed()
    const options = httpOptions(this.#settings, {
      address: sockets[0]!,
      others: sockets.slice(1),
      tls: this.#tls(),
      share: new ConnectionShare(this.#start.connections, this.#start.place),
      version,
      backend: {
        databases: this.#databases,
        channels: this.#channels,
        events: {
          database: events,
          flush: async () => {
            await core.ask('flushEvents', undefined)
            await events.refresh()
          },
        },
        tasks: {
          list: () => core.ask('tasks', { history: false }),
          history: () => core.ask('tasks', { history: true }),
          cancel: (pid) => core.ask('cancelTask', { pid }),
        },
        compactions: { start: async (name) => void (await core.ask('compact', { name })) },
        replications: { request: (body, user, signal) => core.ask('replicate', { body, user }, { signal }) },
        configuration: remoteConfiguration(core),
        settings: this.#settings,
        node: remoteNode(core),
        dashboard: { look: (since) => core.ask('look', { since }) },
        resharding: remoteResharding(core),
        replicator: remoteReplicator(core),
        metrics: this.#metrics,
        uniqueTime: new UniqueTime(uniqueTime),
        authenticator: this.#authenticator(),
        hasher: this.#hasher(),
        designs: this.#designs,
        indexes: this.#indexes,
        uuid,
        log: this.#log,
        clock: systemClock,
        random: systemRandom,
      },
    })
    const { bodyMemoryBytes: maxBodyMemoryBytes, maxConnections, maxHandshakes } = share
    Object.assign(options.limits, { maxBodyMemoryBytes, maxConnections, maxHandshakes, ...limits })
    this.#http = await startHttp(options)
    core.tell('listening', undefined)
  }

  #tls(): HttpOptions['tls'] {
    const { certificate } = this.#start
    if (certificate === undefined) return undefined
    // It may have changed while the thread started.
    const material = this.#certificate ?? certificate
    return { material, onChange: (listener) => this.#certificateChanged.subscribe(listener) }
  }

  #authenticator(): Authenticator {
    const administrators = this.#administrators
    const databaseName = (): string => usersDatabaseName(this.#settings)
    const source = new UserCredentials(administrators, this.#databases, databaseName)
    const hasher = this.#hasher()
    const upgrades = new PasswordUpgrades({
      databaseName,
      databases: this.#databases,
      hasher,
      settings: this.#settings.view({
        isEnabled: 'upgradeHashes',
        iterations: 'passwordIterations',
        prf: 'passwordPrf',
      }),
      isAdmin: (name) => administrators.find(name) !== undefined,
      log: this.#log,
    })
    const now = (): number => systemClock.now()
    return authenticatorOf(this.#settings, {
      source,
      secrets: new SessionSecrets(this.#settings, now, this.#start.sessionSecrets),
      hasher,
      onVerified: (credential, password) => upgrades.verified(credential, password),
      onRemembered: () => this.#metrics.count('couchdb.password_hashing_fast'),
      random: systemRandom,
      lockOut: this.#lockOut(),
      now,
    })
  }

  /** The core counts; where it has counted nothing it need not be asked. */
  #lockOut(): LockOut {
    const slots = new LockOutSlots(this.#start.lockOutSlots)
    return {
      isClear: (key) => slots.isClear(key),
      require: async (key) => void (await this.#core.ask('requireUnlocked', key)),
      failed: async (key) => void (await this.#core.ask('passwordFailed', key)),
    }
  }

  /**
   * Whoever wants a password hashed waits here, so that the core hears of a flood of them no more than it can hash; its own queue
   * lets the fronts take turns. Who has gone leaves both.
   */
  #hasher(): PasswordHasher {
    const core = this.#core
    const queue = new HashQueue(hashesAtOnce(availableParallelism()))
    const inTurn = <T>(
      caller: Caller = SERVER_ITSELF,
      ask: (address: string, signal: AbortSignal) => Promise<T>,
    ): Promise<T> => queue.run(caller, () => whileThere(caller, ask))
    const hash = (password: string, salt: string | undefined, iterations: number, caller?: Caller) =>
      inTurn(caller, (address, signal) =>
        core.ask('hashPassword', { password, salt, iterations, address }, { signal }),
      )
    return {
      hash: (password, iterations, _random, caller) => hash(password, undefined, iterations, caller),
      rehash: hash,
      verify: (password, hash, caller) =>
        inTurn(caller, (address, signal) =>
          core.ask('verifyPassword', { password, hash, address }, { signal }),
        ),
    }
  }

  #stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#end(graceMs)
    return this.#stopping
  }

  async #end(graceMs: number): Promise<void> {
    // What is told to stop while it starts would go on to listen, over a line that has ended.
    await this.#starting.catch(() => undefined)
    await this.#http?.stop(graceMs)
    await this.#designs.scripting.close()
    await this.#indexes.close()
    await this.#channels.stop(0)
    await this.#databases.stop(0)
    this.#flushLog()
    // What was told last goes out before the line ends.
    await new Promise((resolve) => setImmediate(resolve))
    this.#channel.end(new Error('the front has stopped'))
  }
}

/** The signal is aborted when the caller has gone. */
async function whileThere<T>(
  caller: Caller,
  ask: (address: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const gone = new AbortController()
  const forget = caller.onGone(() => gone.abort())
  try {
    return await ask(caller.address, gone.signal)
  } finally {
    forget()
  }
}
