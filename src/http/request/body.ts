import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { DatabaseError } from '../../base/errors.ts'
import { runInTurns } from '../../base/time-slice.ts'
import type { BodyHold } from './body-memory.ts'
import { GatheredBytes } from './gathered-bytes.ts'
import { type BodyTaker, TellingMessage } from './telling-message.ts'

/**
 * Request bodies. The framework reads none: a handler asks for the body when it knows that the request is
 * allowed, with the bound that fits. What nobody asked for is drained or the connection closed (listen/lingering.ts).
 */
const UNPACKED_CHUNK_BYTES = 64 * 1024
/** Of bodies that come in one piece with their heads, about. */
const SHORT_BODY_BYTES = 16 * 1024

/** Hears of a body. Of the two ends one is called, once. */
export interface BodyListener extends BodyTaker {
  /** requestTooLarge, clientGone when the client closed before the last byte, or badRequest for a coding that is not undone. */
  onFail(error: DatabaseError): void
}

/** Bodies of this turn that were not all there with their heads, once the parsers have handed over what it brought. */
let arriving: ShortBody[] = []

function endArrivals(): void {
  const bodies = arriving
  arriving = []
  for (const body of bodies) body.turnEnded()
}

/**
 * A body that comes in one piece with its head, as most short ones do. What of it has come when the turn ends (the parsers let ticks run
 * between two pieces of what it brought) is the beginning of one that is read as any other.
 */
class ShortBody implements BodyTaker {
  readonly #limitBytes: number
  readonly #declaredBytes: number
  readonly #hold: BodyHold
  readonly #timing: BodyTiming
  /** Undefined once it is over: nothing of the request is kept until the turn has ended. */
  #request: TellingMessage | undefined
  #result: Result | undefined
  #first: Buffer | undefined
  #more: Buffer[] | undefined

  constructor(
    request: TellingMessage,
    limitBytes: number,
    declaredBytes: number,
    hold: BodyHold,
    timing: BodyTiming,
  ) {
    this.#request = request
    this.#limitBytes = limitBytes
    this.#declaredBytes = declaredBytes
    this.#hold = hold
    this.#timing = timing
  }

  /** Undefined where its stream has begun. */
  read(): Promise<Buffer> | undefined {
    if (!this.#request!.tell(this)) return undefined
    arriving.push(this)
    if (arriving.length === 1) setImmediate(endArrivals)
    return new Promise((resolve, reject) => {
      this.#result = { resolve, reject }
    })
  }

  onChunk(chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk
    else {
      this.#more ??= []
      this.#more.push(chunk)
    }
  }

  onEnd(): void {
    const first = this.#first
    if (first === undefined || this.#more !== undefined || first.length !== this.#declaredBytes) {
      this.#goOn()
      return
    }
    noteReceived(this.#request!, first.length)
    this.#over().resolve(first)
  }

  turnEnded(): void {
    if (this.#request === undefined) return
    this.#request.untell()
    this.#goOn()
  }

  #over(): Result {
    const result = this.#result!
    this.#request = undefined
    this.#result = undefined
    this.#first = undefined
    this.#more = undefined
    return result
  }

  #goOn(): void {
    const request = this.#request!
    const chunks = this.#first === undefined ? [] : [this.#first, ...(this.#more ?? [])]
    const result = this.#over()
    const reading = new Promise<Buffer>((resolve, reject) => {
      const whole = new WholeBody(this.#limitBytes, this.#hold, this.#declaredBytes, { resolve, reject })
      whole.from(request, receiveBody(request, this.#limitBytes, whole, chunks))
    })
    result.resolve(this.#timing.timed(reading))
  }
}

/**
 * Reads a request's body: the one place where that is done. However the request is, or was, ended, the listener
 * hears of it: a request that is closed already emits nothing any more, and is looked at instead. It may hear of
 * it before this returns. The answer takes the listener away and leaves the rest of the body unread, so that the
 * request can still be answered; after an end it does nothing.
 */
export function receiveBody(
  request: IncomingMessage,
  limitBytes: number,
  listener: BodyListener,
  /** What of it was taken before. */
  before: readonly Buffer[] = [],
): () => void {
  let isOver = false
  const stop = (): void => {
    isOver = true
    request.off('data', onData)
    request.off('end', onEnd)
    request.off('close', onClose)
    request.off('error', onClose)
  }
  const leave = (): void => {
    if (isOver) return
    stop()
    request.pause()
  }
  const fail = (kind: 'requestTooLarge' | 'clientGone' | 'badRequest', reason?: string): void => {
    leave()
    listener.onFail(new DatabaseError(kind, reason))
  }
  let size = 0
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    noteReceived(request, size)
    if (size > limitBytes) fail('requestTooLarge')
    else listener.onChunk(chunk)
  }
  const onEnd = (): void => {
    if (request.complete) {
      stop()
      listener.onEnd()
    } else fail('clientGone')
  }
  const onClose = (): void => fail('clientGone')
  for (const chunk of before) if (!isOver) onData(chunk)
  if (isOver) return leave
  const coding = request.headers['transfer-encoding']
  // Node undoes `chunked` and passes over what was done before: those bytes are not what the client means.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    fail('badRequest', 'Transfer-Encoding must be chunked.')
  else if (Number(request.headers['content-length'] ?? 0) > limitBytes) fail('requestTooLarge')
  else if (request.readableEnded) onEnd()
  else if (request.destroyed) onClose()
  else {
    request.on('end', onEnd)
    request.on('close', onClose)
    request.on('error', onClose)
    request.on('data', onData)
  }
  return leave
}

function noteReceived(request: IncomingMessage, bytes: number): void {
  ;(request as { receivedBytes?: number }).receivedBytes = bytes
}

/** Hears of reading that takes longer than the turn in which the request came. */
export interface BodyTiming {
  timed(reading: Promise<Buffer>): Promise<Buffer>
}

const UNTIMED: BodyTiming = { timed: (reading) => reading }

/**
 * The whole body, unpacked; empty where there is none. Its room is taken of `hold` before its bytes come, where their
 * number is known, else as they come.
 * Rejects with badContentType for another coding than gzip, badRequest for bytes that are no gzip, requestTooLarge
 * beyond `limitBytes`, sent or unpacked (a small body can unpack to a thousand times its size), clientGone when the
 * client closes before the last byte, and as the hold does.
 */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
  hold: BodyHold,
  timing: BodyTiming = UNTIMED,
): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip') {
    const reason = `${encoding} is not a supported content encoding.`
    return Promise.reject(new DatabaseError('badContentType', reason))
  }
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > limitBytes) return Promise.reject(new DatabaseError('requestTooLarge'))
  const isPacked = encoding === 'gzip'
  const waiting = hold.grow(declared)
  if (waiting !== undefined) {
    return timing.timed(waiting.then(() => readLong(request, limitBytes, hold, isPacked, declared)))
  }
  const isShort = !isPacked && 0 < declared && declared <= SHORT_BODY_BYTES
  const short =
    isShort && request instanceof TellingMessage
      ? new ShortBody(request, limitBytes, declared, hold, timing).read()
      : undefined
  return short ?? timing.timed(readLong(request, limitBytes, hold, isPacked, declared))
}

