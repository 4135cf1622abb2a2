/** Facebook's Graph API and the keys of Google, imitated on this machine. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/base/clock.ts'
import type { SocialUrls } from '../../src/gateway/social/identity.ts'
import { bearerToken, tokenPart } from './bearer-token.ts'

/** How Facebook answers a token: an object as JSON, a text as it is, a number as a status; never, with 'silence'. */
export type Said = Record<string, unknown> | string | number

export const APPLICATION = 'our-app'
export const SILENCE = 'silence'

export class FakeNetworks {
  /** By access token. */
  readonly said = new Map<string, Said>()
  /** The application for which a token is, where it is not ours. */
  readonly applications = new Map<string, string>()
  /** What Google answers who asks for its keys, in their place. */
  keys: string | number | undefined
  /** Requests, as `METHOD /path` without the query. */
  readonly asked: string[] = []
  /** Requests that wait for an answer, none of which they get. */
  waiting = 0
  readonly #server: Server
  readonly #pair: { publicKey: KeyObject; privateKey: KeyObject }

  private constructor() {
    this.#pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(): Promise<FakeNetworks> {
    const networks = new FakeNetworks()
    await new Promise<void>((resolve) => networks.#server.listen(0, '127.0.0.1', resolve))
    return networks
  }

  get urls(): SocialUrls {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return { facebook: url, googleKeys: `${url}/certs` }
  }

  /** A token as Google gives it, for who has shown that the address is his; `claims` and `header` go before what it would have. */
  googleToken(claims: Record<string, unknown>, header: Record<string, unknown> = {}): string {
    const now = Math.floor(systemClock.now() / 1000)
    const all = {
      iss: 'https://accounts.google.com',
      aud: APPLICATION,
      iat: now,
      exp: now + 600,
      email_verified: true,
      ...claims,
    }
    const given = { alg: 'RS256', kid: 'key', ...header }
    // As who knows the public key alone would sign.
    if (given.alg !== 'RS256') return bearerToken(given, all, this.#published)
    const signed = `${tokenPart(given)}.${tokenPart(all)}`
    return `${signed}.${sign('sha256', Buffer.from(signed), this.#pair.privateKey).toString('base64url')}`
  }

  get #published(): string {
    return this.#pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
    this.asked.push(`${request.method} ${pathname}`)
    const token = searchParams.get('access_token') ?? ''
    const said = this.said.get(token) ?? 400
    if (pathname === '/certs') answer(response, this.keys ?? { keys: [this.#key()] })
    else if (said === SILENCE) {
      this.waiting += 1
      response.once('close', () => {
        this.waiting -= 1
      })
    } else if (pathname === '/app') answer(response, { id: this.applications.get(token) ?? APPLICATION })
    else answer(response, pathname === '/me' ? said : 404)
  }

  #key(): Record<string, unknown> {
    return { ...this.#pair.publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'RS256', use: 'sig' }
  }
}

/** One that sends somebody elsewhere has where: a place that would say anything of anybody. */
function answer(response: ServerResponse, said: Said): void {
  if (typeof said === 'number') response.writeHead(said, { Location: '/me?access_token=ann' }).end('{}')
  else response.end(typeof said === 'string' ? said : JSON.stringify(said))
}
