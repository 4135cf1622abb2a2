import { METHODS } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import { ERRORS } from '../../base/errors.ts'
import { describeError } from '../../base/log.ts'
import { Uuids } from '../../base/uuids.ts'
import { requireStillAllowed, requireStillWriter } from '../request/access.ts'
import { BatchWrites } from '../request/batch-writes.ts'
import { BodyMemory } from '../request/body-memory.ts'
import { AttachmentCompression } from '../request/compression.ts'
import type { Service } from '../request/exchange.ts'
import { defaultConnections, type HttpOptions, takeDescriptor } from '../request/options.ts'
import { endpointsOf } from '../request/resolve.ts'
import { Vhosts } from '../request/vhosts.ts'
import { resources } from '../routes/index.ts'
import { ConnectionRoom } from './connection-room.ts'
import { keepUnsentAnswers } from './connections.ts'
import { ArrivingMessage, handlerFor, registerResources, rewriteUrl } from './dispatch.ts'
import { tellToContinue } from './expectation.ts'
import { paceOfStrangers } from './lingering.ts'
import { refuseMalformed } from './malformed.ts'
import { MoreSockets } from './more-sockets.ts'
import { writeSinglePieces } from './one-piece.ts'
import { serverToken } from './server-token.ts'
import { urlOf } from './sockets.ts'
import { serveWebsockets } from './websockets.ts'

/**
 * The listening server. Bounds that matter: the bytes and the time of a head, no total time for a request (uploads may be
 * slow) but an idle time for a connection, and the number of these.
 */
const SWEEP_MS = 50
/** How often heads that take too long are looked for, at least. */
const MAX_CHECK_MS = 1000

export interface HttpServer {
  /** `http://host:port`, without a slash: of the first address. */
  url: string
  port: number
  /** Of all addresses: `http://host:port`, `https://host:port`, `unix:PATH`; those of descriptors are known to who opened them. */
  urls: readonly string[]
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
  const vhostsNow = (): Vhosts => new Vhosts(settings.get('vhosts'), settings.get('forwardedHostHeader'))
  let vhosts = vhostsNow()
  const takeVhosts = (): void => {
    vhosts = vhostsNow()
  }
  settings.subscribe('vhosts', takeVhosts)
  settings.subscribe('forwardedHostHeader', takeVhosts)
  const service: Service = {
    get vhosts() {
      return vhosts
    },
    options,
    limits,
    compression,
    batches,
    bodies,
    strangersPace: paceOfStrangers(clock),
    endpoints,
    handle: handlerFor(resources),
    requireStillAllowed,
    requireStillWriter,
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
    rewriteUrl: (request) => rewriteUrl(service, request),
    http: {
      IncomingMessage: ArrivingMessage,
      maxHeaderSize: limits.maxHeadBytes,
      headersTimeout: limits.headTimeoutMs,
      connectionsCheckingInterval: Math.min(MAX_CHECK_MS, limits.headTimeoutMs),
    },
    requestTimeout: 0,
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => refuseMalformed(error, socket, options.backend.log),
  })
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  // The framework reads no bodies: see body.ts.
  for (const method of methods) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  registerResources(app, service, resources)
  app.setErrorHandler((error, _request, reply) => {
    options.backend.log.error('the framework failed', { error: describeError(error) })
    return reply.status(500).send({ error: ERRORS.internal.error, reason: ERRORS.internal.reason })
  })
  tellToContinue(app.server)
  keepUnsentAnswers(app.server)
  writeSinglePieces(app.server)
  // A connection that could not be accepted (no descriptors, no memory) is the client's loss alone.
  const onError = (error: Error): void =>
    options.backend.log.warning('a connection was lost', { error: describeError(error) })
  app.server.on('error', (error) => {
    if (app.server.listening) onError(error)
  })
  const room = new ConnectionRoom(app.server, limits.maxConnections || defaultConnections(), options.share)
  const websockets = serveWebsockets(app.server, service)
  const { backlog } = limits
  const { address } = options
  await app.ready()
  if ('fd' in address) takeDescriptor(address)
  // The host is for the framework, which would take `localhost` for both of its addresses.
  await app.listen('fd' in address ? { ...address, host: '' } : { ...address, backlog })
  const first = app.server.address() as AddressInfo
  const more = await MoreSockets.open(options, { room, onError, firstPort: first.port }).catch(
    async (error: unknown) => {
      await app.close()
      throw error
    },
  )
  options.share?.listens(true)
  const url = urlOf(first, false)
  let closed: Promise<unknown> | undefined
  return {
    url,
    port: first.port,
    urls: [url, ...more.urls],
    async stop(graceMs) {
      stopping.abort()
      options.share?.listens(false)
      closed ??= Promise.all([app.close(), more.close()])
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
