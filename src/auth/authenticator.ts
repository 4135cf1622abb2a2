/**
 * Who a request comes from, by the handlers of `[chttpd] authentication_handlers` in their order, the first that knows the
 * user deciding. CouchDB's are `cookie` and `default` (Basic); `jwt` and `proxy` can be put before them. A session slides:
 * once a tenth of its time is over, the answer carries a fresh cookie.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { parseBasic } from './basic.ts'
import { CredentialCheck, type CredentialCheckOptions } from './credential-check.ts'
import type { Caller } from './hash-queue.ts'
import { JwtReader } from './jwt.ts'
import type { LockOut } from './lock-out.ts'
import { type ProxySettings, proxyUser } from './proxy.ts'
import {
  type CookieOptions,
  findToken,
  isAuthentic,
  makeToken,
  parseToken,
  type SessionToken,
  setCookieHeader,
} from './session-cookie.ts'
import type { SessionSecrets } from './session-secrets.ts'
import { ANONYMOUS, type Credential, type CredentialSource, type UserCtx } from './user.ts'

/** As `GET /_session` names them. */
export type AuthenticationHandler = 'cookie' | 'default' | 'jwt' | 'proxy'

export interface Authentication {
  user: UserCtx
  /** Which handler knew the user; undefined for anonymous requests. */
  handler: AuthenticationHandler | undefined
  /** A Set-Cookie header that the answer should carry. */
  setCookie: string | undefined
  /** What is stored of the user, where the handler looked for it. */
  credential: Credential | undefined
  /** Of a token: when it was looked at. */
  atMs?: number
}

export interface RenewalOptions {
  /** A token that is over meanwhile still counts: its time ends no answer that was begun in time. */
  anyAge?: boolean
}

/** The headers of a request. */
export type RequestCredentials = IncomingHttpHeaders

export interface AskOptions {
  /** A malformed header is none. */
  tolerant?: boolean
  caller?: Caller
  /** The request came over TLS, and so shall the cookie that it may be given. */
  isSecure?: boolean
}

export interface AuthenticatorOptions {
  source: CredentialSource
  check: CredentialCheck
  /** Key the cookies. */
  secrets: Pick<SessionSecrets, 'current' | 'all'>
  cookie: CookieOptions
  /** In the order in which they are asked. */
  handlers: { readonly list: readonly AuthenticationHandler[] }
  jwt: Pick<JwtReader, 'read'>
  proxy: ProxySettings
  /** The key of the tokens of proxies, where one is configured. */
  proxySecret: { readonly secret: string | undefined }
  now: Clock['now']
}

/** Servers that share a secret may have clocks that differ by so much; a session from beyond it never was given. */
const CLOCK_SKEW_SECONDS = 60

const INCORRECT = 'Name or password is incorrect.'
const BEARER = 'Bearer '

const NOBODY: Authentication = {
  user: ANONYMOUS,
  handler: undefined,
  setCookie: undefined,
  credential: undefined,
}

/** The authenticator of a thread of a server with these settings, whose live ones it follows. */
export function authenticatorOf(
  settings: SettingsRegistry,
  given: Pick<AuthenticatorOptions, 'source' | 'secrets' | 'now'> &
    Pick<CredentialCheckOptions, 'hasher' | 'random' | 'onVerified' | 'onRemembered'> & { lockOut: LockOut },
): Authenticator {
  const { source, secrets, now, hasher, random, lockOut, onVerified, onRemembered } = given
  const iterations = settings.get('passwordIterations')
  const prf = settings.get('passwordPrf')
  const keys = settings.view({ byName: 'jwtKeys' })
  const jwt = settings.view({
    requiredClaims: 'jwtRequiredClaims',
    rolesClaimName: 'jwtRolesClaimName',
    rolesClaimPath: 'jwtRolesClaimPath',
    jwksUrl: 'jwksUrl',
  })
  return new Authenticator({
    source,
    check: new CredentialCheck({
      source,
      hasher,
      random,
      iterations,
      prf,
      lockOut,
      onVerified,
      onRemembered,
    }),
    secrets,
    cookie: settings.view({
      timeoutSeconds: 'sessionTimeoutSeconds',
      persistent: 'persistentCookies',
      domain: 'cookieDomain',
      sameSite: 'sameSite',
    }),
    handlers: settings.view({ list: 'authenticationHandlers' }),
    jwt: new JwtReader(jwt, (name) => keys.byName.get(name), now),
    proxy: settings.view({
      useSecret: 'proxyUseSecret',
      usernameHeader: 'proxyUsernameHeader',
      rolesHeader: 'proxyRolesHeader',
      tokenHeader: 'proxyTokenHeader',
      hashAlgorithms: 'hashAlgorithms',
    }),
    proxySecret: settings.view({ secret: 'secret' }),
    now,
  })
}

