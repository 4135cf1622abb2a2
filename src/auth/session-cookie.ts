/**
 * The AuthSession cookie, as CouchDB's `couch_httpd_auth` makes it: base64url, without padding, of
 * `NAME:TIME:MAC`. TIME is the second of issue in upper-case hex; MAC is the raw HMAC of `NAME:TIME`, keyed by
 * the server's secret followed by the salt of the user's password hash, so that a changed password ends every
 * session. Made with SHA-256; SHA-1, which older CouchDB makes, is accepted as well.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const COOKIE_NAME = 'AuthSession'

export interface CookieOptions {
  timeoutSeconds: number
  /** Without it the browser forgets the cookie when it is closed. */
  persistent: boolean
  domain: string | undefined
  sameSite: string | undefined
}

export interface SessionToken {
  name: string
  issuedSeconds: number
  /** What was signed, as bytes. */
  signed: Buffer
  mac: Buffer
}

const COLON = 0x3a
const DIGEST_BY_LENGTH: Readonly<Record<number, string>> = { 20: 'sha1', 32: 'sha256' }

/** The cookie's value. */
export function makeToken(name: string, issuedSeconds: number, secret: string): string {
  const signed = Buffer.from(`${name}:${issuedSeconds.toString(16).toUpperCase()}`)
  const mac = createHmac('sha256', secret).update(signed).digest()
  return Buffer.concat([signed, Buffer.of(COLON), mac]).toString('base64url')
}

/** Takes a cookie's value apart; undefined for what no server could have made. Verifies nothing. */
export function parseToken(value: string): SessionToken | undefined {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(value) || value.replace(/=+$/, '').length % 4 === 1) return undefined
  const bytes = Buffer.from(value, 'base64url')
  const first = bytes.indexOf(COLON)
  const second = first < 0 ? -1 : bytes.indexOf(COLON, first + 1)
  if (second < 0) return undefined
  const time = bytes.toString('latin1', first + 1, second)
  return {
    name: bytes.toString('utf8', 0, first),
    issuedSeconds: /^[0-9A-Fa-f]{1,12}$/.test(time) ? Number.parseInt(time, 16) : Number.NaN,
    signed: bytes.subarray(0, second),
    mac: bytes.subarray(second + 1),
  }
}

/** Whether the holder of `secret` signed it. */
export function isAuthentic(token: SessionToken, secret: string): boolean {
  const digest = DIGEST_BY_LENGTH[token.mac.length]
  if (digest === undefined) return false
  return timingSafeEqual(createHmac(digest, secret).update(token.signed).digest(), token.mac)
}

/** The value of the AuthSession cookie in a Cookie header; undefined where it is absent or empty. */
export function findToken(header: string | undefined): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== COOKIE_NAME) continue
    const value = pair.slice(equals + 1).trim()
    const bare = /^"(.*)"$/.exec(value)?.[1] ?? value
    return bare === '' ? undefined : bare
  }
  return undefined
}

/**
 * A Set-Cookie header; an empty `value` signs out. `nowMs` is the time from which the expiry counts; `isSecure`: the browser
 * sends it over TLS alone.
 */
export function setCookieHeader(
  value: string,
  nowMs: number,
  options: CookieOptions,
  isSecure: boolean,
): string {
  const parts = [`${COOKIE_NAME}=${value}`, 'Version=1']
  if (options.persistent) {
    const expires = new Date(nowMs + options.timeoutSeconds * 1000).toUTCString()
    parts.push(`Expires=${expires}`, `Max-Age=${options.timeoutSeconds}`)
  }
  if (isSecure) parts.push('Secure')
  if (options.domain !== undefined) parts.push(`Domain=${options.domain}`)
  parts.push('Path=/', 'HttpOnly')
  if (options.sameSite !== undefined) {
    parts.push(`SameSite=${options.sameSite.charAt(0).toUpperCase()}${options.sameSite.slice(1)}`)
  }
  return parts.join('; ')
}
