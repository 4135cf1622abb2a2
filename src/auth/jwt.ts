/**
 * Bearer tokens: JSON Web Tokens (RFC 7519) as CouchDB's `jwtf` takes them. A token names the user (`sub`) and his roles;
 * whoever holds a key of `[jwt_keys]` may make one for anybody. What holds:
 * - A token that is not taken is an error, never an anonymous request.
 * - The algorithm decides which kind of key is looked for, so that a public key is never taken for a shared secret.
 * - Claims are looked at before the signature, in CouchDB's order: what is said of a token is what its maker wrote into it.
 * Unlike there a time must be a number: a text would be later than every time.
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { DatabaseError } from '../base/errors.ts'
import type { RequiredClaims } from '../config/auth-settings.ts'
import type { UserCtx } from './user.ts'

export interface JwtSettings {
  readonly requiredClaims: RequiredClaims
  /** The claim that has the roles. */
  readonly rolesClaimName: string
  /** Where that claim is, from outside to inside; undefined: it is a claim of its own. */
  readonly rolesClaimPath: readonly string[] | undefined
  /** Where further public keys are fetched from (RFC 7517); undefined for nowhere. */
  readonly jwksUrl: string | undefined
}

/** The text of `[jwt_keys] KIND:ID`. */
export type JwtKeys = (name: string) => string | undefined

/** Loaded with the first token: a module takes memory in each thread that has it. */
type Jose = typeof import('jose')
type RemoteKeys = ReturnType<Jose['createRemoteJWKSet']>
type VerifiedKey = Parameters<Jose['compactVerify']>[1]

/** Kinds of keys by the algorithms that use them. */
const KIND_OF: Readonly<Record<string, 'hmac' | 'rsa' | 'ec' | 'eddsa'>> = {
  HS256: 'hmac',
  HS384: 'hmac',
  HS512: 'hmac',
  RS256: 'rsa',
  RS384: 'rsa',
  RS512: 'rsa',
  ES256: 'ec',
  ES384: 'ec',
  ES512: 'ec',
  EdDSA: 'eddsa',
}

const LONGEST_TOKEN = 16 * 1024
const MOST_VERIFIED = 1000
const DEFAULT_KEY = '_default'

export class JwtReader {
  readonly #settings: JwtSettings
  readonly #keys: JwtKeys
  readonly #now: () => number
  /** The key's text, by digests of tokens whose signature was right. */
  readonly #verified = new LRUCache<string, string>({ max: MOST_VERIFIED })
  #remote: { url: string; keys: RemoteKeys } | undefined

  /** `now` is in milliseconds since the epoch. */
  constructor(settings: JwtSettings, keys: JwtKeys, now: () => number) {
    this.#settings = settings
    this.#keys = keys
    this.#now = now
  }

  /**
   * Who the token is of, by what is configured now. Rejects with badRequest, and with unauthorized for one that is over at `atMs`,
   * or nobody's.
   */
  async read(token: string, atMs = this.#now()): Promise<UserCtx> {
    const parts = token.split('.')
    if (parts.length !== 3 || token.length > LONGEST_TOKEN) throw malformed()
    // One signature has one spelling: what decodes it passes over bytes that are none of the alphabet.
    if (!/^[A-Za-z0-9_-]*$/.test(parts[2]!)) throw malformed()
    const header = partOf(parts[0]!)
    const { alg, kid } = this.#checkedHeader(header)
    const claims = partOf(parts[1]!)
    this.#checkClaims(claims, Math.floor(atMs / 1000))
    await this.#verify(token, alg, kid)
    const roles = this.#rolesOf(claims)
    const { sub } = claims
    if (sub === undefined) throw new DatabaseError('unauthorized', 'Token missing sub claim.')
    if (typeof sub !== 'string') throw malformed()
    return { name: sub, roles }
  }

