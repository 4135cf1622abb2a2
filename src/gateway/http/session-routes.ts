/** Sessions: signing in by a cookie, and what administrators do with sessions. */

import { GUEST, GUEST_LABEL } from '../../channels/names.ts'
import { timedObject } from '../../channels/timed-set.ts'
import { isObject } from '../config.ts'
import { badRequest, GatewayError, missing } from '../errors.ts'
import { SESSION_COOKIE } from '../principals/sessions.ts'
import type { Standing } from '../principals/standing.ts'
import { type Answer, empty, json } from './answer.ts'
import { allowedOrigin } from './cors.ts'
import type { Exchange } from './exchange.ts'
import { callerOf, cookieOf, NO_COOKIE, requireSignedIn, sessionCookie } from './sign-in.ts'

const MOST_TTL_SECONDS = 2 ** 31

/** What a client is told of who he is. */
export function sessionInfo({ database }: Pick<Exchange, 'database'>, name: string | undefined): unknown {
  const reader = name === undefined ? undefined : database.reader(name)
  return {
    authentication_handlers: ['default', 'cookie'],
    ok: true,
    userCtx: {
      channels: reader === undefined ? {} : timedObject(reader.ownChannels),
      name: reader === undefined || reader.name === GUEST ? null : reader.name,
    },
  }
}

export async function getSession(exchange: Exchange): Promise<Answer> {
  return json(sessionInfo(exchange, exchange.userName))
}

/** Makes a session. Rejects with 401 for whom `stands`, asked once it is made, says that he is who he was no more. */
export async function startSession(exchange: Exchange, name: string, stands: Standing): Promise<string> {
  const { sessions } = exchange.database
  const session = await sessions.create(name)
  // A password that was changed meanwhile has ended what sessions there were.
  if (!stands()) {
    await sessions.end(session.secret)
    throw new GatewayError(401, 'Invalid login')
  }
  exchange.response.setHeader('Set-Cookie', cookieOf(exchange, session.secret, session))
  return session.secret
}

/** The answer to who has shown who he is, with his new session. */
export async function signedIn(exchange: Exchange, name: string, stands: Standing): Promise<Answer> {
  await startSession(exchange, name, stands)
  return json(sessionInfo(exchange, name))
}

export async function postSession(exchange: Exchange): Promise<Answer> {
  requireLoginOrigin(exchange)
  const { name, stands } = await namedUser(exchange)
  return signedIn(exchange, name, stands)
}

/** The user of the body; where it names none that can sign in, the one who is signed in by other means. */
async function namedUser(exchange: Exchange): Promise<{ name: string; stands: Standing }> {
  const signedIn = exchange.userName || undefined
  try {
    const body = await exchange.json('credentials')
    if (!isObject(body)) throw badRequest('Bad JSON')
    const { name, password } = body
    for (const text of [name, password]) {
      if (text !== undefined && text !== null && typeof text !== 'string') throw badRequest('Bad JSON')
    }
    if (typeof name === 'string' && name !== GUEST) {
      const { gateway, database } = exchange
      const stands = await gateway.checkPassword(database, name, String(password ?? ''), callerOf(exchange))
      if (stands !== undefined) return { name, stands }
    }
  } catch (error) {
    if (signedIn === undefined) throw error
  }
  if (signedIn === undefined) throw new GatewayError(401, 'Invalid login')
  return { name: signedIn, stands: exchange.stands }
}

export async function deleteSession(exchange: Exchange): Promise<Answer> {
  requireSignedIn(exchange)
  requireLoginOrigin(exchange)
  const secret = exchange.sessionSecret ?? sessionCookie(exchange.header('cookie'))
  if (secret === undefined || !(await exchange.database.sessions.end(secret))) throw missing('no session')
  exchange.response.setHeader('Set-Cookie', NO_COOKIE)
  return empty()
}

/** A page of another site must not sign anybody in or out, unless it is said that it may. Throws 400. */
export function requireLoginOrigin(exchange: Exchange): void {
  const origin = exchange.header('origin')
  if (origin === undefined || exchange.isAdmin) return
  if (allowedOrigin(exchange.gateway.config.cors?.LoginOrigin ?? [], origin) === '')
    throw badRequest('No CORS')
}

export async function postAdminSession(exchange: Exchange): Promise<Answer> {
  const body = await exchange.json()
  if (!isObject(body)) throw badRequest('Bad JSON')
  const { name, ttl = 24 * 60 * 60 } = body
  if (typeof ttl !== 'number' || !Number.isInteger(ttl)) throw badRequest('Bad JSON')
  if (name !== undefined && typeof name !== 'string') throw badRequest('Bad JSON')
  if (name === undefined || name === GUEST || name === GUEST_LABEL)
    throw badRequest('Invalid or missing user name')
  if (ttl < 1 || ttl > MOST_TTL_SECONDS) throw badRequest('Invalid or missing ttl')
  if (exchange.database.principals.user(name) === undefined)
    throw missing(`No such user ${JSON.stringify(name)}`)
  const session = await exchange.database.sessions.create(name, ttl * 1000)
  const expires = new Date(session.expiresMs).toISOString()
  return json({ session_id: session.secret, expires, cookie_name: SESSION_COOKIE })
}

export async function getAdminSession(exchange: Exchange): Promise<Answer> {
  const session = exchange.database.sessions.find(exchange.param(1))
  if (session === undefined) throw missing()
  return json(sessionInfo(exchange, session.user))
}

export async function deleteAdminSession(exchange: Exchange): Promise<Answer> {
  if (!(await exchange.database.sessions.end(exchange.param(1)))) throw missing()
  return empty()
}

export async function deleteUserSession(exchange: Exchange): Promise<Answer> {
  if (!(await exchange.database.sessions.end(exchange.param(2), exchange.param(1)))) throw missing()
  return empty()
}

export async function deleteUserSessions(exchange: Exchange): Promise<Answer> {
  await exchange.database.sessions.endAllOf(exchange.param(1))
  return empty()
}
