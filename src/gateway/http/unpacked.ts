/** Bodies that come gzipped and are taken as they come. */
import type { IncomingMessage } from 'node:http'
import { createGunzip, type Gunzip } from 'node:zlib'
import { DatabaseError } from '../../base/errors.ts'
import { badRequest } from '../errors.ts'

/**
 * What a body unpacks to, read no faster than it is taken. Rejects with 400 for what is no gzip, and with 413 beyond `mostBytes`: a
 * small body can unpack to a thousand times its size.
 */
export async function* unpacked(
  request: IncomingMessage,
  mostBytes: number,
): AsyncGenerator<Buffer, void, void> {
  const gunzip = createGunzip()
  let lost: unknown
  void feed(request, gunzip).catch((error: unknown) => {
    lost = error
    gunzip.destroy(error as Error)
  })
  let bytes = 0
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > mostBytes) throw new DatabaseError('requestTooLarge')
      yield chunk
    }
  } catch (error) {
    if (error === lost || error instanceof DatabaseError) throw error
    throw badRequest('Request body is not properly gzipped.')
  } finally {
    gunzip.destroy()
  }
}

/** What is left of a body that nobody wants is left, so that the request can be answered. */
async function feed(request: IncomingMessage, gunzip: Gunzip): Promise<void> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (gunzip.destroyed) return
    if (!gunzip.write(chunk)) await roomIn(gunzip)
  }
  gunzip.end()
}

function roomIn(gunzip: Gunzip): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      gunzip.off('drain', done)
      gunzip.off('close', done)
      resolve()
    }
    gunzip.on('drain', done)
    gunzip.on('close', done)
    if (gunzip.destroyed) done()
  })
}
