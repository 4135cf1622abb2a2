/**
 * Who a request comes from, by CouchDB's two handlers in their order: `cookie`, then `default` (Basic). A
 * session slides: once a tenth of its time is over, the answer carries a fresh cookie.
 */
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { parseBasic } from './basic.ts'
import { CredentialCheck, type CredentialCheckOptions } from './credential-check.ts'
import type { Caller } from './hash-queue.ts'
import {
  type CookieOptions,
  findToken,
  isAuthentic,
  makeToken,
  parseToken,
  setCookieHeader,
} from './session-cookie.ts'
import { ANONYMOUS, type Credential, type CredentialSource, type UserCtx } from './user.ts'

/** In the order in which they are asked; `GET /_session` lists them. */
export const AUTHENTICATION_HANDLERS = ['cookie', 'default'] as const

export interface Authentication {
  user: UserCtx
  /** Which handler knew the user; undefined for anonymous requests. */
  handler: (typeof AUTHENTICATION_HANDLERS)[number] | undefined
  /** A Set-Cookie header that the answer should carry. */
  setCookie: string | undefined
}

export interface RequestCredentials {
  /** The Authorization header. */
  authorization?: string | undefined
  /** The Cookie header. */
  cookie?: string | undefined
}

export interface AuthenticatorOptions {
  source: CredentialSource
  check: CredentialCheck
  /** Keys the cookies. */
  secret: string
  cookie: CookieOptions
  now: Clock['now']
}

/** Servers that share a secret may have clocks that differ by so much; a session from beyond it never was given. */
const CLOCK_SKEW_SECONDS = 60

const INCORRECT = 'Name or password is incorrect.'

const NOBODY: Authentication = { user: ANONYMOUS, handler: undefined, setCookie: undefined }

/** The authenticator of a thread of a server with these settings, whose live ones it follows. */
export function authenticatorOf(
  settings: SettingsRegistry,
  given: Pick<AuthenticatorOptions, 'source' | 'secret' | 'now'> &
    Pick<CredentialCheckOptions, 'hasher' | 'random'>,
): Authenticator {
  const { source, secret, now, hasher, random } = given
  const iterations = settings.get('passwordIterations')
  return new Authenticator({
    source,
    check: new CredentialCheck({ source, hasher, random, iterations }),
    secret,
    cookie: settings.view({
      timeoutSeconds: 'sessionTimeoutSeconds',
      persistent: 'persistentCookies',
      domain: 'cookieDomain',
      sameSite: 'sameSite',
    }),
    now,
  })
}

export class Authenticator {
  readonly #source: CredentialSource
  readonly #check: CredentialCheck
  readonly #secret: string
  readonly #cookie: CookieOptions
  readonly #now: Clock['now']

  constructor(options: AuthenticatorOptions) {
    this.#source = options.source
    this.#check = options.check
    this.#secret = options.secret
    this.#cookie = options.cookie
    this.#now = options.now
  }

  /**
   * What `authenticate` would answer, where that is known at once: for a request without credentials, and for
   * Basic ones that were right before. Undefined for all others.
   */
  recall(request: RequestCredentials): Authentication | undefined {
    const { authorization, cookie } = request
    if (cookie !== undefined) return undefined
    if (authorization === undefined) return NOBODY
    const credential = this.#check.recall(authorization)
    return credential && { user: userOf(credential), handler: 'default', setCookie: undefined }
  }

  /**
   * Throws unauthorized for a wrong name or password and for a malformed Authorization header (with
   * `tolerant`, as `GET /` wants it, the latter is an anonymous request), bad_request for a cookie that is no
   * session, and what `CredentialCheck.check` rejects with. A session that is over or forged is an anonymous request.
   */
  async authenticate(
    request: RequestCredentials,
    options: { tolerant?: boolean; caller?: Caller } = {},
  ): Promise<Authentication> {
    const session = await this.#authenticateCookie(request.cookie)
    if (session !== undefined) return session
    const basic = parseBasic(request.authorization)
    if (basic.kind === 'given') {
      const credential = await this.#check.check(basic.name, basic.password, options.caller)
      if (credential === undefined) throw new DatabaseError('unauthorized', INCORRECT)
      this.#check.accept(request.authorization!, credential)
      return { user: userOf(credential), handler: 'default', setCookie: undefined }
    }
    if (basic.kind === 'malformed' && options.tolerant !== true) {
      throw new DatabaseError('unauthorized', 'Authorization header is malformed.')
    }
    return NOBODY
  }

  /** Signs in: the user, and the Set-Cookie header. Undefined where name or password are wrong. */
  async login(
    name: string,
    password: string,
    caller?: Caller,
  ): Promise<{ user: UserCtx; setCookie: string } | undefined> {
    const credential = await this.#check.check(name, password, caller)
    if (credential === undefined) return undefined
    return { user: userOf(credential), setCookie: this.#cookieFor(credential) }
  }

  /** The Set-Cookie header that signs out. */
  logout(): string {
    return setCookieHeader('', this.#now(), this.#cookie)
  }

  async #authenticateCookie(header: string | undefined): Promise<Authentication | undefined> {
    const value = findToken(header)
    if (value === undefined) return undefined
    const token = parseToken(value)
    if (token === undefined) {
      throw new DatabaseError('badRequest', 'Malformed AuthSession cookie. Please clear your cookies.')
    }
    const credential = await this.#source.find(token.name)
    if (credential === undefined || !isAuthentic(token, this.#secretFor(credential))) return undefined
    const ageSeconds = this.#nowSeconds() - token.issuedSeconds
    const leftSeconds = this.#cookie.timeoutSeconds - ageSeconds
    // A time that is no number fails both.
    if (!(leftSeconds > 0 && ageSeconds >= -CLOCK_SKEW_SECONDS)) return undefined
    const renew = leftSeconds < this.#cookie.timeoutSeconds * 0.9
    const setCookie = renew ? this.#cookieFor(credential) : undefined
    return { user: userOf(credential), handler: 'cookie', setCookie }
  }

  #cookieFor(credential: Credential): string {
    const token = makeToken(credential.name, this.#nowSeconds(), this.#secretFor(credential))
    return setCookieHeader(token, this.#now(), this.#cookie)
  }

  #secretFor(credential: Credential): string {
    return this.#secret + credential.hash.salt
  }

  #nowSeconds(): number {
    return Math.floor(this.#now() / 1000)
  }
}

function userOf(credential: Credential): UserCtx {
  return { name: credential.name, roles: credential.roles }
}
