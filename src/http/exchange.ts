import type { IncomingMessage, ServerResponse } from 'node:http'
import { isDatabaseAdmin, isMember, parseSecurity } from '../auth/security.ts'
import { ANONYMOUS, isServerAdmin, type UserCtx } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'
import { canonicalize } from '../base/json/documents.ts'
import { runInTurns, type Steps } from '../base/time-slice.ts'
import type { SequentialUuids } from '../base/uuids.ts'
import type { Database } from '../database/api.ts'
import type { Lease } from '../server/open-databases.ts'
import type { BatchWrites } from './batch-writes.ts'
import { decodeBody, readBody, requireContentType } from './body.ts'
import type { AttachmentCompression } from './compression.ts'
import type { Backend, HttpLimits, HttpOptions } from './options.ts'
import { encodeComponent } from './path.ts'
import type { Query } from './query.ts'
import { requireObject } from './query.ts'
import type { Place } from './resolve.ts'

/** What all requests share. */
export interface Service {
  readonly options: HttpOptions
  readonly limits: HttpLimits
  readonly compression: AttachmentCompression
  readonly batches: BatchWrites
  /** Gives the ids of documents that came without. */
  readonly uuids: SequentialUuids
  /** The header `Server`. */
  readonly serverToken: string
  /** Aborted when the server stops: feeds end then. */
  readonly stopping: AbortSignal
  /** Work that outlives its request; stopping waits for it. It must not reject. */
  background(work: Promise<unknown>): void
}

/** A request's target, as it is known before anything else. */
export interface Arrival {
  /** After X-HTTP-Method-Override; HEAD is GET. */
  method: string
  place: Place
  query: Query
  /** The target cannot be read; place and query mean nothing. */
  malformed: boolean
}

/** One request, as handlers see it. */
export class Exchange {
  readonly service: Service
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** After X-HTTP-Method-Override; HEAD is GET. */
  readonly method: string
  readonly place: Place
  readonly query: Query
  readonly requestId: string
  user: UserCtx = ANONYMOUS
  /** Which handler recognised the user. */
  authenticated: string | undefined
  setCookie: string | undefined
  /** Milliseconds that reading the body took. */
  bodyTimeMs = 0
  #lease: Lease | undefined
  #body: Promise<Buffer> | undefined

  constructor(
    service: Service,
    request: IncomingMessage,
    response: ServerResponse,
    arrival: Arrival,
    requestId: string,
  ) {
    this.service = service
    this.request = request
    this.response = response
    this.method = arrival.method
    this.place = arrival.place
    this.query = arrival.query
    this.requestId = requestId
  }

  /** The request's target as it came, before the router's name was put in its place. */
  get rawTarget(): string {
    return (this.request as IncomingMessage & { originalUrl?: string }).originalUrl ?? ''
  }

  get isServerAdmin(): boolean {
    return isServerAdmin(this.user)
  }

  get isDatabaseAdmin(): boolean {
    return this.isServerAdmin || isDatabaseAdmin(this.user, parseSecurity(this.database.security()))
  }

  get isMember(): boolean {
    return this.isServerAdmin || isMember(this.user, parseSecurity(this.database.security()))
  }

  get backend(): Backend {
    return this.service.options.backend
  }

  get lease(): Lease {
    if (this.#lease === undefined) throw new Error('no database was leased for this route')
    return this.#lease
  }

  /** The database that the path names; routes of a database have it. */
  get database(): Database {
    return this.lease.database
  }

  /** A document's id of the path. */
  get id(): string {
    return this.place.id ?? ''
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /**
   * Takes the lease of the path's database; released after the answer. At once where the database is open;
   * otherwise the promise rejects with noDatabase where there is none.
   */
  openDatabase(): Promise<void> | undefined {
    const { databases } = this.backend
    this.#lease ??= databases.leaseOpen(this.place.database ?? '')
    return this.#lease === undefined ? this.#leaseLater() : undefined
  }

  async #leaseLater(): Promise<void> {
    this.#lease = await this.backend.databases.lease(this.place.database ?? '')
  }

  /** Does long work in slices, as long as there is somebody to do it for. Rejects as the steps throw, and with clientGone. */
  inTurns<T>(steps: Steps<T>): Promise<T> {
    return runInTurns(steps, () => {
      if (this.response.destroyed) throw new DatabaseError('clientGone')
    })
  }

  release(): void {
    this.#lease?.release()
    this.#lease = undefined
  }

  /** The body, unpacked. Throws requestTooLarge, badRequest, badContentType. */
  body(): Promise<Buffer> {
    this.#body ??= this.#readBody()
    return this.#body
  }

  /** The body of a request that must say `application/json`. */
  jsonTypedBody(): Promise<Buffer> {
    requireContentType(this.request, 'application/json')
    return this.body()
  }

  /** The body as a JSON value (numbers as JavaScript has them). Throws invalidJson. */
  async jsonBody(): Promise<unknown> {
    return JSON.parse(canonicalize(await this.body()).toString('utf8')) as unknown
  }

  async jsonObject(): Promise<Record<string, unknown>> {
    return requireObject(await this.jsonBody())
  }

  /** The absolute URL of a path of this server as the client sees it, proxies included. */
  absoluteUri(path: string): string {
    const socket = this.request.socket
    const host =
      this.header('x-forwarded-host') ?? this.header('host') ?? `${socket.localAddress}:${socket.localPort}`
    const secure = this.header('x-forwarded-ssl') === 'on' || this.header('x-forwarded-proto') === 'https'
    // A path from a parameter may be anything: it must neither end the header nor change the host.
    const safe = path.replace(/[^\x21-\x7e]/gu, (char) => encodeComponent(char))
    return `${secure ? 'https' : 'http'}://${host}${safe.startsWith('/') ? '' : '/'}${safe}`
  }

  /** The Location of a document of the path's database. */
  documentUri(id: string): string {
    return this.absoluteUri(`/${encodeComponent(this.place.database ?? '')}/${encodeComponent(id)}`)
  }

  /** Whether If-None-Match names `etag`, which is as headers have it, quotes included. */
  matchesEtag(etag: string): boolean {
    const header = this.header('if-none-match')
    if (header === undefined) return false
    if (header === etag) return true
    return header.split(/[, ]+/).some((tag) => (tag.startsWith('W/') ? tag.slice(2) : tag) === etag)
  }

  async #readBody(): Promise<Buffer> {
    const { clock } = this.backend
    const { maxRequestBytes, maxJsonBytes } = this.service.limits
    const limit = Math.min(maxRequestBytes, maxJsonBytes)
    const start = clock.monotonic()
    const sent = await readBody(this.request, limit)
    this.bodyTimeMs = Math.round(clock.monotonic() - start)
    return decodeBody(sent, this.header('content-encoding'), limit)
  }
}
