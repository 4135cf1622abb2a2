import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Authentication } from '../../auth/authenticator.ts'
import type { Caller } from '../../auth/hash-queue.ts'
import { isChannelled, isDatabaseAdmin, isMember, parseSecurity } from '../../auth/security.ts'
import { ANONYMOUS, isServerAdmin, type UserCtx } from '../../auth/user.ts'
import type { BytePace } from '../../base/byte-pace.ts'
import { DatabaseError } from '../../base/errors.ts'
import { runInTurns, type Steps } from '../../base/time-slice.ts'
import type { Uuids } from '../../base/uuids.ts'
import type { HeldSight } from '../../channels/channel-sight.ts'
import { channelledDatabase, channelRefusal } from '../../channels/channelled-database.ts'
import { channelledWrites } from '../../channels/channelled-writes.ts'
import type { Database } from '../../database/api/database.ts'
import type { Intake } from '../../documents/intake.ts'
import { canonicalize, canonicalizeSteps, SHORT_TEXT_BYTES } from '../../json/documents.ts'
import { type Lossless, losslessSteps, mayHaveFloats } from '../../json/lossless.ts'
import { decodeSteps, parseSteps } from '../../json/value-steps.ts'
import { isReplicatorDatabase } from '../../replicator/documents/replicator-document.ts'
import { replicatorSeenBy } from '../../replicator/documents/replicator-view.ts'
import type { Lease } from '../../server/open-databases.ts'
import { usersSeenBy } from '../../users/user-view.ts'
import { isUsersDatabase } from '../../users/users-database.ts'
import type { Answer } from '../answer/answer.ts'
import type { BatchWrites } from './batch-writes.ts'
import { type BodyTiming, readBody, requireContentType, requireObject } from './body.ts'
import { type BodyKind, bodyLimit, MAX_MEMBERS, valueLimit } from './body-limits.ts'
import type { BodyHold, BodyMemory } from './body-memory.ts'
import type { AttachmentCompression } from './compression.ts'
import { goneSignal } from './gone-signal.ts'
import type { Backend, HttpLimits, HttpOptions } from './options.ts'
import { encodeComponent, parseTarget } from './path.ts'
import { Query } from './query.ts'
import { type Endpoints, type Place, resolve } from './resolve.ts'
import type { Right, RouteName } from './rights.ts'
import { requestChunks } from './upload.ts'
import type { Vhosts } from './vhosts.ts'

/** What a value of JSON takes in memory, about. */
const VALUE_BYTES = 64

/** Of a rewritten request: about what a client may send. */
const MOST_TARGET_CHARACTERS = 64 * 1024

/** Methods of routes that write without a read, for whom the database need not be caught up with. */
const BLIND_WRITES: ReadonlyMap<string, string> = new Map<RouteName, string>([
  ['db/_bulk_docs', 'POST'],
  ['db/document', 'PUT'],
  ['database', 'POST'],
])

/** What all requests share. */
export interface Service {
  readonly options: HttpOptions
  readonly limits: HttpLimits
  readonly compression: AttachmentCompression
  readonly batches: BatchWrites
  readonly bodies: BodyMemory
  /** At which the rest of what strangers send is read, once it is answered. */
  readonly strangersPace: BytePace
  /** Gives the ids of documents that came without. */
  readonly uuids: Uuids
  /** Where requests go. */
  readonly endpoints: Endpoints
  /** And from which hosts. */
  readonly vhosts: Vhosts
  /** The header `Server`. */
  readonly serverToken: string
  /** Aborted when the server stops: feeds end then. */
  readonly stopping: AbortSignal
  /** As `access.ts` has them, which looks into exchanges itself. */
  requireStillAllowed(exchange: Exchange): Promise<void> | undefined
  requireStillWriter(exchange: Exchange, database: Database, hasDesigns: boolean): Promise<void>
  /** Does what a route does, for an exchange whose user is known. */
  handle(exchange: Exchange): Answer | Promise<Answer>
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
  /** Where the rule for its host leads; undefined where there is none. */
  hostTarget?: string | undefined
}

/** What a design document's rules made of a request. */
export interface Rewriting {
  /** Path and query. */
  readonly target: string
  /** HEAD is GET; the client's own where there is none. */
  readonly method?: string | undefined
  /** In place of the client's; names in lower case. What frames the message is not among them. */
  readonly headers?: Readonly<Record<string, string>>
  /** In place of the client's. */
  readonly body?: Buffer | undefined
}

