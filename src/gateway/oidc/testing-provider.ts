/**
 * A provider for tests, behind `unsupported.oidc_test_provider.enabled`: everybody is who he says he is. Its key is made anew
 * with each process, and what it has given out is forgotten after a while.
 */
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { type RandomBytes, randomHex } from '../../base/random.ts'

const ALGORITHM = 'RS256'
const MOST_GRANTS = 1000
const GRANT_MS = 10 * 60 * 1000
const REFRESH_MS = 24 * 60 * 60 * 1000
const SECRET_BYTES = 16

/** Whom a code or a refresh token is for. */
export interface Grant {
  issuer: string
  userName: string
  clientId: string
  lifeSeconds: number
  scope: string
}

interface Keys {
  id: string
  privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey']
  published: JWK
}

export class TestingProvider {
  readonly #random: RandomBytes
  readonly #nowMs: () => number
  readonly #codes = new LRUCache<string, Grant>({ max: MOST_GRANTS, ttl: GRANT_MS })
  readonly #refreshes = new LRUCache<string, Grant>({ max: MOST_GRANTS, ttl: REFRESH_MS })
  #keys: Promise<Keys> | undefined

  constructor(random: RandomBytes, nowMs: () => number) {
    this.#random = random
    this.#nowMs = nowMs
  }

  /** A code for somebody who has signed in. */
  code(grant: Grant): string {
    const code = randomHex(this.#random, SECRET_BYTES)
    this.#codes.set(code, grant)
    return code
  }

  /** The tokens for a code, which counts once. Undefined where it is none of this issuer's. */
  async tokensOfCode(issuer: string, code: string): Promise<Record<string, unknown> | undefined> {
    const grant = this.#codes.get(code)
    if (grant === undefined || grant.issuer !== issuer) return undefined
    this.#codes.delete(code)
    return this.#tokens(grant)
  }

  async tokensOfRefresh(issuer: string, token: string): Promise<Record<string, unknown> | undefined> {
    const grant = this.#refreshes.get(token)
    if (grant === undefined || grant.issuer !== issuer) return undefined
    return this.#tokens(grant)
  }

  async publishedKeys(): Promise<{ keys: JWK[] }> {
    return { keys: [(await this.#keysOnce()).published] }
  }

  async #tokens(grant: Grant): Promise<Record<string, unknown>> {
    const { issuer, userName, clientId, lifeSeconds, scope } = grant
    const { id, privateKey } = await this.#keysOnce()
    const now = Math.floor(this.#nowMs() / 1000)
    const email = scope.split(' ').includes('email')
      ? { email: `${userName}@syncgatewayoidctesting.com` }
      : {}
    const idToken = await new SignJWT({ nickname: `${userName}`, ...email })
      .setProtectedHeader({ alg: ALGORITHM, kid: id })
      .setIssuer(issuer)
      .setAudience(clientId)
      .setSubject(userName)
      .setIssuedAt(now)
      .setExpirationTime(now + lifeSeconds)
      .sign(privateKey)
    const refreshToken = randomHex(this.#random, SECRET_BYTES)
    this.#refreshes.set(refreshToken, grant)
    return {
      access_token: randomHex(this.#random, SECRET_BYTES),
      token_type: 'Bearer',
      refresh_token: refreshToken,
      expires_in: lifeSeconds,
      id_token: idToken,
    }
  }

  #keysOnce(): Promise<Keys> {
    this.#keys ??= this.#makeKeys()
    return this.#keys
  }

  async #makeKeys(): Promise<Keys> {
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM)
    const id = randomHex(this.#random, SECRET_BYTES)
    const { kty, n, e } = await exportJWK(publicKey)
    return { id, privateKey, published: { kid: id, kty, alg: ALGORITHM, use: 'sig', e, n } as JWK }
  }
}
