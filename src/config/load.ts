/**
 * Where the configuration comes from, each overriding those before it: the defaults, `--config FILE`, the
 * environment (`DAVENPORT_SECTION__KEY`), the flags. Nothing is ignored in silence: an unknown key, a key
 * that CouchDB has and this server has not, or a bad value stops the start. Variables that begin with
 * `DAVENPORT_` but hold no `__` belong to others (Kubernetes makes `DAVENPORT_PORT` for a service of that
 * name), `DAVENPORT_ADMIN` excepted.
 */
import { isUnsupportedCouchSetting } from './couchdb-settings.ts'
import { ConfigError, parseIni } from './ini.ts'
import { parseSetting, SETTINGS, type SettingName, type Settings } from './settings.ts'

export interface ConfigSources {
  file?: { path: string; text: string } | undefined
  environment?: Readonly<Record<string, string | undefined>> | undefined
  flags?: Flags | undefined
}

export interface Flags {
  host?: string | undefined
  port?: string | undefined
  dataDir?: string | undefined
  /** Each "name:password". */
  admins?: readonly string[] | undefined
  /** Origins; giving any turns CORS on, with credentials, as browsers' PouchDB needs them. */
  cors?: readonly string[] | undefined
}

/** What a server starts with. */
export interface Config extends Settings {
  /** Server administrators by name: a password, or a hash as CouchDB writes it. */
  readonly admins: ReadonlyMap<string, string>
}

const ENVIRONMENT_PREFIX = 'DAVENPORT_'

/** Throws ConfigError with the place and the reason. */
export function loadConfig(sources: ConfigSources): Config {
  const config = new ConfigBuilder()
  if (sources.file) readFile(config, sources.file)
  readEnvironment(config, sources.environment ?? {})
  readFlags(config, sources.flags ?? {})
  return config.build()
}

class ConfigBuilder {
  readonly #values = new Map<SettingName, unknown>()
  readonly #admins = new Map<string, string>()

  /** `where` is the file and line, the variable or the flag. An undefined value unsets. */
  set(section: string, key: string, value: string | undefined, where: string): void {
    if (section === 'admins') {
      if (value !== undefined) this.addAdmin(key, value, where)
      return
    }
    const name = SETTING_NAMES.get(`${section}/${key}`)
    if (name === undefined) throw new ConfigError(`${where}: ${reasonForUnknown(section, key)}`)
    if (value === undefined) return
    try {
      this.#values.set(name, parseSetting(name, value))
    } catch (error) {
      throw new ConfigError(`${where}: ${(error as Error).message}`)
    }
  }

  addAdmin(name: string, password: string, where: string): void {
    if (name === '' || name.startsWith('_') || hasControlOrColon(name)) {
      throw new ConfigError(
        `${where}: an administrator's name must not be empty, begin with "_" or contain ":" or control characters`,
      )
    }
    if (password === '') throw new ConfigError(`${where}: the password of ${name} must not be empty`)
    this.#admins.set(name, password)
  }

  /** "name:password"; the name ends at the first colon, as in Basic authentication. */
  addAdminPair(pair: string, where: string): void {
    const colon = pair.indexOf(':')
    if (colon < 1) throw new ConfigError(`${where}: expected name:password`)
    this.addAdmin(pair.slice(0, colon), pair.slice(colon + 1), where)
  }

  build(): Config {
    const entries = Object.entries(SETTINGS).map(([name, setting]) => {
      const given = this.#values.has(name as SettingName)
      return [name, given ? this.#values.get(name as SettingName) : setting.default]
    })
    const settings = Object.fromEntries(entries) as Settings
    return { ...settings, admins: this.#admins }
  }
}

const SETTING_NAMES: ReadonlyMap<string, SettingName> = new Map(
  Object.entries(SETTINGS).map(([name, { section, key }]) => [`${section}/${key}`, name as SettingName]),
)

function reasonForUnknown(section: string, key: string): string {
  const name = `[${section}] ${key}`
  return isUnsupportedCouchSetting(section, key)
    ? `${name} is a setting of CouchDB that davenport does not support; remove it`
    : `${name} is not a setting`
}

function readFile(config: ConfigBuilder, file: { path: string; text: string }): void {
  for (const { section, key, value, line } of parseIni(file.text, file.path)) {
    config.set(section, key, value, `${file.path}:${line}`)
  }
}

function readEnvironment(
  config: ConfigBuilder,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  readCouchAdmin(config, environment['COUCHDB_USER'], environment['COUCHDB_PASSWORD'])
  const pair = environment['DAVENPORT_ADMIN']
  if (pair !== undefined) config.addAdminPair(pair, 'DAVENPORT_ADMIN')
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || value === undefined) continue
    const [section, key, ...rest] = variable.slice(ENVIRONMENT_PREFIX.length).split('__')
    if (key === undefined) continue
    const lowerSection = section!.toLowerCase()
    const wholeKey = [key, ...rest].join('__')
    config.set(lowerSection, lowerSection === 'admins' ? wholeKey : wholeKey.toLowerCase(), value, variable)
  }
}

/** The two variables of CouchDB's container image. */
function readCouchAdmin(config: ConfigBuilder, user?: string, password?: string): void {
  if (user === undefined && password === undefined) return
  if (!user || !password) throw new ConfigError('COUCHDB_USER and COUCHDB_PASSWORD: one needs the other')
  config.addAdmin(user, password, 'COUCHDB_USER')
}

function readFlags(config: ConfigBuilder, flags: Flags): void {
  if (flags.host !== undefined) config.set('chttpd', 'bind_address', flags.host, '--host')
  if (flags.port !== undefined) config.set('chttpd', 'port', flags.port, '--port')
  if (flags.dataDir !== undefined) config.set('couchdb', 'database_dir', flags.dataDir, '--data-dir')
  if (flags.cors !== undefined && flags.cors.length > 0) {
    config.set('chttpd', 'enable_cors', 'true', '--cors')
    config.set('cors', 'credentials', 'true', '--cors')
    config.set('cors', 'origins', flags.cors.join(','), '--cors')
  }
  for (const pair of flags.admins ?? []) config.addAdminPair(pair, '--admin')
}

function hasControlOrColon(name: string): boolean {
  for (const character of name) if (character < ' ' || character === ':' || character === '\x7f') return true
  return false
}
