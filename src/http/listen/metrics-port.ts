/**
 * A port for Prometheus alone, as CouchDB offers: whoever can reach it reads the page, and nothing else. What one reader
 * costs is bounded: the page is made at most once in `FRESH_MS`, however many ask.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { describeError, type Log } from '../../base/log.ts'
import { NODE } from '../../base/node-name.ts'
import { PAGE_TYPE } from '../../statistics/page-type.ts'
import { FairRoom } from './fair-room.ts'
import { serverToken } from './server-token.ts'

const FRESH_MS = 1000
const MOST_CONNECTIONS = 64
const HEAD_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 60_000
const MAX_HEAD_BYTES = 16 * 1024

export interface MetricsPortOptions {
  host: string
  port: number
  page(): Promise<string>
  version: string
  clock: Pick<Clock, 'monotonic'>
  log: Log
}

export interface MetricsPort {
  readonly url: string
  /** Resolves when nobody is connected any more. */
  stop(): Promise<void>
}

/** Rejects as `listen` does (EADDRINUSE, EACCES). */
export async function startMetricsPort(options: MetricsPortOptions): Promise<MetricsPort> {
  const page = shared(options)
  const server = createServer(
    { maxHeaderSize: MAX_HEAD_BYTES, headersTimeout: HEAD_TIMEOUT_MS },
    (request, response) => {
      response.setHeader('Server', serverToken(options.version))
      void answer(request, response, page, options.log)
    },
  )
  new FairRoom(MOST_CONNECTIONS).watch(server)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const { host, port } = options
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => options.log.warning('a connection was lost', { error: describeError(error) }))
  const { address, port: bound, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    stop() {
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

/** The page, no older than `FRESH_MS`. */
function shared({ page, clock }: MetricsPortOptions): () => Promise<string> {
  let made: Promise<string> | undefined
  let madeMs = 0
  return () => {
    const nowMs = clock.monotonic()
    if (made === undefined || nowMs - madeMs >= FRESH_MS) {
      madeMs = nowMs
      made = page()
      made.catch(() => {
        made = undefined
      })
    }
    return made
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  page: () => Promise<string>,
  log: Log,
): Promise<void> {
  const send = (status: number, type: string, body: string): void => {
    response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
  const refuse = (status: number, error: string, reason: string): void =>
    send(status, 'application/json', `${JSON.stringify({ error, reason })}\n`)
  // Nobody has a body to send.
  request.on('data', () => request.destroy())
  const [path] = request.url!.split('?', 1)
  const [, section, name, last, ...more] = path!.split('/')
  if (section !== '_node' || last !== '_prometheus' || more.length > 0) return refuse(404, 'not_found', '')
  if (name !== '_local' && name !== NODE) return refuse(404, 'not_found', `no such node: ${name}`)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET,HEAD')
    return refuse(405, 'method_not_allowed', 'Only GET,HEAD allowed')
  }
  try {
    send(200, PAGE_TYPE, await page())
  } catch (error) {
    log.error('the page of metrics could not be made', { error: describeError(error) })
    refuse(500, 'internal_server_error', 'an internal error happened')
  }
}
