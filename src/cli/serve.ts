/**
 * Runs the server until it is told to stop. The ready line goes to standard output once requests are taken;
 * everything else that is worth a line goes to the log on standard error.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { createLog, describeError } from '../base/log.ts'
import { ConfigError } from '../config/ini.ts'
import { type Config, type ConfigSources, loadConfig } from '../config/load.ts'
import { readLocalFile } from '../config/local-file.ts'
import { LogFile } from './log-file.ts'
import { type Console, EXIT, type Parts } from './parts.ts'
import { RestartableServer } from './restartable-server.ts'
import { StopSignal } from './stop-signal.ts'
import { explain } from './system-error.ts'

export interface ServeFlags {
  host?: string
  port?: string
  'data-dir'?: string
  admin?: string[]
  cors?: string[]
  config?: string
  gateway?: string
}

/** Longer than any run: it only keeps the process from ending while something else is awaited. */
const KEEP_ALIVE_MS = 2 ** 30

/** Resolves with the exit status once everything is closed. */
export async function serve(flags: ServeFlags, parts: Parts, console: Console): Promise<number> {
  const { gateway } = flags
  const { logLevel, logWriter, logFile } = await readConfig(flags, console)
  const file = logWriter === 'file' ? LogFile.open(logFile, console.err) : undefined
  const write = file === undefined ? console.err : (line: string) => file.write(line)
  const log = createLog({ level: logLevel, write, now: () => systemClock.now() })
  const stopSignal = new StopSignal({
    clock: systemClock,
    force: () => {
      log.warning('stopped at once by a second signal')
      console.exit(EXIT.failure)
    },
  })
  const detach = console.onStopSignal((signal) => stopSignal.receive(signal))
  let detachHangUp = (): void => undefined
  const keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS)
  try {
    const running = await RestartableServer.start({
      load: () => readConfig(flags, console),
      readConfigFile: (config) => readConfigFile(config.sources.file!.path),
      readGatewayFile: gateway === undefined ? undefined : () => readNamedFile('--gateway', gateway),
      parts,
      log,
      levelOf: (level) => level,
    })
    detachHangUp = console.onHangUp(() => {
      file?.reopen()
      void reload(running)
    })
    return await run(running, parts, console, stopSignal)
  } finally {
    detachHangUp()
    clearInterval(keepAlive)
    detach()
    file?.close()
  }
}

/** Reads configuration and certificates anew, as far as they can be used. Never rejects. */
async function reload({ server }: RestartableServer): Promise<void> {
  const { configuration, log } = server
  try {
    await configuration.reload()
    log.notice('the configuration was read anew')
  } catch (error) {
    log.error('the configuration stays as it was', { reason: describeError(error) })
  }
}

async function run(
  running: RestartableServer,
  parts: Parts,
  console: Console,
  stopSignal: StopSignal,
): Promise<number> {
  const { server, urls } = running
  const { log } = server
  announce(running, console)
  log.info('started', { url: urls.join(' '), version: parts.version, databases: server.databases.size })
  const signal = await Promise.race([stopSignal.requested, running.failed])
  log.info('stopping', { signal })
  const status = await running.stop()
  log.info('stopped')
  return status
}

function announce({ server, url, urls, gateway }: RestartableServer, console: Console): void {
  for (const each of urls) {
    console.out(`davenport listening on ${each.startsWith('unix:') ? each : `${each}/`}\n`)
  }
  if (gateway !== undefined) {
    console.out(
      `davenport gateway listening on ${gateway.publicUrl}/\n` +
        `davenport gateway administrators on ${gateway.adminUrl}/\n`,
    )
  }
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
    file = { path: flags.config, text: await readConfigFile(flags.config) }
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

function readConfigFile(path: string): Promise<string> {
  return readNamedFile('--config', path)
}

/** Throws ConfigError. */
async function readNamedFile(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${option}: ${explain(error)}`)
  }
}
