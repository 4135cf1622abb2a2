/**
 * A database behind HTTP: one request after the other, or some at once. What holds:
 * - A request that failed for reasons that may pass (no connection, 408, 429, 5xx, an answer that breaks off) is repeated, as often as
 *   the job says, after waits that grow and differ; as long as the peer says, where it does.
 * - No answer is waited for without end: what does not move for `timeoutMs`, or moves slower than a trickle, ends.
 * - Redirects are followed within bounds, with the method that they were asked with, as CouchDB does; a database that has moved is asked
 *   where it is from then on. No credentials go to another host.
 * - No error tells a password: URLs are shown without credentials, headers not at all.
 */
import { Readable } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import type { RandomBytes } from '../../base/random.ts'
import { type RemotePlace, ReplicationError } from '../api.ts'
import { pause } from '../pause.ts'
import type { Connection } from './connections.ts'
import {
  BrokenAnswer,
  type PeerAnswer,
  plainBody,
  readAll,
  retryAfterMs,
  steadily,
  textOf,
  toldReason,
  withEnd,
} from './peer-answer.ts'
import { PeerSession } from './session.ts'
import { Turns } from './turns.ts'

export interface PeerOptions {
  readonly place: RemotePlace
  readonly connection: Connection
  readonly timeoutMs: number
  readonly retries: number
  /** Requests under way at once, those excepted that wait for changes. */
  readonly connections: number
  readonly clock: Clock
  readonly random: RandomBytes
  readonly userAgent: string
}

export interface PeerRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  /** Behind the database's URL; '' for the database itself. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly accept?: string
  readonly type?: string
  /** A stream is made anew for every attempt; one that cannot be is made once, and the request not repeated. */
  readonly body?: Buffer | (() => AsyncIterable<Buffer>) | undefined
  /** Of a stream. */
  readonly bodyBytes?: number | undefined
  readonly repeats?: boolean
  /** It waits for something to happen: it takes no turn, and may be slow. */
  readonly isWaiting?: boolean
  /** Its answer may be nothing but heartbeats for long; whoever asks ends it. */
  readonly isSlow?: boolean
}

const MOST_REDIRECTS = 10
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const FIRST_WAIT_MS = 250
const MOST_WAIT_MS = 60_000
/** A peer may ask for more patience. */
const MOST_RETRY_AFTER_MS = 300_000
/** A wait that ends after so long has been well. */
const WELL_WAITED_MS = 10_000
/** Slower answers are none. */
const LEAST_BYTES_PER_SECOND = 256
const MOST_ERROR_BYTES = 64 * 1024

export class Peer {
  readonly place: RemotePlace
  readonly timeoutMs: number
  readonly #options: PeerOptions
  readonly #turns: Turns
  readonly #session: PeerSession | undefined
  /** Whom the credentials are for. */
  readonly #home: URL
  /** Where it is, after redirects of the database itself. */
  #url: URL
  /** Where the last request for the database itself ended. */
  #lastSeenAt: URL

