/**
 * A server of this process that takes requests, and can be started anew: everything is closed, the configuration is read
 * again, everything is opened again, on the port that it had. What holds:
 * - Who asks for a restart is answered before it; other requests have the time that they have when the server stops.
 * - A configuration that makes no sense, or that no server can be started with, is refused while the server still runs.
 * - One restart runs at a time, and each server is followed by one: who asks one that is being closed already has asked for
 *   that restart, and who asks the next one, which may take requests before all of it is open, for another behind it.
 * - A server that is stopped meanwhile is stopped after the restart.
 */
import { systemClock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type LeveledLog, type LogLevel } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { systemRandom } from '../base/random.ts'
import { ConfigError } from '../config/ini.ts'
import type { Config } from '../config/load.ts'
import { SettingsRegistry } from '../config/registry.ts'
import type { RunningGateway } from '../gateway/start-gateway.ts'
import { startReplicator } from '../replicator/start-replicator.ts'
import type { DatabaseOpener } from '../server/registry.ts'
import { Server } from '../server/server.ts'
import { candidateOf, problemOfStart } from '../server/start-obstacles.ts'
import { EXIT, type Listener, type Parts } from './parts.ts'

export interface RestartableServerOptions {
  /** The configuration as it is now. Throws ConfigError. */
  load(): Promise<Config>
  /** The text of the file that `--config` names, as it is now. */
  readConfigFile(config: Config): Promise<string>
  /** The text of the file that `--gateway` names, as it is now; undefined: there is no gateway. */
  readGatewayFile?: (() => Promise<string>) | undefined
  parts: Parts
  log: LeveledLog
  /** The log's level under a setting. */
  levelOf(setting: LogLevel): LogLevel
}

interface Opened {
  readonly server: Server
  readonly listener: Listener
  readonly gateway: RunningGateway | undefined
}

export class RestartableServer {
  readonly #options: RestartableServerOptions
  /** The last that was opened. */
  #opened: Opened
  /** It was closed, and no other could be opened. */
  #isDown = false
  /** The last restart that was asked for, while it has not ended. */
  #restarting: Promise<void> | undefined
  /** How many restarts were asked for: the number of the server that the last of them opens. The first server's is 0. */
  #restarts = 0
  #stopped: Promise<number> | undefined
  /** Rejects when a restart has failed: nothing runs then. */
  readonly failed: Promise<never>
  #fail: (error: unknown) => void = () => undefined

