/**
 * Where the configuration comes from, each overriding those before it: the defaults, `--config FILE`, the file that the
 * server itself writes (`local.ini` in the data folder), the environment (`DAVENPORT_SECTION__KEY`), the flags. Nothing is
 * ignored in silence: an unknown key, a key that CouchDB has and this server has not, or a bad value stops the start; in
 * `local.ini` keys that nobody knows are kept, since requests may put any there. Variables that begin with `DAVENPORT_` but
 * hold no `__` belong to others (Kubernetes makes `DAVENPORT_PORT` for a service of that name), `DAVENPORT_ADMIN` excepted.
 */
import { isUnsupportedCouchSetting } from './couchdb-settings.ts'
import { ConfigError, parseIni } from './ini.ts'
import {
  ConfigLayer,
  type ConfigLayers,
  checkText,
  effectives,
  isNoChoice,
  settingOf,
  valueIn,
} from './layers.ts'
import { nearestSetting } from './nearest.ts'
import { ADMINS_SECTION, parseSetting, SETTINGS, type SettingName, type Settings } from './settings.ts'

/** A file of settings. */
export interface ConfigFile {
  readonly path: string
  readonly text: string
}

export interface ConfigSources {
  file?: ConfigFile | undefined
  /** What the server itself has written. */
  local?: ConfigFile | undefined
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
  readonly layers: ConfigLayers
  readonly sources: ConfigSources
}

const ENVIRONMENT_PREFIX = 'DAVENPORT_'

/** Throws ConfigError with the place and the reason. */
export function loadConfig(sources: ConfigSources): Config {
  const fixed = new ConfigLayer()
  readEnvironment(fixed, sources.environment ?? {})
  readFlags(fixed, sources.flags ?? {})
  const file = sources.file === undefined ? new ConfigLayer() : fileLayer(sources.file)
  const local = sources.local === undefined ? new ConfigLayer() : localLayer(sources.local)
  const layers = { file, local, fixed }
  return { ...settingsIn(layers), admins: adminsIn(layers), layers, sources }
}

/** The value of every setting under these layers. */
export function settingsIn(layers: ConfigLayers): Settings {
  const names = Object.keys(SETTINGS) as SettingName[]
  return Object.fromEntries(names.map((name) => [name, valueIn(layers, name)])) as unknown as Settings
}

/** The administrators that these layers configure. */
export function adminsIn(layers: ConfigLayers): Map<string, string> {
  return new Map(effectives(layers, ADMINS_SECTION).map(({ key, text }) => [key, text]))
}

/** Throws ConfigError for a name or a password that nobody may have. */
export function checkAdmin(name: string, password: string): void {
  if (name === '' || name.startsWith('_') || hasControlOrColon(name)) {
    throw new ConfigError(
      `an administrator's name must not be empty, begin with "_" or contain ":" or control characters`,
    )
  }
  if (password === '') throw new ConfigError(`the password of ${name} must not be empty`)
}

/** Throws ConfigError for a key that nobody obeys and for a value that its setting does not allow. */
function put(
  layer: ConfigLayer,
  section: string,
  key: string,
  text: string | undefined,
  where: string,
): void {
  try {
    if (section === ADMINS_SECTION) {
      if (text !== undefined) checkAdmin(key, text)
    } else {
      const name = settingOf(section, key)
      if (name === undefined) throw new ConfigError(reasonForUnknown(section, key))
      if (text === '' && SETTINGS[name].type !== 'entries') parseSetting(name, text)
      else if (text !== undefined) checkText(name, section, key, text)
    }
  } catch (error) {
    throw new ConfigError(`${where}: ${(error as Error).message}`)
  }
  layer.put({ section, key, text, where })
}

function reasonForUnknown(section: string, key: string): string {
  const name = `[${section}] ${key}`
  if (isUnsupportedCouchSetting(section, key)) {
    return `${name} is a setting of CouchDB that davenport does not support; remove it`
  }
  const meant = nearestSetting(section, key)
  return `${name} is not a setting${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** What a file given by `--config` says. Throws ConfigError. */
export function fileLayer(file: ConfigFile): ConfigLayer {
  const layer = new ConfigLayer()
  for (const { section, key, value, line } of parseIni(file.text, file.path)) {
    put(layer, section, key, value, `${file.path}:${line}`)
  }
  return layer
}

/** What the server's own file says. Throws ConfigError. */
export function localLayer(file: ConfigFile): ConfigLayer {
  const layer = new ConfigLayer()
  for (const { section, key, value: text, line } of parseIni(file.text, file.path)) {
    const where = `${file.path}:${line}`
    const name = settingOf(section, key)
    if (name !== undefined && SETTINGS[name].effect === 'given') {
      throw new ConfigError(`${where}: [${section}] ${key} cannot be said here`)
    }
    const isKept = name === undefined || (text !== undefined && isNoChoice(name, text))
    if (section === ADMINS_SECTION || !isKept) put(layer, section, key, text, where)
    else layer.put({ section, key, text, where })
  }
  return layer
}

function readEnvironment(
  layer: ConfigLayer,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  readCouchAdmin(layer, environment['COUCHDB_USER'], environment['COUCHDB_PASSWORD'])
  const pair = environment['DAVENPORT_ADMIN']
  if (pair !== undefined) putAdminPair(layer, pair, 'DAVENPORT_ADMIN')
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || value === undefined) continue
    const [section, key, ...rest] = variable.slice(ENVIRONMENT_PREFIX.length).split('__')
    if (key === undefined) continue
    const lowerSection = section!.toLowerCase()
    const wholeKey = [key, ...rest].join('__')
    const isName = lowerSection === ADMINS_SECTION || settingOf(lowerSection, '*') !== undefined
    put(layer, lowerSection, isName ? wholeKey : wholeKey.toLowerCase(), value, variable)
  }
}

/** The two variables of CouchDB's container image. */
function readCouchAdmin(layer: ConfigLayer, user?: string, password?: string): void {
  if (user === undefined && password === undefined) return
  if (!user || !password) throw new ConfigError('COUCHDB_USER and COUCHDB_PASSWORD: one needs the other')
  put(layer, ADMINS_SECTION, user, password, 'COUCHDB_USER')
}

function readFlags(layer: ConfigLayer, flags: Flags): void {
  if (flags.host !== undefined) put(layer, 'chttpd', 'bind_address', flags.host, '--host')
  if (flags.port !== undefined) put(layer, 'chttpd', 'port', flags.port, '--port')
  if (flags.dataDir !== undefined) put(layer, 'couchdb', 'database_dir', flags.dataDir, '--data-dir')
  if (flags.cors !== undefined && flags.cors.length > 0) {
    put(layer, 'chttpd', 'enable_cors', 'true', '--cors')
    put(layer, 'cors', 'credentials', 'true', '--cors')
    put(layer, 'cors', 'origins', flags.cors.join(','), '--cors')
    put(layer, 'cors', 'methods', 'GET, HEAD, POST, PUT, PATCH, DELETE, COPY, OPTIONS', '--cors')
  }
  for (const pair of flags.admins ?? []) putAdminPair(layer, pair, '--admin')
}

/** "name:password"; the name ends at the first colon, as in Basic authentication. */
function putAdminPair(layer: ConfigLayer, pair: string, where: string): void {
  const colon = pair.indexOf(':')
  if (colon < 1) throw new ConfigError(`${where}: expected name:password`)
  put(layer, ADMINS_SECTION, pair.slice(0, colon), pair.slice(colon + 1), where)
}

function hasControlOrColon(name: string): boolean {
  for (const character of name) if (character < ' ' || character === ':' || character === '\x7f') return true
  return false
}