  constructor(options: PeerOptions) {
    const { place, connections } = options
    this.place = place
    this.timeoutMs = options.timeoutMs
    this.#options = options
    this.#turns = new Turns(connections)
    this.#home = new URL(place.url)
    this.#url = this.#home
    this.#lastSeenAt = this.#home
    const { basic } = place
    if (basic !== undefined) {
      this.#session = new PeerSession({
        basic,
        clock: options.clock,
        login: (text, signal) => this.#login(text, signal),
      })
    }
  }

  /**
   * The answer, whatever its status below 500 is; what may pass has passed. It is to be read to its end, or closed. Throws
   * ReplicationError, and the signal's reason.
   */
  async request(request: PeerRequest, signal: AbortSignal): Promise<PeerAnswer> {
    const give = await this.#turn(request, signal)
    try {
      return withEnd(await this.#repeated(request, signal, async (answer) => answer), give)
    } catch (error) {
      give()
      throw error
    }
  }

  /** The same with its text read as JSON, at most `mostBytes` of it; undefined for an answer without one. */
  async json(
    request: PeerRequest,
    signal: AbortSignal,
    mostBytes: number,
  ): Promise<{ status: number; value: unknown }> {
    const give = await this.#turn(request, signal)
    try {
      return await this.#repeated(request, signal, async (answer) => {
        const { status } = answer
        const text = await readAll(answer, mostBytes)
        if (text.length === 0) return { status, value: undefined }
        try {
          return { status, value: JSON.parse(text.toString()) as unknown }
        } catch {
          if (status >= 400) return { status, value: undefined }
          throw new BrokenAnswer('an answer that is no JSON')
        }
      })
    } finally {
      give()
    }
  }

  /** It was a database, where it was seen last: a stream could not follow a redirect. */
  stayThere(): void {
    this.#url = this.#lastSeenAt
  }

  #turn(request: PeerRequest, signal: AbortSignal): Promise<() => void> {
    return request.isWaiting === true ? Promise.resolve(() => {}) : this.#turns.take(signal)
  }

  /** Does the request, and what `use` does with its answer, again where either breaks off. */
  async #repeated<T>(
    request: PeerRequest,
    signal: AbortSignal,
    use: (answer: PeerAnswer) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#options
    for (let attempt = 0; ; attempt++) {
      const startMs = clock.monotonic()
      const outcome = await this.#attempt(request, signal)
      if (!('answer' in outcome)) {
        await this.#wait(request, attempt, outcome, signal)
        continue
      }
      try {
        return await use(outcome.answer)
      } catch (error) {
        outcome.answer.close()
        signal.throwIfAborted()
        if (!(error instanceof BrokenAnswer)) throw error
        // Whatever stands between may end what waits for long: that is no failure in a row.
        if (request.isWaiting === true && clock.monotonic() - startMs >= WELL_WAITED_MS) attempt = 0
        await this.#wait(request, attempt, { reason: error.message }, signal)
      }
    }
  }

  async #wait(
    request: PeerRequest,
    attempt: number,
    { reason, status, afterMs }: Failure,
    signal: AbortSignal,
  ): Promise<void> {
    const { retries, clock, random } = this.#options
    if (attempt >= retries || request.repeats === false) throw this.failure(request, reason, status)
    const mostMs = Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt)
    const jitter = Buffer.alloc(4)
    random(jitter)
    const ownMs = (mostMs / 2) * (1 + jitter.readUInt32LE() / 2 ** 32)
    await pause(clock, Math.max(ownMs, Math.min(afterMs ?? 0, MOST_RETRY_AFTER_MS)), signal)
  }

  /** One that is told when nothing helps. */
  failure(request: Pick<PeerRequest, 'method' | 'path'>, reason: string, status?: number): ReplicationError {
    const { url } = this.place
    return new ReplicationError({
      error: status === undefined ? 'http_request_failed' : 'http_error_code',
      reason: `${request.method} ${url}${request.path}: ${reason}`,
      status: 500,
      isTransient: true,
    })
  }

  async #attempt(request: PeerRequest, signal: AbortSignal): Promise<{ answer: PeerAnswer } | Failure> {
    try {
      let answer = await this.#authenticated(request, signal, false)
      if (answer.status === 401 && this.#session?.isUsed === true) {
        answer.close()
        answer = await this.#authenticated(request, signal, true)
      }
      const { status, afterMs } = answer
      // What a peer has not built it will not have built at the next attempt.
      if (status === 408 || status === 429 || (status >= 500 && status !== 501)) {
        answer.close()
        return { reason: `status ${status}`, status, afterMs }
      }
      return { answer }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ReplicationError) throw error
      const cause = (error as Error).cause
      if (cause instanceof ReplicationError) throw cause
      return { reason: toldReason(error) }
    }
  }

  async #authenticated(request: PeerRequest, signal: AbortSignal, isAgain: boolean): Promise<RawAnswer> {
    const url = this.#urlOf(request)
    const proof = this.#isHome(url) ? await this.#session?.headers(signal, isAgain) : undefined
    return this.#redirected(url, request, proof ?? {}, signal)
  }

  /** The same server, or the same host by its usual ports and encrypted. */
  #isHome({ origin, protocol, hostname, port }: URL): boolean {
    const home = this.#home
    if (origin === home.origin) return true
    return protocol === 'https:' && hostname === home.hostname && port === '' && home.port === ''
  }

  #urlOf({ path, query = {} }: PeerRequest): URL {
    const url = new URL(this.#url)
    if (path !== '') url.pathname = pathBelow(url, DOTS.has(path) ? '' : path)
    else if (url.pathname.length > 1) url.pathname = url.pathname.replace(/\/$/, '')
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }

  async #redirected(
    first: URL,
    request: PeerRequest,
    proof: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<RawAnswer> {
    let url = first
    for (let redirects = 0; ; redirects++) {
      const isHome = this.#isHome(url)
      // A URL has no way to say the ids `.` and `..`; a request's path has.
      const path = url === first && DOTS.has(request.path) ? url.pathname + request.path : url.pathname
      const answer = await this.#send(url, path, request, isHome ? proof : {}, isHome, signal)
      const isFollowed =
        REDIRECTS.has(answer.status) &&
        (request.method === 'GET' || request.method === 'HEAD' || answer.status !== 303) &&
        typeof request.body !== 'function' &&
        answer.location !== undefined
      if (!isFollowed) {
        if (request.path === '') this.#lastSeenAt = asDatabase(url)
        return answer
      }
      answer.close()
      url = redirectTarget(url, answer.location!)
      if (redirects === MOST_REDIRECTS) throw new ReplicationError(redirectFailure('too many redirects'))
      if (this.#home.protocol === 'https:' && url.protocol !== 'https:') {
        throw new ReplicationError(redirectFailure('a redirect away from https'))
      }
    }
  }

  async #send(
    url: URL,
    path: string,
    { method, accept, type, body, bodyBytes, isWaiting, isSlow }: PeerRequest,
    proof: Readonly<Record<string, string>>,
    isHome: boolean,
    signal: AbortSignal,
  ): Promise<RawAnswer> {
    const { connection, timeoutMs, userAgent, clock, place } = this.#options
    connection.guard?.requireHost(url.hostname)
    const headers: Record<string, string> = { accept: accept ?? 'application/json', 'user-agent': userAgent }
    if (type !== undefined) headers['content-type'] = type
    if (isHome) for (const [name, value] of place.headers) headers[name.toLowerCase()] = value
    Object.assign(headers, proof)
    if (bodyBytes !== undefined) headers['content-length'] = String(bodyBytes)
    const abort = new AbortController()
    const onAbort = (): void => abort.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      const answer = await connection.dispatcher.request({
        origin: url.origin,
        path: path + url.search,
        method,
        headers,
        body: typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : (body ?? null),
        signal: abort.signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      })
      const { statusCode, headers: received } = answer
      // What is given up closes its connection; an error of it is nobody's any more.
      answer.body.on('error', () => undefined)
      const close = (): void => {
        signal.removeEventListener('abort', onAbort)
        abort.abort(new BrokenAnswer('given up'))
      }
      const leastRate = isWaiting === true || isSlow === true ? 0 : LEAST_BYTES_PER_SECOND
      return {
        status: statusCode,
        type: textOf(received['content-type']),
        location: received['location'] === undefined ? undefined : textOf(received['location']),
        cookies: [received['set-cookie'] ?? []].flat(),
        afterMs: retryAfterMs(textOf(received['retry-after']), clock.now()),
        body: steadily(plainBody(answer.body, textOf(received['content-encoding'])), {
          clock,
          timeoutMs,
          leastRate,
          onEnd: () => signal.removeEventListener('abort', onAbort),
        }),
        close,
      }
    } catch (error) {
      signal.removeEventListener('abort', onAbort)
      throw error
    }
  }

  /** What the peer's `_session` says to a name and a password. */
  async #login(text: string, signal: AbortSignal): Promise<{ status: number; cookies: readonly string[] }> {
    const url = new URL('/_session', this.#url)
    const request = { method: 'POST', path: '', type: 'application/json', body: Buffer.from(text) } as const
    const answer = await this.#send(url, url.pathname, request, {}, true, signal)
    try {
      await readAll(answer, MOST_ERROR_BYTES)
    } finally {
      answer.close()
    }
    return { status: answer.status, cookies: answer.cookies }
  }

  close(): void {
    this.#options.connection.release()
  }
}

interface RawAnswer extends PeerAnswer {
  readonly location: string | undefined
  readonly cookies: readonly string[]
  readonly afterMs: number | undefined
}

interface Failure {
  readonly reason: string
  readonly status?: number | undefined
  readonly afterMs?: number | undefined
}

const DOTS: ReadonlySet<string> = new Set(['.', '..'])

function pathBelow({ pathname }: URL, path: string): string {
  return `${pathname}${pathname.endsWith('/') ? '' : '/'}${path}`
}

function asDatabase(url: URL): URL {
  const base = new URL(url)
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  return base
}

function redirectTarget(from: URL, location: string): URL {
  let url: URL
  try {
    url = new URL(location, from)
  } catch {
    throw new ReplicationError(redirectFailure('a redirect to nowhere'))
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ReplicationError(redirectFailure('a redirect away from HTTP'))
  }
  url.username = ''
  url.password = ''
  return url
}

function redirectFailure(reason: string) {
  return {
    error: 'http_request_failed',
    reason: `A peer answered with ${reason}.`,
    status: 500,
    isTransient: true,
  }
}