  private constructor(options: RestartableServerOptions, opened: Opened) {
    this.#options = options
    this.#opened = opened
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => undefined)
  }

  /** Resolves once requests are taken. Rejects as `load`, `Server.start` and `listen` do. */
  static async start(options: RestartableServerOptions): Promise<RestartableServer> {
    let running: RestartableServer | undefined
    const restart = async (): Promise<void> => {
      if (running === undefined) throw new DatabaseError('serviceUnavailable', 'the server is being started')
      await running.#restart(0)
    }
    running = new RestartableServer(options, await open(options, restart, {}))
    return running
  }

  get server(): Server {
    return this.#opened.server
  }

  /** With scheme and port, without a slash at the end. */
  get url(): string {
    return this.#opened.listener.url
  }

  /** Of everything that it listens on, the one above first; a Unix socket's is `unix:PATH`. */
  get urls(): readonly string[] {
    return this.#opened.listener.urls
  }

  /** Undefined where there is none. */
  get gateway(): RunningGateway | undefined {
    return this.#opened.gateway
  }

  /** Stops the listener, then the rest. Resolves with the exit status. */
  stop(graceMs = this.server.settings.get('stopGraceMs')): Promise<number> {
    this.#stopped ??= this.#stop(graceMs)
    return this.#stopped
  }

  async #stop(graceMs: number): Promise<number> {
    await this.#restarting?.catch(() => undefined)
    return this.#isDown ? EXIT.failure : close(this.#opened, graceMs)
  }

  /**
   * `asked` is the number of the server that was asked. Resolves when a restart is sure to come. Throws badRequest for a
   * configuration that makes no sense.
   */
  async #restart(asked: number): Promise<void> {
    const config = await this.#options.load().catch((error) => {
      throw error instanceof ConfigError ? new DatabaseError('badRequest', error.message) : error
    })
    const problem = await problemOfStart(candidateOf(config.layers))
    if (problem !== undefined) throw new DatabaseError('badRequest', problem)
    if (this.#stopped !== undefined) throw new DatabaseError('shuttingDown')
    if (asked < this.#restarts) return
    this.#restarts += 1
    const next = this.#restarts
    const restarting = Promise.resolve(this.#restarting)
      .then(() => this.#reopen(next))
      .finally(() => {
        if (this.#restarting === restarting) this.#restarting = undefined
      })
    this.#restarting = restarting
    restarting.catch((error) => this.#fail(error))
  }

  /** `number` is that of the server to be opened. */
  async #reopen(number: number): Promise<void> {
    const { log } = this.#options
    const { server, listener } = this.#opened
    log.notice('starting anew')
    const ports = portsOf(listener.urls)
    await close(this.#opened, server.settings.get('stopGraceMs'))
    try {
      this.#opened = await open(this.#options, () => this.#restart(number), ports)
    } catch (error) {
      this.#isDown = true
      log.error('the server could not be started anew', { reason: describeError(error) })
      throw error
    }
    log.notice('started anew', { url: this.url })
  }
}

/** Of HTTP and HTTPS. */
interface Ports {
  port?: number
  sslPort?: number
}

function portsOf(urls: readonly string[]): Ports {
  const ports: Ports = {}
  for (const { protocol, port } of urls.map((url) => new URL(url))) {
    if (protocol === 'http:') ports.port ??= Number(port)
    else if (protocol === 'https:') ports.sslPort ??= Number(port)
  }
  return ports
}

/** `ports` are what is taken where any free one would do. */
async function open(
  options: RestartableServerOptions,
  restart: () => Promise<void>,
  ports: Ports,
): Promise<Opened> {
  const { parts, log } = options
  const loaded = await options.load()
  const config = {
    ...loaded,
    port: loaded.port || (ports.port ?? 0),
    sslPort: loaded.sslPort || (ports.sslPort ?? 0),
  }
  const settings = new SettingsRegistry(config, log)
  const metrics = new Metrics()
  log.setLevel(options.levelOf(config.logLevel))
  settings.subscribe('logLevel', (level) => log.setLevel(options.levelOf(level)))
  const opener = parts.databaseOpener(settings, metrics)
  const server = await Server.start({
    ...opener,
    settings,
    config,
    readConfigFile: () => options.readConfigFile(config),
    log,
    clock: systemClock,
    random: systemRandom,
    acquireLock: parts.acquireLock,
    metrics,
    startReplicator,
    restart,
  })
  try {
    const listener = await parts.startHttp(server)
    const gateway = await startGateway(options, server, opener).catch(async (error) => {
      await listener.stop(0)
      throw error
    })
    server.replicator.begin()
    return { server, listener, gateway }
  } catch (error) {
    await server.stop(0)
    throw error
  }
}

async function startGateway(
  { parts, readGatewayFile }: RestartableServerOptions,
  server: Server,
  opener: DatabaseOpener,
): Promise<RunningGateway | undefined> {
  return readGatewayFile === undefined
    ? undefined
    : parts.startGateway(server, opener, await readGatewayFile())
}

async function close({ server, listener, gateway }: Opened, graceMs: number): Promise<number> {
  let status: number = EXIT.ok
  const failed = (error: unknown): void => {
    server.log.error('a part of the server did not stop cleanly', { reason: describeError(error) })
    status = EXIT.failure
  }
  await Promise.all([listener.stop(graceMs).catch(failed), gateway?.stop(graceMs).catch(failed)])
  await server.stop(0).catch(failed)
  return status
}
