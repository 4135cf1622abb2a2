import type { IncomingMessage } from 'node:http'
import type { DatabaseError } from '../../base/errors.ts'
import { receiveBody } from './body.ts'

/**
 * A request's body as it comes, no more of it than was asked for. A consumer that stops early leaves the request as
 * it is, so that it can still be answered. Throws requestTooLarge beyond `limitBytes`, before the first byte where
 * Content-Length says so, and clientGone when the client closes before the last byte.
 */
export async function* requestChunks(request: IncomingMessage, limitBytes: number): AsyncGenerator<Buffer> {
  const received: Buffer[] = []
  let ended = false
  let failure: DatabaseError | undefined
  let wake: (() => void) | undefined
  const end = (error?: DatabaseError): void => {
    ended = true
    failure = error
    wake?.()
  }
  const stop = receiveBody(request, limitBytes, {
    onChunk(chunk) {
      received.push(chunk)
      request.pause()
      wake?.()
    },
    onEnd: end,
    onFail: end,
  })
  try {
    for (;;) {
      const chunk = received.shift()
      if (chunk !== undefined) yield chunk
      else if (failure !== undefined) throw failure
      else if (ended) return
      else {
        request.resume()
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        wake = undefined
      }
    }
  } finally {
    if (!ended) stop()
  }
}
