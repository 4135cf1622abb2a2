import { METHODS } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { fastify } from 'fastify'
import { ERRORS } from '../../base/errors.ts'
import { describeError } from '../../base/log.ts'
import { Uuids } from '../../base/uuids.ts'
import { BatchWrites } from '../request/batch-writes.ts'
import { BodyMemory } from '../request/body-memory.ts'
import { AttachmentCompression } from '../request/compression.ts'
import type { Service } from '../request/exchange.ts'
import { defaultConnections, type HttpOptions } from '../request/options.ts'
import { endpointsOf } from '../request/resolve.ts'
import { resources } from '../routes/index.ts'
import { keepUnsentAnswers } from './connections.ts'
import { answerUnderWay, handlerFor, registerResources, rewriteUrl } from './dispatch.ts'
import { serverToken } from './server-token.ts'
import { serveWebsockets, UpgradableMessage } from './websockets.ts'

/**
 * The listening server. Bounds that matter: heads of 64 KiB, no total time for a request (uploads may be
 * slow) but an idle time for a connection, keep-alive beyond the 60 s that proxies and clients count on.
 */
const MAX_HEAD_BYTES = 64 * 1024
const KEEP_ALIVE_MS = 75_000
const HEAD_TIMEOUT_MS = 90_000
const SWEEP_MS = 50

export interface HttpServer {
  /** `http://host:port`, without a slash. */
  url: string
  port: number
  /**
   * Takes no new connections, ends the feeds, lets running requests finish for `graceMs`, then cuts the
   * rest. Resolves when no request runs any more. May be called again with less grace.
   */
  stop(graceMs: number): Promise<void>
}

/** No route has a schema: in the place of the compilers of those, which are not loaded then. */
function noSchema(): never {
  throw new Error('a route has a schema')
}

/** Listens. Rejects as `listen` does (EADDRINUSE, EACCES). */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { limits, backend } = options
  const { settings, uniqueTime, clock, random } = backend
  const stopping = new AbortController()
  const running = new Set<Promise<unknown>>()
  const background = (work: Promise<unknown>): void => {
    running.add(work)
    void work.finally(() => running.delete(work))
  }
  const compression = new AttachmentCompression(limits.compressibleTypes, limits.compressionLevel)
  const batches = new BatchWrites()
  const { maxBodyMemoryBytes: totalBytes, maxJsonBytes: longestBytes } = limits
  const bodies = new BodyMemory({ totalBytes, longestBytes })
  const endpoints = endpointsOf(resources)
  const service: Service = {
    options,
    limits,
    compression,
    batches,
    bodies,
    endpoints,
    handle: handlerFor(resources),
    uuids: new Uuids({
      settings: settings.view({ algorithm: 'uuidAlgorithm', suffix: 'uuidSuffix' }),
      time: uniqueTime,
      clock,
      random,
    }),
    serverToken: serverToken(options.version),
    stopping: stopping.signal,
    background,
  }
  const app = fastify({
    logger: false,
    schemaController: { compilersFactory: { buildValidator: noSchema, buildSerializer: noSchema } },
    rewriteUrl: (request) => rewriteUrl(endpoints, request),
    http: {
      IncomingMessage: UpgradableMessage,
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
    },
    requestTimeout: 0,
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    clientErrorHandler: refuseMalformed,
  })
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  // The framework reads no bodies: see body.ts.
  for (const method of methods) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  registerResources(app, service, methods, resources)
  app.setErrorHandler((error, _request, reply) => {
    options.backend.log.error('the framework failed', { error: describeError(error) })
    return reply.status(500).send({ error: ERRORS.internal.error, reason: ERRORS.internal.reason })
  })
  keepUnsentAnswers(app.server)
  // A connection that could not be accepted (no descriptors, no memory) is the client's loss alone.
  app.server.on('error', (error) => {
    if (app.server.listening)
      options.backend.log.warning('a connection was lost', { error: describeError(error) })
  })
  app.server.maxConnections = limits.maxConnections || defaultConnections()
  const websockets = serveWebsockets(app.server, service)
  // The host is for the framework, which would take `localhost` for both of its addresses.
  await app.listen('fd' in options.address ? { ...options.address, host: '' } : options.address)
  const { address, port, family } = app.server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  let closed: Promise<void> | undefined
  return {
    url: `http://${host}:${port}`,
    port,
    async stop(graceMs) {
      stopping.abort()
      closed ??= app.close()
      const timer = setTimeout(() => {
        app.server.closeAllConnections()
        websockets.cut()
      }, graceMs)
      // A connection that was busy when closing began would be kept alive when its request is answered.
      const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
      try {
        await closed
        await Promise.all(running)
      } finally {
        clearTimeout(timer)
        clearInterval(sweep)
        await compression.close()
      }
    },
  }
}

/**
 * What is not HTTP gets a short answer and a closed connection, behind the answer to what was a request before it:
 * a client must not take the one for the other.
 */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const unfinished = answerUnderWay(socket)
  if (unfinished?.req.complete) {
    unfinished.once('close', () => refuseMalformed(error, socket))
    return
  }
  const [status, reason] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'the request headers are too large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request head took too long']
        : ['400 Bad Request', 'malformed HTTP request']
  const body = `${JSON.stringify({ error: 'bad_request', reason })}\n`
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}