  #checkedHeader(header: Claims): { alg: string; kid: string | undefined } {
    const { typ, alg, kid, crit } = header
    const required = this.#settings.requiredClaims
    if (required.has('typ')) {
      if (typ === undefined) throw refused('Missing typ header parameter')
      if (typ !== 'JWT') throw refused('Invalid typ header parameter')
    }
    if (alg === undefined) throw refused('Missing alg header parameter')
    if (typeof alg !== 'string' || !Object.hasOwn(KIND_OF, alg)) throw refused('Invalid alg header parameter')
    if (kid === undefined && required.has('kid')) throw refused('Missing kid claim')
    if (kid !== undefined && typeof kid !== 'string') throw refused('Unknown kid')
    // RFC 7515, 4.1.11: none of the extensions is understood here that a token can insist on.
    if (crit !== undefined) throw refused('Invalid crit header parameter')
    return { alg, kid }
  }

  #checkClaims(claims: Claims, nowSeconds: number): void {
    const required = this.#settings.requiredClaims
    for (const [name, value] of required) {
      if (value === undefined) continue
      if (claims[name] === undefined) throw refused(`Missing ${name} claim`)
      const isAudience = name === 'aud' && Array.isArray(claims['aud']) && claims['aud'].includes(value)
      if (claims[name] !== value && !isAudience) throw refused(`Invalid ${name} claim`)
    }
    if (required.has('iat')) timeOf(claims, 'iat')
    if (required.has('nbf') && timeOf(claims, 'nbf') >= nowSeconds) {
      throw new DatabaseError('unauthorized', 'nbf not in past')
    }
    if (required.has('exp') && timeOf(claims, 'exp') <= nowSeconds) {
      throw new DatabaseError('unauthorized', 'exp not in future')
    }
    for (const [name, value] of required) {
      const isLookedAt = value !== undefined || TIMES.has(name) || HEADER_MEMBERS.has(name)
      if (!isLookedAt && claims[name] === undefined) throw refused(`Missing ${name} claim`)
    }
  }

  async #verify(token: string, alg: string, kid: string | undefined): Promise<void> {
    const kind = KIND_OF[alg]!
    const text = this.#keys(`${kind}:${kid ?? DEFAULT_KEY}`)
    const { jwksUrl } = this.#settings
    if (text === undefined && (jwksUrl === undefined || kind === 'hmac')) throw refused('Unknown kid')
    const digest = hash('sha256', token, 'binary')
    if (text !== undefined && this.#verified.get(digest) === text) return
    const jose = await import('jose')
    try {
      if (text === undefined) {
        await jose.compactVerify(token, this.#remoteKeys(jose, jwksUrl!), { algorithms: [alg] })
      } else await jose.compactVerify(token, await keyOf(jose, kind, text, alg), { algorithms: [alg] })
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ERR_JWKS_NO_MATCHING_KEY') throw refused('Unknown kid')
      throw refused(kind === 'hmac' ? 'Bad HMAC' : 'Bad signature')
    }
    if (text !== undefined) this.#verified.set(digest, text)
  }

  #remoteKeys({ createRemoteJWKSet }: Jose, url: string): RemoteKeys {
    if (this.#remote?.url !== url) this.#remote = { url, keys: createRemoteJWKSet(new URL(url)) }
    return this.#remote.keys
  }

  /** A list, or names with commas between. Throws missing: a token may be without the claim, but not without what a path leads to. */
  #rolesOf(claims: Claims): readonly string[] {
    const { rolesClaimName, rolesClaimPath } = this.#settings
    const found =
      rolesClaimPath === undefined ? memberOf(claims, rolesClaimName) : memberAt(claims, rolesClaimPath)
    if (found === undefined) return []
    if (typeof found === 'string') return found.split(',').map((role) => role.trim())
    if (Array.isArray(found) && found.every((role) => typeof role === 'string')) return found
    throw malformed()
  }
}

type Claims = Record<string, unknown>

function memberOf(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Claims)[name] : undefined
}

/** What `path` leads to from `claims`. Throws missing, in CouchDB's words, where it leads nowhere. */
function memberAt(claims: Claims, path: readonly string[]): unknown {
  let found: unknown = claims
  for (const name of path) {
    const isObject = typeof found === 'object' && found !== null && !Array.isArray(found)
    if (!isObject) throw new DatabaseError('missing', 'json_mismatch')
    found = memberOf(found as Claims, name)
    if (found === undefined) throw new DatabaseError('missing', `missing json key: ${name}`)
  }
  return found
}

const TIMES: ReadonlySet<string> = new Set(['iat', 'nbf', 'exp'])
const HEADER_MEMBERS: ReadonlySet<string> = new Set(['typ', 'alg', 'kid'])

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function partOf(text: string): Claims {
  let value: unknown
  try {
    if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) throw malformed()
    value = JSON.parse(UTF8.decode(Buffer.from(text, 'base64url')))
  } catch {
    throw malformed()
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('Not an object')
  return value as Claims
}

function timeOf(claims: Claims, name: string): number {
  const time = claims[name]
  if (time === undefined) throw refused(`Missing ${name} claim`)
  if (typeof time !== 'number' || (name === 'iat' && !Number.isInteger(time))) {
    throw refused(`Invalid ${name} claim`)
  }
  return time
}

/** A shared secret is written in base64; a public key as PEM, whose ends of lines may be written `\n`, or as a JWK. */
async function keyOf(
  jose: Jose,
  kind: 'hmac' | 'rsa' | 'ec' | 'eddsa',
  text: string,
  alg: string,
): Promise<VerifiedKey> {
  if (kind === 'hmac') return Buffer.from(text, 'base64')
  if (text.startsWith('{')) return jose.importJWK(JSON.parse(text) as Parameters<Jose['importJWK']>[0], alg)
  return jose.importSPKI(text.replaceAll('\\n', '\n'), alg)
}

function refused(reason: string): DatabaseError {
  return new DatabaseError('badRequest', reason)
}

function malformed(): DatabaseError {
  return refused('Malformed token')
}
