/**
 * A Sync Gateway 1.x configuration file. It is JSON in which a text may also stand between backquotes, over several lines,
 * as sync functions do. What davenport has no use for (`server`, `bucket`, caches, ...) is kept and shown, and named in the log.
 */
import { ConfigError } from '../config/ini.ts'

export interface PrincipalConfig {
  name?: string | undefined
  password?: string | undefined
  admin_channels?: string[] | undefined
  admin_roles?: string[] | undefined
  email?: string | undefined
  disabled?: boolean | undefined
}

export interface OidcProviderConfig {
  issuer?: string
  client_id?: string
  validation_key?: string
  callback_url?: string
  disable_session?: boolean
  scope?: string[]
  include_access?: boolean
  user_prefix?: string
  discovery_url?: string
  register?: boolean
  disable_cfg_validation?: boolean
}

/** Signing in by Facebook. */
export interface FacebookConfig {
  /** Who signs in for the first time becomes a user. */
  register?: boolean | undefined
  /** The applications whose tokens count. Undefined: all of them. */
  app_id?: string[] | undefined
}

/** Signing in by Google. */
export interface GoogleConfig {
  /** Who signs in for the first time becomes a user. */
  register?: boolean | undefined
  /** The applications whose tokens count. */
  app_client_id?: string[] | undefined
}

export interface SocialConfig {
  facebook?: FacebookConfig | undefined
  google?: GoogleConfig | undefined
}

export interface DatabaseConfig extends SocialConfig {
  [name: string]: unknown
  sync?: string | undefined
  users?: Record<string, PrincipalConfig> | undefined
  roles?: Record<string, PrincipalConfig> | undefined
  revs_limit?: number | undefined
  allow_empty_password?: boolean | undefined
  offline?: boolean | undefined
  oidc?: { default_provider?: string; providers?: Record<string, OidcProviderConfig> } | undefined
  unsupported?: { oidc_test_provider?: { enabled?: boolean } } | undefined
  session_cookie_http_only?: boolean | undefined
}

export interface CorsConfig {
  Origin: readonly string[]
  LoginOrigin: readonly string[]
  Headers: readonly string[]
  MaxAge: number
}

export interface GatewayConfig {
  interface: string
  adminInterface: string
  cors: CorsConfig | undefined
  /** For the databases that say nothing else. */
  social: SocialConfig
  databases: ReadonlyMap<string, DatabaseConfig>
  /** Most seconds between two heartbeats. 0: none is too long. */
  maxHeartbeatSeconds: number
  /** Members that have no effect. */
  ignored: readonly string[]
}

export const DEFAULT_INTERFACE = '127.0.0.1:4984'
export const DEFAULT_ADMIN_INTERFACE = '127.0.0.1:4985'
export const LEAST_REVS_LIMIT = 20

const KNOWN = new Set([
  'interface',
  'admininterface',
  'cors',
  'databases',
  'maxheartbeat',
  'log',
  'facebook',
  'google',
])
const UNUSED_OF_DATABASE = new Set([
  'server',
  'bucket',
  'pool',
  'cache',
  'import_docs',
  'event_handlers',
  'shadow',
  'feed_type',
])

/** Throws ConfigError. */
export function readGatewayConfig(text: string): GatewayConfig {
  let value: unknown
  try {
    value = JSON.parse(withoutBackquotes(text))
  } catch (error) {
    throw new ConfigError(`--gateway: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!isObject(value)) throw new ConfigError('--gateway: the file holds no object')
  const members = new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]))
  const ignored = Object.keys(value).filter((name) => !KNOWN.has(name.toLowerCase()))
  const databases = new Map<string, DatabaseConfig>()
  for (const [name, config] of Object.entries(objectOf(members.get('databases') ?? {}, 'databases'))) {
    databases.set(name, databaseConfig(objectOf(config, `databases.${name}`)))
    for (const member of Object.keys(config as object)) {
      if (UNUSED_OF_DATABASE.has(member)) ignored.push(`databases.${name}.${member}`)
    }
  }
  return {
    interface: textOf(members.get('interface'), 'interface') ?? DEFAULT_INTERFACE,
    adminInterface: textOf(members.get('admininterface'), 'adminInterface') ?? DEFAULT_ADMIN_INTERFACE,
    cors: corsOf(members.get('cors')),
    social: socialOf({ facebook: members.get('facebook'), google: members.get('google') }),
    databases,
    maxHeartbeatSeconds: numberOf(members.get('maxheartbeat'), 'maxHeartbeat') ?? 0,
    ignored,
  }
}

/** Checks a database's configuration. Throws ConfigError. */
export function databaseConfig(value: Record<string, unknown>): DatabaseConfig {
  textOf(value['sync'], 'sync')
  const limit = numberOf(value['revs_limit'], 'revs_limit')
  if (limit !== undefined && limit < LEAST_REVS_LIMIT) {
    throw new ConfigError(`revs_limit is at least ${LEAST_REVS_LIMIT}`)
  }
  for (const name of ['users', 'roles', 'oidc', 'unsupported']) {
    if (value[name] !== undefined && value[name] !== null) objectOf(value[name], name)
  }
  socialOf(value)
  return value as DatabaseConfig
}

/** Throws ConfigError. */
function socialOf({ facebook, google }: Record<string, unknown>): SocialConfig {
  return {
    ...networkOf('facebook', 'app_id', facebook),
    ...networkOf('google', 'app_client_id', google),
  }
}

function networkOf(name: keyof SocialConfig, applications: string, value: unknown): SocialConfig {
  if (value === undefined || value === null) return {}
  const { register, [applications]: list } = objectOf(value, name)
  if (register !== undefined && typeof register !== 'boolean') {
    throw new ConfigError(`--gateway: ${name}.register is true or false`)
  }
  if (list !== undefined) textsOf(list, `${name}.${applications}`)
  return { [name]: value }
}

function corsOf(value: unknown): CorsConfig | undefined {
  if (value === undefined || value === null) return undefined
  const members = new Map(
    Object.entries(objectOf(value, 'CORS')).map(([name, member]) => [name.toLowerCase(), member]),
  )
  const list = (name: string): string[] => textsOf(members.get(name) ?? [], `CORS.${name}`)
  return {
    Origin: list('origin'),
    LoginOrigin: list('loginorigin'),
    Headers: list('headers'),
    MaxAge: numberOf(members.get('maxage'), 'CORS.maxAge') ?? 0,
  }
}

/** Texts between backquotes as JSON has them. */
function withoutBackquotes(text: string): string {
  let result = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '"') {
      let end = at + 1
      while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
      result += text.slice(at, end + 1)
      at = end
    } else if (character === '`') {
      const end = text.indexOf('`', at + 1)
      if (end < 0) throw new Error('a text between backquotes does not end')
      result += JSON.stringify(text.slice(at + 1, end).replaceAll('\r', ''))
      at = end
    } else result += character
  }
  return result
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function objectOf(value: unknown, name: string): Record<string, unknown> {
  if (!isObject(value)) throw new ConfigError(`--gateway: ${name} is no object`)
  return value
}

function textsOf(value: unknown, name: string): string[] {
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) {
    throw new ConfigError(`--gateway: ${name} is a list of texts`)
  }
  return value as string[]
}

function textOf(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new ConfigError(`--gateway: ${name} is no text`)
  return value
}

function numberOf(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new ConfigError(`--gateway: ${name} is no number`)
  return value
}
