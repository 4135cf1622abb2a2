/**
 * Runs the server until it is told to stop. The ready line goes to standard output once requests are taken;
 * everything else that is worth a line goes to the log on standard error.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { createLog, describeError, type Log } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { ConfigError } from '../config/ini.ts'
import { type Config, type ConfigSources, loadConfig } from '../config/load.ts'
import { readLocalFile } from '../config/local-file.ts'
import { SettingsRegistry } from '../config/registry.ts'
import { Server } from '../server/server.ts'
import { type Console, EXIT, type Listener, type Parts } from './parts.ts'
import { StopSignal } from './stop-signal.ts'
import { explain } from './system-error.ts'

export interface ServeFlags {
  host?: string
  port?: string
  'data-dir'?: string
  admin?: string[]
  cors?: string[]
  config?: string
}

/** Longer than any run: it only keeps the process from ending while something else is awaited. */
const KEEP_ALIVE_MS = 2 ** 30

/** Resolves with the exit status once everything is closed. */
export async function serve(flags: ServeFlags, parts: Parts, console: Console): Promise<number> {
  const config = await readConfig(flags, console)
  const log = createLog({ level: config.logLevel, write: console.err, now: () => systemClock.now() })
  const stopSignal = new StopSignal({
    clock: systemClock,
    force: () => {
      log.warning('stopped at once by a second signal')
      console.exit(EXIT.failure)
    },
  })
  const detach = console.onStopSignal((signal) => stopSignal.receive(signal))
  const keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS)
  try {
    const server = await open(config, parts, log)
    server.settings.subscribe('logLevel', (level) => log.setLevel(level))
    return await run(server, parts, console, stopSignal)
  } finally {
    clearInterval(keepAlive)
    detach()
  }
}

/** A server of the process, which takes no requests yet. Rejects as `Server.start` does. */
export function open(config: Config, parts: Parts, log: Log): Promise<Server> {
  const settings = new SettingsRegistry(config, log)
  return Server.start({
    ...parts.databaseOpener(settings),
    settings,
    config,
    readConfigFile: () => readFile(config.sources.file!.path, 'utf8'),
    log,
    clock: systemClock,
    random: systemRandom,
    acquireLock: parts.acquireLock,
  })
}

async function run(server: Server, parts: Parts, console: Console, stopSignal: StopSignal): Promise<number> {
  const { log, settings } = server
  const listener = await listen(server, parts)
  announce(server, listener.url, console)
  log.info('started', { url: listener.url, version: parts.version, databases: server.databases.size })
  const signal = await stopSignal.requested
  log.info('stopping', { signal })
  const status = await stop(server, listener, settings.get('stopGraceMs'))
  log.info('stopped')
  return status
}

/** Takes requests for `server`, which is stopped again when that fails. */
export async function listen(server: Server, parts: Parts): Promise<Listener> {
  try {
    return await parts.startHttp(server)
  } catch (error) {
    await server.stop(0)
    throw error
  }
}

/** Stops both, the listener first. Resolves with the exit status. */
export async function stop(server: Server, listener: Listener, graceMs: number): Promise<number> {
  let status: number = EXIT.ok
  const failed = (error: unknown): void => {
    server.log.error('a part of the server did not stop cleanly', { reason: describeError(error) })
    status = EXIT.failure
  }
  await listener.stop(graceMs).catch(failed)
  await server.stop(0).catch(failed)
  return status
}

function announce(server: Server, url: string, console: Console): void {
  console.out(`davenport listening on ${url}/\n`)
  const generated = server.administrators.generated
  if (generated === undefined) return
  const ready = new URL(url)
  ready.username = generated.name
  ready.password = generated.password
  console.out(
    `davenport made an administrator, ready at ${ready.href}\n` +
      `the password is kept in ${server.administrators.passwordFile} until an administrator is configured\n`,
  )
}

async function readConfig(flags: ServeFlags, console: Console): Promise<Config> {
  let file: { path: string; text: string } | undefined
  if (flags.config !== undefined) {
    try {
      file = { path: flags.config, text: await readFile(flags.config, 'utf8') }
    } catch (error) {
      throw new ConfigError(`--config: ${explain(error)}`)
    }
  }
  return withLocalFile({
    file,
    environment: console.environment,
    flags: {
      host: flags.host,
      port: flags.port,
      dataDir: flags['data-dir'],
      admins: flags.admin,
      cors: flags.cors,
    },
  })
}

/** The configuration of these sources and of the file that the server keeps in its folder. Throws ConfigError. */
export async function withLocalFile(sources: ConfigSources): Promise<Config> {
  const { databaseDir } = loadConfig(sources)
  const local = await readLocalFile(databaseDir)
  // One that is named as both is the server's.
  const isBoth = sources.file !== undefined && resolve(sources.file.path) === resolve(local.path)
  return loadConfig({ ...sources, local, file: isBoth ? undefined : sources.file })
}