/** One request, as handlers see it. */
export class Exchange implements Intake, BodyTiming {
  readonly service: Service
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** After X-HTTP-Method-Override; HEAD is GET. */
  readonly method: string
  readonly place: Place
  readonly query: Query
  readonly requestId: string
  user: UserCtx = ANONYMOUS
  /** How the user was recognised. */
  authentication: Authentication | undefined
  /** Milliseconds that reading the body took. */
  bodyTimeMs = 0
  /** What it was found to have the right for. */
  right: Right = 'open'
  /** Whether its client, or work of its own, took other turns of the event loop than its first. */
  #tookTime = false
  /** Bytes of the answer's body that have been handed over. */
  sentBytes = 0
  /** What its route takes a body for. */
  bodyKind: BodyKind = 'setting'
  #lease: Lease | undefined
  /** By which somebody sees his channels of the path's database. */
  #sight: HeldSight | undefined
  #gone: AbortSignal | undefined
  /** The path's database as this user sees it. */
  #seen: Database | undefined
  #body: Promise<Buffer> | undefined
  #text: Promise<Buffer> | undefined
  #lossless: Promise<Lossless> | undefined
  #mayHaveFloats: boolean | undefined
  #hold: BodyHold | undefined
  /** The request that this one was made of, and how. */
  readonly #outer: Exchange | undefined
  readonly #rewriting: Rewriting | undefined
  readonly #hostTarget: string | undefined
  #inner: Exchange | undefined

  constructor(
    service: Service,
    request: IncomingMessage,
    response: ServerResponse,
    arrival: Arrival,
    requestId: string,
    origin?: { outer: Exchange; rewriting: Rewriting },
  ) {
    this.service = service
    this.request = request
    this.response = response
    this.method = arrival.method
    this.place = arrival.place
    this.query = arrival.query
    this.requestId = requestId
    this.#outer = origin?.outer
    this.#rewriting = origin?.rewriting
    this.#hostTarget = arrival.hostTarget
  }

  /**
   * The same request at another place, of the same user: whose rights it has is not asked again. What it holds is given
   * back with what this one holds. Throws badRequest for a malformed target.
   */
  rewritten(rewriting: Rewriting): Exchange {
    if (rewriting.target.length > MOST_TARGET_CHARACTERS) {
      throw new DatabaseError('badRequest', 'The rewritten request is too long.')
    }
    const method = rewriting.method ?? this.method
    const { segments, query, malformed } = parseTarget(rewriting.target, this.limits.plusIsSpace)
    if (malformed) throw new DatabaseError('badRequest', 'invalid_url_encoding')
    const place = resolve(this.service.endpoints, method, segments)
    const arrival = { method, place, query: new Query(query), malformed }
    const origin = { outer: this, rewriting }
    const inner = new Exchange(this.service, this.request, this.response, arrival, this.requestId, origin)
    inner.user = this.user
    inner.authentication = this.authentication
    this.#inner?.release()
    this.#inner = inner
    return inner
  }

  /** What it was rewritten to in the end: where it is answered, with the rights of there. */
  get innermost(): Exchange {
    return this.#inner === undefined ? this : this.#inner.innermost
  }

  /** How often it was rewritten. */
  get rewrites(): number {
    return this.#outer === undefined ? 0 : this.#outer.rewrites + 1
  }

