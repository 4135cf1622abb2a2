/**
 * One OpenID Connect provider as its client sees it: found by discovery, asked for tokens, and whose ID tokens are verified by
 * its keys. It is the administrator who names it, so it is asked wherever it is; every request to it ends.
 */
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import * as client from 'openid-client'
import type { OidcProviderConfig } from '../config.ts'

const TIMEOUT_SECONDS = 10
const DEFAULT_SCOPE = ['openid', 'email']
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_SECONDS = 60

/** What a provider has given for a code or a refresh token. */
export interface Tokens {
  idToken: string
  refreshToken: string | undefined
  accessToken: string
  tokenType: string
  expiresInSeconds: number | undefined
}

/** Who an ID token says somebody is. */
export interface Identity {
  subject: string
  email: string | undefined
  /** When the token ends that said so, in Unix time. */
  endMs: number
}

export class ProviderClient {
  readonly config: OidcProviderConfig
  readonly #client: client.Configuration
  readonly #keys: ReturnType<typeof createRemoteJWKSet>

  private constructor(config: OidcProviderConfig, found: client.Configuration) {
    this.config = config
    this.#client = found
    this.#keys = createRemoteJWKSet(new URL(found.serverMetadata().jwks_uri!), {
      timeoutDuration: TIMEOUT_SECONDS * 1000,
    })
  }

  /** Rejects where the provider does not answer, or is another one. */
  static async discover(config: OidcProviderConfig): Promise<ProviderClient> {
    const { issuer = '', client_id = '', validation_key, discovery_url } = config
    const found = await client.discovery(
      new URL(discovery_url ?? issuer),
      client_id,
      undefined,
      validation_key === undefined ? client.None() : client.ClientSecretBasic(validation_key),
      {
        timeout: TIMEOUT_SECONDS,
        execute: issuer.startsWith('http:') ? [client.allowInsecureRequests] : [],
        [client.customFetch]: fetchJson,
      },
    )
    if (found.serverMetadata().jwks_uri === undefined) throw new Error('the provider names no keys')
    return new ProviderClient(config, found)
  }

  /** Where somebody signs in. Its parameters are in the order of their names. */
  loginUrl(callbackUrl: string, { isOffline }: { isOffline: boolean }): string {
    const url = client.buildAuthorizationUrl(this.#client, {
      redirect_uri: callbackUrl,
      scope: (this.config.scope ?? DEFAULT_SCOPE).join(' '),
      state: '',
      ...(isOffline ? { access_type: 'offline', prompt: 'consent' } : {}),
    })
    url.searchParams.sort()
    return url.href
  }

  /** Rejects where the provider refuses the code. */
  async exchange(callbackUrl: string, code: string): Promise<Tokens> {
    const url = new URL(callbackUrl)
    url.searchParams.set('code', code)
    const checks = { expectedState: client.skipStateCheck, idTokenExpected: true } as const
    return tokensOf(await client.authorizationCodeGrant(this.#client, url, checks))
  }

  /** Rejects where the provider refuses the refresh token. */
  async refresh(refreshToken: string): Promise<Tokens> {
    return tokensOf(await client.refreshTokenGrant(this.#client, refreshToken))
  }

  /** Rejects unless the token is this provider's, for this client, and in force. */
  async identify(idToken: string): Promise<Identity> {
    const { payload } = await jwtVerify(idToken, this.#keys, {
      issuer: this.#client.serverMetadata().issuer,
      audience: this.config.client_id ?? '',
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['sub', 'exp'],
    })
    const endMs = (payload.exp! + CLOCK_TOLERANCE_SECONDS) * 1000
    return { subject: payload.sub!, email: emailOf(payload), endMs }
  }
}

function emailOf({ email, email_verified }: JWTPayload): string | undefined {
  return typeof email === 'string' && email_verified !== false ? email : undefined
}

function tokensOf(response: client.TokenEndpointResponse): Tokens {
  const { id_token, refresh_token, access_token, token_type, expires_in } = response
  if (id_token === undefined) throw new Error('the provider gave no ID token')
  return {
    idToken: id_token,
    refreshToken: refresh_token,
    accessToken: access_token,
    tokenType: token_type.toLowerCase() === 'bearer' ? 'Bearer' : token_type,
    expiresInSeconds: expires_in,
  }
}

/** Some providers, the gateway's own for tests among them, send JSON as text. */
const fetchJson: client.CustomFetch = async (url, options) => {
  const response = await fetch(url, options as RequestInit)
  const type = response.headers.get('content-type') ?? ''
  if (!type.startsWith('text/plain')) return response
  const { status } = response
  return new Response(await response.text(), { status, headers: { 'content-type': 'application/json' } })
}
