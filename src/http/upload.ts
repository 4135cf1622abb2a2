import type { IncomingMessage } from 'node:http'
import { DatabaseError } from '../base/errors.ts'

/**
 * A request's body as it comes. A consumer that stops early leaves the request as it is, so that it can still
 * be answered. Throws requestTooLarge beyond `limitBytes`, before the first byte where Content-Length says
 * so, and clientGone when the client closes before the last byte.
 */
export async function* requestChunks(request: IncomingMessage, limitBytes: number): AsyncGenerator<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw new DatabaseError('requestTooLarge')
  const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>
  let size = 0
  try {
    for (;;) {
      const step = await nextChunk(chunks)
      if (step.done === true) break
      size += step.value.length
      if (size > limitBytes) throw new DatabaseError('requestTooLarge')
      yield step.value
    }
    if (!request.complete) throw new DatabaseError('clientGone')
  } finally {
    await chunks.return?.()
  }
}

async function nextChunk(chunks: AsyncIterableIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await chunks.next()
  } catch (error) {
    throw new DatabaseError('clientGone', undefined, { cause: error })
  }
}