export class Authenticator {
  readonly #source: CredentialSource
  readonly #check: CredentialCheck
  readonly #secrets: AuthenticatorOptions['secrets']
  readonly #cookie: CookieOptions
  readonly #handlers: AuthenticatorOptions['handlers']
  readonly #jwt: Pick<JwtReader, 'read'>
  readonly #proxy: ProxySettings
  readonly #proxySecret: AuthenticatorOptions['proxySecret']
  readonly #now: Clock['now']

  constructor(options: AuthenticatorOptions) {
    this.#source = options.source
    this.#check = options.check
    this.#secrets = options.secrets
    this.#cookie = options.cookie
    this.#handlers = options.handlers
    this.#jwt = options.jwt
    this.#proxy = options.proxy
    this.#proxySecret = options.proxySecret
    this.#now = options.now
  }

  /** In the order in which they are asked. */
  get handlers(): readonly AuthenticationHandler[] {
    return this.#handlers.list
  }

  /**
   * What `authenticate` would answer, where that is known at once: for a request without credentials, and for
   * Basic ones that were right before. Undefined for all others.
   */
  recall(headers: RequestCredentials, address: string): Authentication | undefined {
    const { authorization, cookie } = headers
    if (cookie !== undefined) return undefined
    for (const handler of this.#handlers.list) {
      if (handler === 'proxy') return undefined
      if (handler === 'jwt' && authorization?.startsWith(BEARER)) return undefined
      if (handler === 'default' && authorization !== undefined) {
        const credential = this.#check.recall(authorization, address)
        return credential && { user: userOf(credential), handler, setCookie: undefined, credential }
      }
    }
    return NOBODY
  }

  /**
   * Throws unauthorized for a wrong name or password and for a malformed Authorization header of Basic (with
   * `tolerant`, as `GET /` wants it, the latter is an anonymous request), badRequest for a cookie that is no
   * session, and what `CredentialCheck.check` and `JwtReader.read` reject with. A session that is over or forged is an
   * anonymous request, as is a scheme that no handler knows.
   */
  async authenticate(headers: RequestCredentials, options: AskOptions = {}): Promise<Authentication> {
    for (const handler of this.#handlers.list) {
      const found = await this.#ask(handler, headers, options)
      if (found !== undefined) return found
    }
    return NOBODY
  }

