import type { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'

/**
 * An answer whose client reads as fast as it is written: `write` says that the buffer is full, and `drain`
 * follows within the same turn of the event loop, as on a socket whose client keeps up.
 */
export function sinkResponse(): ServerResponse {
  const sink = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => process.nextTick(done) })
  return sink as unknown as ServerResponse
}
