/**
 * Signs in at a peer with a name and a password: by a session cookie, as CouchDB's `couch_replicator_auth_session`, so that the
 * peer hashes the password once and not for every connection; by basic authentication where there are no sessions. A cookie is
 * renewed before it grows old, and when the peer does not take it any more.
 */
import type { Clock } from '../../base/clock.ts'

export interface PeerSessionOptions {
  readonly basic: { readonly user: string; readonly password: string }
  readonly clock: Pick<Clock, 'monotonic'>
  /** Posts the text to `_session`. */
  login(text: string, signal: AbortSignal): Promise<{ status: number; cookies: readonly string[] }>
}

/** CouchDB's `session_refresh_interval_sec`. */
const RENEW_MS = 550_000
const MOST_COOKIE_CHARACTERS = 8 * 1024

export class PeerSession {
  readonly #options: PeerSessionOptions
  #cookie: string | undefined
  #isBasic = false
  #renewAtMs = 0
  #login: Promise<void> | undefined

  constructor(options: PeerSessionOptions) {
    this.#options = options
  }

  /** Requests prove themselves by a cookie. */
  get isUsed(): boolean {
    return this.#cookie !== undefined
  }

  /** What a request proves itself by. With `isAgain` the peer did not take it. */
  async headers(signal: AbortSignal, isAgain: boolean): Promise<Record<string, string>> {
    const { basic, clock } = this.#options
    const isOld = this.#cookie === undefined || clock.monotonic() >= this.#renewAtMs || isAgain
    if (!this.#isBasic && isOld) {
      // Those that come meanwhile wait for the same answer.
      this.#login ??= this.#renew(signal).finally(() => {
        this.#login = undefined
      })
      await this.#login
    }
    if (this.#cookie !== undefined) return { cookie: this.#cookie }
    return { authorization: `Basic ${Buffer.from(`${basic.user}:${basic.password}`).toString('base64')}` }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { basic, clock, login } = this.#options
    this.#cookie = undefined
    const { status, cookies } = await login(
      JSON.stringify({ name: basic.user, password: basic.password }),
      signal,
    )
    if (status === 429 || status >= 500) throw new TypeError('no session for now')
    const found = cookies.map((each) => /^(AuthSession=[^;\s]*)/i.exec(each)?.[1]).find(Boolean)
    // A peer without sessions, or one that refuses this one, is to say so itself to what is asked.
    if (status !== 200 || found === undefined || found.length > MOST_COOKIE_CHARACTERS) {
      this.#isBasic = true
      return
    }
    this.#cookie = found
    this.#renewAtMs = clock.monotonic() + RENEW_MS
  }
}