  async #ask(
    handler: AuthenticationHandler,
    headers: RequestCredentials,
    options: AskOptions,
  ): Promise<Authentication | undefined> {
    if (handler === 'cookie') return this.#authenticateCookie(headers.cookie, options.isSecure)
    if (handler === 'default') return this.#authenticateBasic(headers.authorization, options)
    if (handler === 'jwt') {
      const { authorization } = headers
      if (!authorization?.startsWith(BEARER)) return undefined
      const atMs = this.#now()
      const user = await this.#jwt.read(authorization.slice(BEARER.length), atMs)
      return { user, handler, setCookie: undefined, credential: undefined, atMs }
    }
    const user = proxyUser(headers, this.#proxy, this.#proxySecret.secret)
    return user && { user, handler, setCookie: undefined, credential: undefined }
  }

  async #authenticateBasic(
    authorization: string | undefined,
    { tolerant, caller }: AskOptions,
  ): Promise<Authentication | undefined> {
    const basic = parseBasic(authorization)
    if (basic.kind === 'given') {
      const credential = await this.#check.check(basic.name, basic.password, caller)
      if (credential === undefined) throw new DatabaseError('unauthorized', INCORRECT)
      this.#check.accept(authorization!, credential)
      return { user: userOf(credential), handler: 'default', setCookie: undefined, credential }
    }
    if (basic.kind === 'malformed' && tolerant !== true) {
      throw new DatabaseError('unauthorized', 'Authorization header is malformed.')
    }
    return undefined
  }

  /** Signs in: the user, and the Set-Cookie header. Undefined where name or password are wrong. */
  async login(
    name: string,
    password: string,
    { caller, isSecure }: Omit<AskOptions, 'tolerant'> = {},
  ): Promise<{ user: UserCtx; setCookie: string } | undefined> {
    const credential = await this.#check.check(name, password, caller)
    if (credential === undefined) return undefined
    return { user: userOf(credential), setCookie: this.#cookieFor(credential, isSecure) }
  }

  /** The Set-Cookie header that signs out. */
  logout({ isSecure = false }: Pick<AskOptions, 'isSecure'> = {}): string {
    return setCookieHeader('', this.#now(), this.#cookie, isSecure)
  }

  async #authenticateCookie(
    header: string | undefined,
    isSecure: boolean | undefined,
  ): Promise<Authentication | undefined> {
    const token = sessionOf(header)
    const credential = token && (await this.#source.find(token.name))
    if (token === undefined || credential === undefined) return undefined
    const leftSeconds = this.#leftSeconds(token, credential)
    if (leftSeconds === undefined) return undefined
    const renew = leftSeconds < this.#cookie.timeoutSeconds * 0.9
    const setCookie = renew ? this.#cookieFor(credential, isSecure) : undefined
    return { user: userOf(credential), handler: 'cookie', setCookie, credential }
  }

  /** How long the session goes on; undefined where it is over or forged. */
  #leftSeconds(token: SessionToken, credential: Credential): number | undefined {
    if (!this.#isAuthentic(token, credential)) return undefined
    const ageSeconds = this.#nowSeconds() - token.issuedSeconds
    const leftSeconds = this.#cookie.timeoutSeconds - ageSeconds
    // A time that is no number fails both.
    return leftSeconds > 0 && ageSeconds >= -CLOCK_SKEW_SECONDS ? leftSeconds : undefined
  }

  #isAuthentic(token: SessionToken, { hash: { salt } }: Credential): boolean {
    return this.#secrets.all().some((secret) => isAuthentic(token, secret + salt))
  }

  /**
   * For a request that goes on while it shows what may be new: what `authenticate` found of it, if it would find the same user with the
   * same roles by the same handler now; undefined where it would not. At once where nothing has changed of what is stored. No
   * wrong password is counted, and no session is renewed. Rejects with what keeps that from being found out.
   */
  renewed(
    headers: RequestCredentials,
    earlier: Authentication,
    caller: Caller,
    { anyAge = false }: RenewalOptions = {},
  ): Authentication | undefined | Promise<Authentication | undefined> {
    const { handler, credential } = earlier
    if (handler === undefined) return earlier
    if (!this.#handlers.list.includes(handler)) return undefined
    if (handler === 'proxy') {
      const user = proxyUser(headers, this.#proxy, this.#proxySecret.secret)
      return user !== undefined && isSameUser(user, earlier.user) ? earlier : undefined
    }
    if (handler === 'jwt') return this.#renewedToken(headers, earlier, anyAge ? earlier.atMs : undefined)
    const found = this.#source.find(earlier.user.name!)
    if (found !== credential) return this.#renewedUser(headers, earlier, found, caller)
    return handler === 'default' || this.#isSignedFor(headers, credential!) ? earlier : undefined
  }

  async #renewedToken(
    { authorization = '' }: RequestCredentials,
    earlier: Authentication,
    atMs: number | undefined,
  ): Promise<Authentication | undefined> {
    const user = await this.#jwt.read(authorization.slice(BEARER.length), atMs)
    return isSameUser(user, earlier.user) ? earlier : undefined
  }

  /** `found` is what is stored now, or not known yet. */
  async #renewedUser(
    headers: RequestCredentials,
    earlier: Authentication,
    found: ReturnType<CredentialSource['find']>,
    caller: Caller,
  ): Promise<Authentication | undefined> {
    const { handler, user } = earlier
    const credential = await found
    if (credential === undefined || !isSameUser(userOf(credential), user)) return undefined
    if (handler === 'cookie') {
      return this.#isSignedFor(headers, credential) ? { ...earlier, credential } : undefined
    }
    if (credential === earlier.credential) return earlier
    const basic = parseBasic(headers.authorization)
    if (basic.kind !== 'given') return undefined
    const checked = await this.#check.recheck(basic.name, basic.password, caller)
    const isSame = checked !== undefined && isSameUser(userOf(checked), user)
    return isSame ? { ...earlier, credential: checked } : undefined
  }

  /** However old the session is: a request that goes on renews none, as others of its user would. */
  #isSignedFor({ cookie }: RequestCredentials, credential: Credential): boolean {
    const token = sessionOf(cookie)
    return token?.name === credential.name && this.#isAuthentic(token, credential)
  }

  #cookieFor(credential: Credential, isSecure = false): string {
    const secret = this.#secrets.current + credential.hash.salt
    const token = makeToken(credential.name, this.#nowSeconds(), secret)
    return setCookieHeader(token, this.#now(), this.#cookie, isSecure)
  }

  #nowSeconds(): number {
    return Math.floor(this.#now() / 1000)
  }
}

/** Undefined where there is none. Throws badRequest for what no server could have made. */
function sessionOf(header: string | undefined): SessionToken | undefined {
  const value = findToken(header)
  if (value === undefined) return undefined
  const token = parseToken(value)
  if (token === undefined) {
    throw new DatabaseError('badRequest', 'Malformed AuthSession cookie. Please clear your cookies.')
  }
  return token
}

function isSameUser(a: UserCtx, b: UserCtx): boolean {
  return (
    a.name === b.name && a.roles.length === b.roles.length && a.roles.every((role) => b.roles.includes(role))
  )
}

function userOf(credential: Credential): UserCtx {
  return { name: credential.name, roles: credential.roles }
}
