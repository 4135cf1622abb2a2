/** One request on its way through the gateway. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { DatabaseError } from '../../base/errors.ts'
import { runInTurns, type Steps } from '../../base/time-slice.ts'
import type { Reader } from '../../channels/reader.ts'
import { readBody } from '../../http/request/body.ts'
import { BODY_BYTES, type BodyKind, MAX_VALUES } from '../../http/request/body-limits.ts'
import type { BodyHold } from '../../http/request/body-memory.ts'
import { canonicalizeSteps } from '../../json/documents.ts'
import { parseSteps } from '../../json/value-steps.ts'
import type { ReaderNow } from '../changes/changes-pass.ts'
import { readerGone } from '../changes/changes-pass.ts'
import { badRequest, GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { DocumentAuthor, GatewayDatabase } from '../gateway-database.ts'
import type { Standing } from '../principals/standing.ts'
import { unpacked } from './unpacked.ts'

/** What a value of JSON takes in memory, about. */
const VALUE_BYTES = 64

export interface ExchangeParts {
  gateway: Gateway
  request: IncomingMessage
  response: ServerResponse
  isAdmin: boolean
  query: URLSearchParams
  hold: BodyHold
  gone: AbortSignal
}

export class Exchange {
  readonly gateway: Gateway
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** It came to the administrators' address, where nobody is asked who he is. */
  readonly isAdmin: boolean
  readonly query: URLSearchParams
  readonly hold: BodyHold
  /** Aborted when the client has gone, or the server stops. */
  readonly gone: AbortSignal
  /** Of the path, decoded. */
  params: readonly string[] = []
  #database: GatewayDatabase | undefined
  /** The name of the user; undefined: nobody is signed in, or it is an administrator. */
  userName: string | undefined
  /** The session by which he is signed in. */
  sessionSecret: string | undefined
  /** Whether what he has signed in with still counts. */
  stands: Standing = () => true
  /** When the token ends by which he is signed in, in Unix time. */
  endMs = Number.POSITIVE_INFINITY
  /** A user's, to be called when nothing more is read or answered. */
  visit: (() => void) | undefined

  constructor({ gateway, request, response, isAdmin, query, hold, gone }: ExchangeParts) {
    this.gateway = gateway
    this.request = request
    this.response = response
    this.isAdmin = isAdmin
    this.query = query
    this.hold = hold
    this.gone = gone
  }

  get method(): string {
    return this.request.method!
  }

  get database(): GatewayDatabase {
    return this.#database!
  }

  set database(database: GatewayDatabase) {
    this.#database = database
  }

  get address(): string {
    return this.request.socket.remoteAddress ?? ''
  }

  /** Null for an administrator. Throws where the user is no more, or is signed in no more. */
  get reader(): Reader | null {
    return this.readerNow()
  }

  readonly readerNow: ReaderNow = () => {
    if (this.isAdmin) return null
    const reader = this.userName === undefined ? undefined : this.database.reader(this.userName)
    if (reader === undefined || !this.stands()) throw readerGone()
    return reader
  }

  /** Of a feed, which goes on for as long as its client wants: the time of a token ends it. */
  readonly followerNow: ReaderNow = () => {
    if (this.gateway.clock.now() >= this.endMs) throw readerGone()
    return this.readerNow()
  }

  /** Before more of an answer goes out, and when a body has come that took its client's time. Throws for a user who is none any more. */
  requireStillReader(): void {
    if (!this.isAdmin && this.userName !== undefined) this.readerNow()
  }

  /** Who writes. */
  get author(): DocumentAuthor {
    const name = this.isAdmin ? null : this.userName!
    return { name, requireStill: () => this.requireStillReader() }
  }

  param(at: number): string {
    return this.params[at]!
  }

  /** Undefined where it is not given, or empty. */
  text(name: string): string | undefined {
    return this.query.get(name) || undefined
  }

  flag(name: string): boolean {
    return this.query.get(name) === 'true'
  }

