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

/** What is done when the parsers have handed over what this turn brought: they let ticks run between two pieces of it. */
interface Due {
  /** Undefined where it is not needed any more: then nothing of the request is kept until the turn has ended. */
  run: (() => void) | undefined
}

let due: Due[] = []

function behindTurn(run: () => void): Due {
  const one: Due = { run }
  due.push(one)
  if (due.length === 1) setImmediate(runDue)
  return one
}

function runDue(): void {
  const running = due
  due = []
  for (const { run } of running) run?.()
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
  /** It may come at once, and is not paused before all of that has been taken. */
  isShort = false,
): () => void {
  let isOver = false
  let isListening = false
  let later: Due | undefined
  const stop = (): void => {
    isOver = true
    if (!isListening) {
      if (isShort) (request as Partial<TellingMessage>).untell?.()
      if (later !== undefined) later.run = undefined
      return
    }
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
    ;(request as { receivedBytes?: number }).receivedBytes = size
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
  const listen = (): void => {
    isListening = true
    request.on('end', onEnd)
    request.on('close', onClose)
    request.on('error', onClose)
    request.on('data', onData)
  }
  const listenAfterAll = (): void => {
    if (isOver) return
    ;(request as TellingMessage).untell()
    if (request.destroyed) onClose()
    else listen()
  }
  const coding = request.headers['transfer-encoding']
  // Node undoes `chunked` and passes over what was done before: those bytes are not what the client means.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    fail('badRequest', 'Transfer-Encoding must be chunked.')
  else if (Number(request.headers['content-length'] ?? 0) > limitBytes) fail('requestTooLarge')
  else if (request.readableEnded) onEnd()
  else if (request.destroyed) onClose()
  else if (isShort && request instanceof TellingMessage && request.tell({ onChunk: onData, onEnd }))
    later = behindTurn(listenAfterAll)
  else listen()
  return leave
}

/**
 * The whole body, unpacked; empty where there is none. Its room is taken of `hold` before its bytes come, where their
 * number is known, else as they come.
 * Rejects with badContentType for another coding than gzip, badRequest for bytes that are no gzip, requestTooLarge
 * beyond `limitBytes`, sent or unpacked (a small body can unpack to a thousand times its size), clientGone when the
 * client closes before the last byte, and as the hold does.
 */
export function readBody(request: IncomingMessage, limitBytes: number, hold: BodyHold): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip') {
    const reason = `${encoding} is not a supported content encoding.`
    return Promise.reject(new DatabaseError('badContentType', reason))
  }
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > limitBytes) return Promise.reject(new DatabaseError('requestTooLarge'))
  const read = (): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const whole = new WholeBody(limitBytes, hold, encoding === 'gzip' ? 0 : declared, { resolve, reject })
      if (encoding === 'gzip') unpack(request, limitBytes, whole)
      else
        whole.from(
          request,
          receiveBody(request, limitBytes, whole, 0 < declared && declared <= SHORT_BODY_BYTES),
        )
    })
  const waiting = hold.grow(declared)
  return waiting === undefined ? read() : waiting.then(read)
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
