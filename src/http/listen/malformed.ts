import type { Socket } from 'node:net'
import type { Log } from '../../base/log.ts'
import { answerUnderWay } from './dispatch.ts'

/**
 * What is not HTTP gets a short answer and a closed connection, behind the answer to what was a request before it:
 * a client must not take the one for the other.
 */
export function refuseMalformed(
  error: Error & { code?: string },
  socket: Socket,
  log: Pick<Log, 'notice'>,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const unfinished = answerUnderWay(socket)
  if (unfinished?.req.complete) {
    unfinished.once('close', () => refuseMalformed(error, socket, log))
    return
  }
  const [status, reason] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'the request headers are too large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request head took too long']
        : ['400 Bad Request', 'malformed HTTP request']
  log.notice('request refused', { peer: socket.remoteAddress ?? null, reason })
  socket.end(malformedAnswer(status!, reason!), () => socket.destroy())
}

/** A whole answer, after which the connection is closed. */
export function malformedAnswer(status: string, reason: string): string {
  const body = `${JSON.stringify({ error: 'bad_request', reason })}\n`
  return (
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}
