/**
 * Who asks: an ID token where OpenID Connect is configured, else a name and a password, else a session, else GUEST. What is
 * wrong with a password or a token is told; a session that is none counts as nothing.
 */
import { parseBasic } from '../../auth/basic.ts'
import { GUEST } from '../../channels/names.ts'
import { GatewayError } from '../errors.ts'
import { SESSION_COOKIE, type Session } from '../principals/sessions.ts'
import { sessionStanding } from '../principals/standing.ts'
import type { Exchange } from './exchange.ts'

const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="Couchbase Sync Gateway"' }

/** Notes the user in the exchange. With `isOpen` nobody need be signed in. Rejects with 401. */
export async function signIn(exchange: Exchange, { isOpen }: { isOpen: boolean }): Promise<void> {
  const { database } = exchange
  const header = exchange.header('authorization')
  const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
  if (token !== undefined && database.config.oidc !== undefined) {
    const found = await exchange.gateway.oidc.userOfToken(database, token)
    if (found === undefined || database.reader(found.name) === undefined)
      throw new GatewayError(401, 'Invalid login')
    exchange.userName = found.name
    exchange.endMs = found.endMs
    return
  }
  const basic = parseBasic(header)
  if (basic.kind === 'given' && basic.name !== '') {
    const stands = await exchange.gateway.checkPassword(
      database,
      basic.name,
      basic.password,
      callerOf(exchange),
    )
    if (stands === undefined) throw new GatewayError(401, 'Invalid login', { headers: CHALLENGE })
    exchange.userName = basic.name
    exchange.stands = stands
    return
  }
  const secret = sessionCookie(exchange.header('cookie'))
  const session = secret === undefined ? undefined : database.sessions.find(secret)
  if (session !== undefined && database.reader(session.user) !== undefined) {
    exchange.userName = session.user
    exchange.sessionSecret = secret
    exchange.stands = sessionStanding(database, secret!, session.user)
    const renewed = await database.sessions.renew(secret!)
    if (renewed !== undefined) exchange.response.setHeader('Set-Cookie', cookieOf(exchange, secret!, renewed))
    return
  }
  if (database.reader(GUEST) !== undefined) exchange.userName = GUEST
  else if (!isOpen) requireSignedIn(exchange)
}

/** Throws 401. */
export function requireSignedIn({ userName }: Exchange): void {
  if (userName === undefined) throw new GatewayError(401, 'Login required', { headers: CHALLENGE })
}

export function callerOf(exchange: Exchange): { address: string; onGone(listener: () => void): () => void } {
  return {
    address: exchange.address,
    onGone(listener) {
      const { gone } = exchange
      if (gone.aborted) listener()
      else gone.addEventListener('abort', listener, { once: true })
      return () => gone.removeEventListener('abort', listener)
    },
  }
}

/** The value of the session's cookie in a Cookie header. */
export function sessionCookie(header: string | undefined): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === SESSION_COOKIE) return pair.slice(at + 1).trim() || undefined
  }
  return undefined
}

/** The Set-Cookie of a session. */
export function cookieOf({ database }: Pick<Exchange, 'database'>, secret: string, session: Session): string {
  const expires = new Date(session.expiresMs).toUTCString()
  const httpOnly = database.config.session_cookie_http_only === true ? '; HttpOnly' : ''
  return `${SESSION_COOKIE}=${secret}; Path=/${database.name}; Expires=${expires}${httpOnly}`
}

/** The Set-Cookie that takes a session's cookie away. */
export const NO_COOKIE = `${SESSION_COOKIE}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT`