  /** The request's target as it came, before the router's name was put in its place. */
  get rawTarget(): string {
    if (this.#rewriting !== undefined) return this.#rewriting.target
    return (this.request as IncomingMessage & { originalUrl?: string }).originalUrl ?? ''
  }

  /** The target that it is handled at, behind the rule for its host and what rewrites made of it. */
  get handledTarget(): string {
    return this.#rewriting === undefined ? (this.#hostTarget ?? this.rawTarget) : this.rawTarget
  }

  /** What a function is shown of where the request came from, besides what the client sent: in CouchDB's headers. */
  get wayHeaders(): Record<string, string> {
    const { first } = this
    return {
      ...(first.#hostTarget === undefined ? {} : { 'x-couchdb-vhost-path': first.rawTarget }),
      ...(first === this ? {} : { 'x-couchdb-requested-path': first.handledTarget }),
    }
  }

  /** The request before all rewrites. */
  get first(): Exchange {
    return this.#outer === undefined ? this : this.#outer.first
  }

  /** Bytes of the body that have been read. */
  get receivedBytes(): number {
    return (this.request as { receivedBytes?: number }).receivedBytes ?? 0
  }

  /** Whether it came over TLS; what a proxy says of it counts for less. */
  get isSecure(): boolean {
    return (this.request.socket as Partial<TLSSocket>).encrypted === true
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

  get limits(): HttpLimits {
    return this.service.limits
  }

  /** Gives the ids of documents that came without. */
  get uuids(): Uuids {
    return this.service.uuids
  }

  get compression(): AttachmentCompression {
    return this.service.compression
  }

  get hasLease(): boolean {
    return this.#lease !== undefined
  }

  get lease(): Lease {
    if (this.#lease === undefined) throw new Error('no database was leased for this route')
    return this.#lease
  }

  /** The database that the path names; routes of a database have it. */
  get database(): Database {
    const { database } = this.lease
    this.#seen ??= this.seen(database)
    return this.#seen
  }

  /** The database as what this user writes goes to it. Throws forbidden where he may write nothing. */
  get writtenDatabase(): Database {
    if (!this.isChannelled) return this.database
    if (this.#sight === undefined) throw channelRefusal()
    return channelledWrites(this.lease.database, this.#sight)
  }

  /** A database as this user sees it. */
  seen(database: Database): Database {
    return this.isServerAdmin ? database : this.#seenDatabase(database)
  }

  /** Whether the user sees of the path's database what is in his channels, and nothing else. */
  get isChannelled(): boolean {
    return !this.isServerAdmin && isChannelled(this.user, parseSecurity(this.lease.database.security()))
  }

  /**
   * For who sees his channels alone: finds out what he sees now. To be called whenever the database was leased, once it is known
   * that he may use it. Rejects with serviceUnavailable, and with forbidden for who is no member any more.
   */
  lookUpChannels(): Promise<void> | undefined {
    return this.isChannelled ? this.#lookUpChannels() : undefined
  }

  /** One for all that a feed waits for. */
  get #goneSignal(): AbortSignal {
    this.#gone ??= goneSignal(this)
    return this.#gone
  }

  async #lookUpChannels(): Promise<void> {
    const { database } = this.lease
    if (!isMember(this.user, parseSecurity(database.security()))) throw new DatabaseError('forbidden')
    const sight = await this.backend.channels.sight(database, this.user, this.#goneSignal)
    this.#sight?.release()
    this.#sight = sight
    this.#seen = undefined
    // What it says is as new as the database was meanwhile.
    if (!database.isFresh) await database.refresh()
  }

  #seenDatabase(database: Database): Database {
    const { name } = this.user
    if (isChannelled(this.user, parseSecurity(database.security())))
      return channelledDatabase(database, this.#sight)
    const isUsers = isUsersDatabase(database.name, this.backend.settings)
    if (!isUsers && !isReplicatorDatabase(database.name)) return database
    const isAdmin = isDatabaseAdmin(this.user, parseSecurity(database.security()))
    if (isUsers) return usersSeenBy(database, { name, isAdmin, publicFields: this.limits.publicFields })
    return isAdmin ? database : replicatorSeenBy(database, name)
  }

  /** A document's id of the path. */
  get id(): string {
    return this.place.id ?? ''
  }

  /** As functions of design documents are told it: HEAD is HEAD. */
  get shownMethod(): string {
    return this.#rewriting?.method ?? this.#outer?.shownMethod ?? this.request.method ?? this.method
  }

  get rawHeaders(): readonly string[] {
    if (this.#outer === undefined) return this.request.rawHeaders
    const raw = this.#outer.rawHeaders
    const changed = this.#rewriting?.headers ?? {}
    const kept = raw.filter((_, at) => !Object.hasOwn(changed, raw[at - (at % 2)]!.toLowerCase()))
    return [...kept, ...Object.entries(changed).flat()]
  }

  /** Whether the client sends a body, be it an empty one. */
  get hasBody(): boolean {
    return (
      this.#heldBody !== undefined ||
      this.header('content-length') !== undefined ||
      this.header('transfer-encoding') !== undefined
    )
  }

  header(name: string): string | undefined {
    const changed = this.#rewriting?.headers
    if (changed !== undefined && Object.hasOwn(changed, name)) return changed[name]
    if (this.#outer !== undefined) return this.#outer.header(name)
    const value = this.request.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /**
   * Takes the lease of the path's database; released after the answer. At once where the database is open;
   * otherwise the promise rejects with noDatabase where there is none.
   */
  openDatabase(): Promise<void> | undefined {
    this.#lease ??= this.backend.databases.leaseOpen(this.place.database ?? '', this.#isBlindWrite)
    return this.#lease === undefined ? this.#leaseLater() : undefined
  }

  /** Before reads of more than single documents of the leased database. */
  settleDatabase(): Promise<void> | undefined {
    return this.lease.database.settle()
  }

  /** What the database shows is as new as what was acknowledged: where only writes were to come (`BLIND_WRITES`), that is not so yet. */
  async catchUp(): Promise<void> {
    const { database } = this.lease
    if (!database.isFresh) await database.refresh()
  }

  /** What `_security` of the path's database says is as new as what was acknowledged. Rejects with noDatabase. */
  async learnRules(): Promise<void> {
    const { databases } = this.backend
    const name = this.place.database ?? ''
    const lease = databases.leaseOpen(name, true) ?? (await databases.lease(name, true))
    lease.release()
  }

  /** As `Author` has it. */
  mayStill(database: Database, hasDesigns: boolean, tookTime: boolean): Promise<void> | undefined {
    if (!tookTime && !this.#tookTime) return undefined
    return this.service.requireStillWriter(this, database, hasDesigns)
  }

  async #leaseLater(): Promise<void> {
    this.#lease = await this.backend.databases.lease(this.place.database ?? '', this.#isBlindWrite)
  }

  get #isBlindWrite(): boolean {
    return BLIND_WRITES.get(this.place.route) === this.method
  }

  /** Does long work in slices, as long as there is somebody to do it for. Rejects as the steps throw, and with clientGone. */
  inTurns<T>(steps: Steps<T>): Promise<T> {
    return runInTurns(steps, () => {
      this.#tookTime = true
      if (this.response.destroyed) throw new DatabaseError('clientGone')
    })
  }

  /** What of its body is in memory, as long as the request lasts. */
  get hold(): BodyHold {
    const owner = this.user.name ?? this.request.socket.remoteAddress ?? ''
    this.#hold ??= this.service.bodies.hold(owner, this.request)
    return this.#hold
  }

  /** Who waits for what is costly. */
  get caller(): Caller {
    const { socket } = this.request
    return {
      address: socket.remoteAddress ?? '',
      onGone(listener) {
        if (socket.destroyed) listener()
        else socket.once('close', listener)
        return () => void socket.off('close', listener)
      },
    }
  }

  release(): void {
    this.#inner?.release()
    this.#inner = undefined
    this.#hold?.release()
    this.#lease?.release()
    this.#lease = undefined
    this.#sight?.release()
    this.#sight = undefined
    this.#seen = undefined
  }

  /** The body, unpacked. Rejects as `readBody` does; the bound is its route's. */
  body(): Promise<Buffer> {
    this.#body ??= this.#heldBody === undefined ? this.#readBody() : this.#bounded(this.#heldBody)
    return this.#body
  }

  /** What is in its body's place, or was read of it before it was rewritten. */
  get #heldBody(): Promise<Buffer> | undefined {
    if (this.#rewriting?.body !== undefined) return Promise.resolve(this.#rewriting.body)
    const outer = this.#outer
    return outer === undefined ? undefined : (outer.#body ?? outer.#heldBody)
  }

  async #bounded(held: Promise<Buffer>): Promise<Buffer> {
    const body = await held
    if (body.length > bodyLimit(this.bodyKind, this.limits)) throw new DatabaseError('requestTooLarge')
    return body
  }

  /** The body as it comes, packed or not. Throws as `requestChunks` does; the bound is that of all bodies. */
  bodyChunks(): AsyncGenerator<Buffer> {
    const held = this.#heldBody
    this.#tookTime = true
    return held === undefined ? requestChunks(this.request, this.limits.maxRequestBytes) : chunksOf(held)
  }

  /** The body of a request that must say `application/json`. */
  jsonTypedBody(): Promise<Buffer> {
    requireContentType(this.header('content-type'), 'application/json')
    return this.body()
  }

  /** The canonical text of the body. Throws invalidJson, and requestTooLarge for more values than may become objects. */
  jsonText(): Promise<Buffer> {
    this.#text ??= this.#readText()
    return this.#text
  }

  /** The same of a request that must say `application/json`. */
  jsonTypedText(): Promise<Buffer> {
    requireContentType(this.header('content-type'), 'application/json')
    return this.jsonText()
  }

  #readText(): Promise<Buffer> {
    return this.body().then((body) =>
      body.length <= SHORT_TEXT_BYTES ? canonicalize(body) : this.#readLongText(body),
    )
  }

  async #readLongText(body: Buffer): Promise<Buffer> {
    let values = 0
    const mostValues = valueLimit(this.bodyKind)
    const text = await this.inTurns(
      canonicalizeSteps(body, (soFar, mostMembers) => {
        values = soFar
        if (soFar > mostValues || mostMembers > MAX_MEMBERS) throw new DatabaseError('requestTooLarge')
      }),
    )
    this.hold.add(text.length + values * VALUE_BYTES)
    return text
  }

  /** The body as a JSON value (numbers as JavaScript has them). Throws as `jsonText` does. */
  async jsonBody(): Promise<unknown> {
    const bytes = await this.jsonText()
    if (bytes.length <= SHORT_TEXT_BYTES) return JSON.parse(bytes.toString('utf8'))
    return this.inTurns(parseSteps(await this.inTurns(decodeSteps(bytes))))
  }

  /** The body as a value that keeps every number as it was written. Throws as `jsonText` does. */
  losslessBody(): Promise<Lossless> {
    this.#lossless ??= this.#readLossless()
    return this.#lossless
  }

  async #readLossless(): Promise<Lossless> {
    const text = await this.inTurns(decodeSteps(await this.jsonText()))
    return this.inTurns(losslessSteps(text))
  }

  /** Whether the body may hold a float. Throws as `jsonText` does. */
  async mayHaveFloats(): Promise<boolean> {
    this.#mayHaveFloats ??= mayHaveFloats(await this.jsonText())
    return this.#mayHaveFloats
  }

  async jsonObject(): Promise<Record<string, unknown>> {
    return requireObject(await this.jsonBody())
  }

  /** The absolute URL of a path of this server as the client sees it, proxies included. */
  absoluteUri(path: string): string {
    // A path from a parameter may be anything: it must neither end the header nor change the host.
    const safe = path.replace(/[^\x21-\x7e]/gu, (char) => encodeComponent(char))
    return `${this.#origin}${safe.startsWith('/') ? '' : '/'}${safe}`
  }

  /** Of this server as the client sees it. */
  get #origin(): string {
    const { socket } = this.request
    const { forwardedHost, forwardedTls, forwardedScheme } = this.limits
    const host =
      this.header(forwardedHost) ?? this.header('host') ?? `${socket.localAddress}:${socket.localPort}`
    const secure =
      this.isSecure || this.header(forwardedTls) === 'on' || this.header(forwardedScheme) === 'https'
    return `${secure ? 'https' : 'http'}://${host}`
  }

  /** The Location of a document of the path's database. */
  documentUri(id: string): string {
    return `${this.#origin}/${encodeComponent(this.place.database ?? '')}/${encodeComponent(id)}`
  }

  /** Whether If-None-Match names `etag`, which is as headers have it, quotes included. */
  matchesEtag(etag: string): boolean {
    const header = this.header('if-none-match')
    if (header === undefined) return false
    if (header === etag) return true
    return header.split(/[, ]+/).some((tag) => (tag.startsWith('W/') ? tag.slice(2) : tag) === etag)
  }

  #readBody(): Promise<Buffer> {
    return readBody(this.request, bodyLimit(this.bodyKind, this.limits), this.hold, this)
  }

  /** Notes the time that reading the body takes. Whoever may not ask any more when it is there is refused. */
  async timed(reading: Promise<Buffer>): Promise<Buffer> {
    const { clock } = this.backend
    const start = clock.monotonic()
    const body = await reading
    this.bodyTimeMs = Math.round(clock.monotonic() - start)
    await this.service.requireStillAllowed(this)
    return body
  }
}

async function* chunksOf(held: Promise<Buffer>): AsyncGenerator<Buffer> {
  const body = await held
  if (body.length > 0) yield body
}