/** For `declaredBytes` of it there is room. */
function readLong(
  request: IncomingMessage,
  limitBytes: number,
  hold: BodyHold,
  isPacked: boolean,
  declaredBytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const whole = new WholeBody(limitBytes, hold, isPacked ? 0 : declaredBytes, { resolve, reject })
    if (isPacked) unpack(request, limitBytes, whole)
    else whole.from(request, receiveBody(request, limitBytes, whole))
  })
}

/** What is paused while a body waits for room. */
interface Pausable {
  pause(): unknown
  resume(): unknown
}

interface Result {
  resolve(body: Buffer | Promise<Buffer>): void
  reject(error: unknown): void
}

/** Gathers a body. It ends once, and then leaves its source. */
class WholeBody implements BodyListener {
  readonly #limitBytes: number
  readonly #hold: BodyHold
  readonly #result: Result
  readonly #gathered: GatheredBytes
  /** Bytes for which there is room. */
  #roomBytes: number
  #source: Pausable | undefined
  #leave: (() => void) | undefined
  #isOver = false

  /** There is room for `roomBytes` already. */
  constructor(limitBytes: number, hold: BodyHold, roomBytes: number, result: Result) {
    this.#limitBytes = limitBytes
    this.#hold = hold
    this.#roomBytes = roomBytes
    this.#gathered = new GatheredBytes(roomBytes)
    this.#result = result
  }

  /** The source of the chunks, and the way to leave it. */
  from(source: Pausable, leave: () => void): void {
    this.#source = source
    this.#leave = leave
    if (this.#isOver) leave()
  }

  onChunk(chunk: Buffer): void {
    if (this.#isOver) return
    const bytes = this.#gathered.bytes + chunk.length
    if (bytes > this.#limitBytes) {
      this.onFail(new DatabaseError('requestTooLarge'))
      return
    }
    this.#gathered.add(chunk)
    if (bytes > this.#roomBytes) this.#takeRoom(bytes)
  }

  onEnd(): void {
    if (this.#isOver) return
    this.#end()
    this.#result.resolve(this.#gathered.whole ?? runInTurns(this.#gathered.join()))
  }

  onFail(error: unknown): void {
    if (this.#isOver) return
    this.#end()
    this.#result.reject(error)
  }

  #end(): void {
    this.#isOver = true
    this.#leave?.()
  }

  #takeRoom(bytes: number): void {
    const waiting = this.#hold.grow(bytes - this.#roomBytes)
    this.#roomBytes = bytes
    if (waiting === undefined) return
    this.#source?.pause()
    waiting.then(
      () => {
        if (!this.#isOver) this.#source?.resume()
      },
      (error: unknown) => this.onFail(error),
    )
  }
}

/** Feeds `whole` with what the body unpacks to, no faster than it takes it. */
function unpack(request: IncomingMessage, limitBytes: number, whole: WholeBody): void {
  const gunzip = createGunzip({ chunkSize: UNPACKED_CHUNK_BYTES })
  gunzip.on('data', (chunk: Buffer) => whole.onChunk(chunk))
  gunzip.on('end', () => whole.onEnd())
  gunzip.on('error', (cause) => {
    const reason = 'Request body is not properly gzipped.'
    whole.onFail(new DatabaseError('badRequest', reason, { cause }))
  })
  const onDrain = (): void => void request.resume()
  gunzip.on('drain', onDrain)
  const leave = receiveBody(request, limitBytes, {
    onChunk(chunk) {
      if (!gunzip.write(chunk)) request.pause()
    },
    onEnd: () => gunzip.end(),
    onFail: (error) => whole.onFail(error),
  })
  whole.from(gunzip, () => {
    leave()
    gunzip.off('drain', onDrain)
    gunzip.destroy()
  })
}

/** Throws badRequest unless the value is a JSON object. */
export function requireObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new DatabaseError('badRequest', 'Request body must be a JSON object')
}

/** CouchDB's check of the request's content type: exact up to the first `;`. */
export function requireContentType(given: string | undefined, wanted: string): void {
  if (given?.split(';', 1)[0] !== wanted) {
    throw new DatabaseError('badContentType', `Content-Type must be ${wanted}`)
  }
}
