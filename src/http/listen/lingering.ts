import type { IncomingMessage } from 'node:http'
import { BytePace, type PaceOptions } from '../../base/byte-pace.ts'
import type { Clock } from '../../base/clock.ts'
import { TellingMessage } from '../request/telling-message.ts'

/**
 * The end of an exchange whose answer was known before the request had come whole: a refused upload, above all. A
 * connection that is closed while bytes wait to be read is reset, and the client, still sending, finds its connection
 * broken instead of the answer. So the rest is read into nothing first (RFC 9112, 9.6), and only then does the
 * answer end, after which the connection is used again or closed as the client wished.
 * - The answer goes out at once; it is its end, which carries no bytes of a whole answer, that waits.
 * - The rest is bounded in bytes and in time, that of strangers in bytes a second too, and a client that sends nothing more is not waited for: beyond that the
 *   connection is cut. A client that waits to be told to send, and never was, is waited for no longer than it may have missed that the
 *   answer says `Connection: close`.
 */
export interface LingerLimits {
  bytes: number
  totalMs: number
  /** Without a byte. */
  idleMs: number
}

const LIMITS: LingerLimits = { bytes: 1024 * 1024 * 1024, totalMs: 120_000, idleMs: 10_000 }

/** Of a client that waits to be told to send the body. */
const UNTOLD: LingerLimits = { bytes: 1024 * 1024, totalMs: 10_000, idleMs: 1000 }

/**
 * What strangers send for nothing is read at this rate, all of it in a thread together. Bytes that are forgotten were in memory
 * too: a kilobyte costs five microseconds, and each 8 MiB of them, in a heap of 25 MB, a collection of all garbage (marking in steps of
 * 0.2 ms beside each piece, then a pause of 3 ms), which holds up everybody else: at 16 MiB/s twice a second, which is the p99 of
 * whoever asks 100 times a second.
 */
const STRANGERS: Omit<PaceOptions, 'nowMs'> = {
  bytesPerSecond: 4 * 1024 * 1024,
  burstBytes: 1024 * 1024,
}

/** For one server. */
export function paceOfStrangers(clock: Pick<Clock, 'monotonic'>): BytePace {
  return new BytePace({ ...STRANGERS, nowMs: () => clock.monotonic() })
}

export interface DiscardOptions {
  limits?: LingerLimits | undefined
  /** What is read is counted here, and waits as that says. */
  pace?: Pick<BytePace, 'take'> | undefined
}

/**
 * Reads what is left of a request's body and forgets it. Nobody else may read it from then on. Undefined where
 * nothing is left; else it resolves when the body has ended, the client has gone, or a limit was met and the connection is cut.
 */
export function discardRest(
  request: IncomingMessage,
  { limits: given, pace }: DiscardOptions = {},
): Promise<void> | undefined {
  const isUntold = request instanceof TellingMessage && request.forgoBody()
  if (request.complete || request.destroyed || !mayHaveBody(request)) return undefined
  const limits = given ?? (isUntold ? UNTOLD : LIMITS)
  return new Promise((resolve) => {
    let bytes = 0
    const cut = (): void => void request.socket.destroy()
    const total = setTimeout(cut, limits.totalMs)
    let idle = setTimeout(cut, limits.idleMs)
    const goOn = (): void => {
      idle = setTimeout(cut, limits.idleMs)
      request.resume()
    }
    const over = (): void => {
      clearTimeout(total)
      clearTimeout(idle)
      resolve()
    }
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limits.bytes) cut()
      const waitMs = pace?.take(chunk.length) ?? 0
      if (waitMs === 0) {
        idle.refresh()
        return
      }
      // It is not the client that keeps silent now.
      request.pause()
      clearTimeout(idle)
      idle = setTimeout(goOn, waitMs)
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
