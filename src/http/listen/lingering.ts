import type { IncomingMessage } from 'node:http'

/**
 * The end of an exchange whose answer was known before the request had come whole: a refused upload, above all. A
 * connection that is closed while bytes wait to be read is reset, and the client, still sending, finds its connection
 * broken instead of the answer. So the rest is read into nothing first (RFC 9112, 9.6), and only then does the
 * answer end, after which the connection is used again or closed as the client wished.
 * - The answer goes out at once; it is its end, which carries no bytes of a whole answer, that waits.
 * - The rest is bounded in bytes and in time, and a client that sends nothing more is not waited for: beyond that the
 *   connection is cut.
 */
export interface LingerLimits {
  bytes: number
  totalMs: number
  /** Without a byte. */
  idleMs: number
}

const LIMITS: LingerLimits = { bytes: 1024 * 1024 * 1024, totalMs: 120_000, idleMs: 10_000 }

/**
 * Reads what is left of a request's body and forgets it. Nobody else may read it from then on. Undefined where
 * nothing is left; else it resolves when the body has ended, the client has gone, or a limit was met and the connection is cut.
 */
export function discardRest(
  request: IncomingMessage,
  limits: LingerLimits = LIMITS,
): Promise<void> | undefined {
  if (request.complete || request.destroyed || !mayHaveBody(request)) return undefined
  return new Promise((resolve) => {
    let bytes = 0
    const cut = (): void => void request.socket.destroy()
    const total = setTimeout(cut, limits.totalMs)
    const idle = setTimeout(cut, limits.idleMs)
    const over = (): void => {
      clearTimeout(total)
      clearTimeout(idle)
      resolve()
    }
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      idle.refresh()
      if (bytes > limits.bytes) cut()
    })
    request.once('end', over)
    request.once('close', over)
    request.on('error', () => {})
    request.resume()
  })
}

/** RFC 9112, 6: a request has a body where one of these headers says so. */
function mayHaveBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}
