/** Signing in by OpenID Connect: which providers a database has, and which of its users somebody is by what they say. */
import { decodeJwt } from 'jose'
import { describeError, type Log } from '../../base/log.ts'
import type { RandomBytes } from '../../base/random.ts'
import { isPrincipalName } from '../../channels/names.ts'
import type { OidcProviderConfig } from '../config.ts'
import { GatewayError } from '../errors.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import type { HashPassword } from '../principals/principal-writes.ts'
import { registerUser } from '../principals/register-user.ts'
import type { Identity, ProviderClient } from './provider-client.ts'

/** After so long a provider is discovered again. */
const FRESH_MS = 60 * 60 * 1000

export interface OidcParts {
  random: RandomBytes
  hashPassword: HashPassword
  log: Log
}

interface Discovered {
  client: Promise<ProviderClient>
  sinceMs: number
}

export class Oidc {
  readonly #parts: OidcParts
  /** By the provider's configuration. */
  readonly #discovered = new Map<string, Discovered>()

  constructor(parts: OidcParts) {
    this.#parts = parts
  }

  /** The provider of that name, or the default one. */
  configOf({ config }: GatewayDatabase, name: string | undefined): OidcProviderConfig | undefined {
    const providers = config.oidc?.providers ?? {}
    const names = Object.keys(providers)
    const wanted = name ?? config.oidc?.default_provider ?? (names.length === 1 ? names[0]! : undefined)
    return wanted !== undefined && Object.hasOwn(providers, wanted) ? providers[wanted] : undefined
  }

  /** Rejects where the provider does not answer. */
  client(database: GatewayDatabase, config: OidcProviderConfig): Promise<ProviderClient> {
    const key = JSON.stringify([database.name, config])
    const nowMs = database.clock.monotonic()
    const known = this.#discovered.get(key)
    if (known !== undefined && nowMs - known.sinceMs < FRESH_MS) return known.client
    const client = import('./provider-client.ts').then((module) => module.ProviderClient.discover(config))
    this.#discovered.set(key, { client, sinceMs: nowMs })
    client.catch((error: unknown) => {
      this.#discovered.delete(key)
      const { issuer = '' } = config
      this.#parts.log.warning('an OpenID Connect provider cannot be used', {
        issuer,
        reason: describeError(error),
      })
    })
    return client
  }

  /** The user of an ID token that came as a bearer's; undefined where it is none of a provider of the database. */
  async userOfToken(
    database: GatewayDatabase,
    token: string,
  ): Promise<{ name: string; endMs: number } | undefined> {
    try {
      const { iss, aud } = decodeJwt(token)
      for (const config of Object.values(database.config.oidc?.providers ?? {})) {
        if (config.issuer !== iss || !([] as unknown[]).concat(aud).includes(config.client_id)) continue
        const client = await this.client(database, config)
        const identity = await client.identify(token)
        const name = await this.userOf(database, config, identity)
        return name === undefined ? undefined : { name, endMs: identity.endMs }
      }
    } catch {
      return undefined
    }
    return undefined
  }

  /** The user that somebody is; one is made where that is configured. Undefined where there is none. */
  async userOf(
    database: GatewayDatabase,
    config: OidcProviderConfig,
    { subject, email }: Identity,
  ): Promise<string | undefined> {
    const name = userName(config, subject)
    if (!isPrincipalName(name)) return undefined
    if (database.principals.user(name) !== undefined) return database.reader(name) && name
    if (config.register !== true) return undefined
    const { issuer = '' } = config
    await registerUser(database, { name, email, registeredBy: issuer }, this.#parts).catch(
      (error: unknown) => {
        // Somebody else was faster: he himself by another request, or an administrator.
        if (!(error instanceof GatewayError) || error.status !== 409) throw error
      },
    )
    return database.reader(name) && name
  }
}

/** Users of two providers never have one name. */
function userName({ user_prefix, issuer = '' }: OidcProviderConfig, subject: string): string {
  const prefix = user_prefix ?? queryEscaped(issuer.replace(/^\w+:\/\//, ''))
  return `${prefix}_${queryEscaped(subject)}`
}

/** As Go's `url.QueryEscape`. */
function queryEscaped(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1).replaceAll('*', '%2A').replaceAll('%7E', '~')
}