  /** A number above 0; undefined for all else. */
  count(name: string): number | undefined {
    const text = this.query.get(name)
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) || undefined : undefined
  }

  /** What is wanted of a revision's history, from the first of some revisions on; undefined: nothing. */
  history(from: readonly string[]): { from: readonly string[]; limit: number | undefined } | undefined {
    if (!this.flag('revs') || /^0+$/.test(this.query.get('revs_limit') ?? '')) return undefined
    return { from, limit: this.count('revs_limit') }
  }

  /** A parameter that is a list of texts in JSON, or null, which is none. Throws 400. */
  list(name: string, refusal = `${name} URL param is not a JSON string array`): string[] | undefined {
    const text = this.text(name)
    if (text === undefined || text.trim() === 'null') return undefined
    const list = parsedList(text)
    if (list === undefined) throw badRequest(refusal)
    return list
  }

  accepts(type: string): boolean {
    const { accept } = this.request.headers
    return accept === undefined || accept === '' || accept.includes(type) || accept.includes('*/*')
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /** The revision that the request is of: a parameter or a header. */
  get matchedRevision(): string | undefined {
    return this.text('rev') ?? this.header('if-match')?.replace(/^"(.*)"$/, '$1')
  }

  /** As `work`, which goes on when the client has gone: that is not waited for then. */
  unlessGone<T>(work: Promise<T>): Promise<T> {
    const { gone } = this
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(gone.reason as Error)
      gone.addEventListener('abort', leave, { once: true })
      if (gone.aborted) leave()
      work.then(resolve, reject).finally(() => gone.removeEventListener('abort', leave))
    })
  }

  /**
   * The whole body, unpacked where it is packed. Rejects as `readBody` does (413, 415, and where memory or the client has gone), and
   * where its user is none any more when it is there.
   */
  async bytes(mostBytes: number): Promise<Buffer> {
    const body = await readBody(this.request, mostBytes, this.hold)
    this.requireStillReader()
    return body
  }

  /** The body as it comes. One that is packed is unpacked, to no more than a document and an attachment may have. */
  get source(): AsyncIterable<Buffer> {
    if (this.header('content-encoding') !== 'gzip') return this.request
    const { maxJsonBytes, maxAttachmentBytes } = this.gateway.limits
    return unpacked(this.request, maxJsonBytes + maxAttachmentBytes)
  }

  /** The text of a body of JSON. Rejects with 415 for another type. */
  async jsonText(mostBytes = this.gateway.limits.maxJsonBytes): Promise<Buffer> {
    const type = this.header('content-type')
    if (type !== undefined && type !== '' && mediaType(type) !== 'application/json') {
      throw new GatewayError(415, `Invalid content type ${type}`)
    }
    return this.bytes(mostBytes)
  }

  /**
   * A body of JSON that becomes objects: as long as what its route takes it for may be, and of no more than `MAX_VALUES`. Rejects with
   * 400 for what is none, with 413, and with 415 for another type, where that is looked at.
   */
  async json(kind: Exclude<BodyKind, 'documents'> = 'lookup', ofAnyType = false): Promise<unknown> {
    const mostBytes = Math.min(BODY_BYTES[kind], this.gateway.limits.maxJsonBytes)
    const text = await (ofAnyType ? this.bytes(mostBytes) : this.jsonText(mostBytes))
    let values = 0
    const steps = canonicalizeSteps(text, (soFar) => {
      values = soFar
      if (soFar > MAX_VALUES) throw new DatabaseError('requestTooLarge')
    })
    const canonical = await this.inTurns(steps)
    this.hold.add(canonical.length + values * VALUE_BYTES)
    return this.inTurns(parseSteps(canonical.toString()))
  }

  /** Does long work in slices, while there is somebody to do it for. */
  inTurns<T>(steps: Steps<T>): Promise<T> {
    return runInTurns(steps, () => this.gone.throwIfAborted())
  }
}

export function mediaType(contentType: string): string {
  return contentType.split(';', 1)[0]!.trim().toLowerCase()
}

export function parsedList(text: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) && list.every((each) => typeof each === 'string') ? list : undefined
  } catch {
    return undefined
  }
}
