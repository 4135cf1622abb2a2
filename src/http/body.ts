import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { DatabaseError } from '../base/errors.ts'

/**
 * Request bodies. The framework reads none: a handler asks for the body when it knows that the request is
 * allowed, with the bound that fits. What nobody asked for is drained or the connection closed (answers.ts).
 */
const inflate = promisify(gunzip)

/**
 * The whole body as sent. Resolves with an empty buffer where there is none.
 * Throws requestTooLarge beyond `limitBytes` (before reading where Content-Length says so) and
 * clientGone when the client closes before the last byte.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > limitBytes) return Promise.reject(new DatabaseError('requestTooLarge'))
  if (request.readableEnded) return Promise.resolve(Buffer.alloc(0))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const stop = (): void => {
      request.off('data', onData)
      request.off('end', onEnd)
      request.off('close', onClose)
      request.off('error', onClose)
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= limitBytes) {
        chunks.push(chunk)
        return
      }
      stop()
      request.pause()
      reject(new DatabaseError('requestTooLarge'))
    }
    const onEnd = (): void => {
      stop()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))
    }
    const onClose = (): void => {
      stop()
      reject(new DatabaseError('clientGone'))
    }
    request.on('data', onData)
    request.on('end', onEnd)
    request.on('close', onClose)
    request.on('error', onClose)
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
