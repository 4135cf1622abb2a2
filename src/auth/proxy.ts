/**
 * Proxy authentication: a proxy in front says in headers who asks. Off unless `[chttpd] authentication_handlers` names it,
 * and then everybody who reaches the server may say anything, unless `proxy_use_secret` asks for the token: the HMAC of the
 * name, in hex, keyed by `[chttpd_auth] secret`. As CouchDB's `couch_httpd_auth`; without a secret, where that asks for no
 * token, none is right here.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { HASH_ALGORITHMS } from '../config/auth-settings.ts'
import type { UserCtx } from './user.ts'

export interface ProxySettings {
  readonly useSecret: boolean
  /** Names of headers, in any case. */
  readonly usernameHeader: string
  readonly rolesHeader: string
  readonly tokenHeader: string
  /** CouchDB's names of hash functions. */
  readonly hashAlgorithms: readonly string[]
}

/** Undefined where the headers name nobody, or the token is wrong. */
export function proxyUser(
  headers: IncomingHttpHeaders,
  settings: ProxySettings,
  secret: string | undefined,
): UserCtx | undefined {
  const name = headerOf(headers, settings.usernameHeader)
  if (name === undefined) return undefined
  if (settings.useSecret) {
    const token = headerOf(headers, settings.tokenHeader)
    const isRight = settings.hashAlgorithms.some((algorithm) => isTokenOf(name, token, algorithm, secret))
    if (!isRight) return undefined
  }
  const roles = headerOf(headers, settings.rolesHeader)
  return { name, roles: roles === undefined ? [] : roles.split(',').map((role) => role.trim()) }
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name.toLowerCase()]
  const text = Array.isArray(value) ? value.join(',') : value
  // Node reads headers as Latin-1; names of users are UTF-8.
  return text === undefined ? undefined : Buffer.from(text, 'latin1').toString('utf8')
}

function isTokenOf(
  name: string,
  token: string | undefined,
  algorithm: string,
  secret: string | undefined,
): boolean {
  if (token === undefined || secret === undefined || !Object.hasOwn(HASH_ALGORITHMS, algorithm)) return false
  const right = createHmac(HASH_ALGORITHMS[algorithm]!, secret).update(name).digest()
  const given = Buffer.from(token, 'hex')
  return given.length * 2 === token.length && given.length === right.length && timingSafeEqual(given, right)
}
