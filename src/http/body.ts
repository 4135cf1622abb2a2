import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { DatabaseError } from '../base/errors.ts'

/**
 * Request bodies. The framework reads none: a handler asks for the body when it knows that the request is
 * allowed, with the bound that fits. What nobody asked for is drained or the connection closed (answers.ts).
 */
const inflate = promisify(gunzip)

/** Hears of a body. Of the two ends one is called, once. */
export interface BodyListener {
  onChunk(chunk: Buffer): void
  /** The last byte has come. */
  onEnd(): void
  /** requestTooLarge, or clientGone when the client closed before the last byte. */
  onFail(error: DatabaseError): void
}

/**
 * Reads a request's body: the one place where that is done. However the request is, or was, ended, the listener
 * hears of it: a request that is closed already emits nothing any more, and is looked at instead. It may hear of
 * it before this returns. The answer takes the listener away and leaves the rest of the body unread, so that the
 * request can still be answered; to be called at most once, and not after an end.
 */
export function receiveBody(
  request: IncomingMessage,
  limitBytes: number,
  listener: BodyListener,
): () => void {
  const stop = (): void => {
    request.off('data', onData)
    request.off('end', onEnd)
    request.off('close', onClose)
    request.off('error', onClose)
  }
  const leave = (): void => {
    stop()
    request.pause()
  }
  const fail = (kind: 'requestTooLarge' | 'clientGone'): void => {
    leave()
    listener.onFail(new DatabaseError(kind))
  }
  let size = 0
  const onData = (chunk: Buffer): void => {
    size += chunk.length
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
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) fail('requestTooLarge')
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

/**
 * The whole body as sent. Resolves with an empty buffer where there is none.
 * Throws requestTooLarge beyond `limitBytes` (before reading where Content-Length says so) and
 * clientGone when the client closes before the last byte.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    receiveBody(request, limitBytes, {
      onChunk: (chunk) => chunks.push(chunk),
      onEnd: () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
      onFail: reject,
    })
  })
}

/**
 * Undoes `Content-Encoding`. Throws badRequest for bytes that are no gzip, badContentType for another
 * coding, requestTooLarge where the unpacked size goes beyond `limitBytes` (a small body can unpack to a
 * thousand times its size).
 */
export async function decodeBody(
  body: Buffer,
  encoding: string | undefined,
  limitBytes: number,
): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return body
  if (encoding !== 'gzip') {
    throw new DatabaseError('badContentType', `${encoding} is not a supported content encoding.`)
  }
  try {
    return await inflate(body, { maxOutputLength: limitBytes })
  } catch (error) {
    if (error instanceof RangeError) throw new DatabaseError('requestTooLarge')
    throw new DatabaseError('badRequest', 'Request body is not properly gzipped.', { cause: error })
  }
}

/** CouchDB's check of the request's content type: exact up to the first `;`. */
export function requireContentType(request: IncomingMessage, wanted: string): void {
  const given = request.headers['content-type']
  if (given?.split(';', 1)[0] !== wanted) {
    throw new DatabaseError('badContentType', `Content-Type must be ${wanted}`)
  }
}
