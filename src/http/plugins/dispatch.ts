import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { DatabaseError } from '../../base/errors.ts'
import { type RandomBytes, randomHex } from '../../base/random.ts'
import { authorize } from '../access.ts'
import type { Answer } from '../answer.ts'
import { preflight } from '../cors.ts'
import { errorAnswer } from '../error-answer.ts'
import { Exchange, type Service } from '../exchange.ts'
import { parseTarget } from '../path.ts'
import { Query } from '../query.ts'
import { type Place, resolve } from '../resolve.ts'
import { handlerOf, type Resource } from '../resource.ts'
import { send } from '../send.ts'

/**
 * Puts the resources behind the framework's router. Each request goes: target taken apart and named
 * (`rewriteUrl`), found by name, authenticated, authorised, method checked, handled, answered, its lease
 * given back. Answers are written to the response directly, for streams and whole bodies alike, so the
 * framework adds and changes nothing.
 */
interface Arrival {
  method: string
  place: Place
  query: Query
  malformed: boolean
}

const ARRIVALS = new WeakMap<IncomingMessage, Arrival>()

/** The newest answer on each connection. */
const ANSWERS = new WeakMap<Duplex, ServerResponse>()

const OVERRIDES = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT', 'COPY'])

/** Names the request's route; what was found on the way is kept for the handler. */
export function rewriteUrl(request: { url?: string | undefined }): string {
  const message = request as IncomingMessage
  const target = parseTarget(message.url ?? '/')
  const method = effectiveMethod(message)
  const place = resolve(method, target.segments)
  ARRIVALS.set(message, { method, place, query: new Query(target.query), malformed: target.malformed })
  return `/${place.route}`
}

/** The answer to a request that has come whole, while it has not gone out. */
export function unfinishedAnswer(socket: Duplex): ServerResponse | undefined {
  const response = ANSWERS.get(socket)
  return response?.req.complete && !response.writableFinished && !response.destroyed ? response : undefined
}

export function registerResources(
  app: FastifyInstance,
  service: Service,
  methods: string[],
  resources: Iterable<Resource>,
): void {
  for (const resource of resources) {
    app.route({
      method: methods,
      url: `/${resource.route}`,
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        reply.hijack()
        await respond(service, resource, request.raw, reply.raw)
      },
    })
  }
}

async function respond(
  service: Service,
  resource: Resource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  ANSWERS.set(request.socket, response)
  const exchange = exchangeOf(service, request, response)
  const { clock } = service.options.backend
  const startMs = clock.now()
  try {
    let answer: Answer
    try {
      answer = await handle(exchange, resource)
    } catch (error) {
      if (error instanceof DatabaseError && error.kind === 'clientGone') {
        response.destroy()
        return
      }
      answer = errorAnswer(error, exchange)
    }
    await send(exchange, answer)
  } catch (error) {
    // The head has gone out: the only way left to say that the answer is incomplete is to cut it off.
    service.options.backend.log.error('answer broken off', {
      requestId: exchange.requestId,
      route: exchange.place.route,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
    response.destroy()
  } finally {
    exchange.release()
    noteRequest(exchange, clock.now() - startMs)
  }
}

/** Requests are logged at the most talkative level alone. */
function noteRequest(exchange: Exchange, durationMs: number): void {
  const { log } = exchange.backend
  if (!log.enabled('debug')) return
  log.debug('request', {
    requestId: exchange.requestId,
    peer: exchange.request.socket.remoteAddress,
    user: exchange.user.name,
    method: exchange.request.method,
    target: exchange.rawTarget,
    status: exchange.response.statusCode,
    durationMs,
  })
}

/** The exchange of a request that `rewriteUrl` has seen. */
export function exchangeOf(service: Service, request: IncomingMessage, response: ServerResponse): Exchange {
  const arrival = ARRIVALS.get(request)!
  const requestId = requestIdOf(request, service.options.backend.random)
  return new Exchange(service, request, response, { ...arrival, requestId })
}

async function handle(exchange: Exchange, resource: Resource): Promise<Answer> {
  const allowed = preflight(exchange.service.options.cors, exchange.request)
  if (allowed !== undefined) return allowed
  await authenticate(exchange)
  const { access } = resource
  await authorize(exchange, typeof access === 'string' ? access : access(exchange))
  return handlerOf(resource, exchange.method)(exchange)
}

/** Finds out who asks. Throws badRequest for a malformed target, unauthorized for wrong credentials. */
export async function authenticate(exchange: Exchange): Promise<void> {
  const { malformed } = ARRIVALS.get(exchange.request)!
  if (malformed) throw new DatabaseError('badRequest', 'invalid_url_encoding')
  const tolerant = exchange.place.route === 'welcome'
  const { authorization, cookie } = exchange.request.headers
  const known = await exchange.backend.authenticator.authenticate({ authorization, cookie }, { tolerant })
  exchange.user = known.user
  exchange.authenticated = known.handler
  exchange.setCookie = known.setCookie
}

/** HEAD is GET without the body; a POST may carry another method, for clients that know no others. */
function effectiveMethod(request: IncomingMessage): string {
  const method = request.method ?? 'GET'
  if (method === 'HEAD') return 'GET'
  if (method !== 'POST') return method
  const header = request.headers['x-http-method-override']
  const override = Array.isArray(header) ? header[0] : header
  if (override === undefined || !OVERRIDES.has(override)) return method
  return override === 'HEAD' ? 'GET' : override
}

/** The client's own id if it is short and harmless, else ten hex digits. */
function requestIdOf(request: IncomingMessage, random: RandomBytes): string {
  const given = request.headers['x-couch-request-id']
  if (typeof given === 'string' && /^[A-Za-z0-9_-]{1,36}$/.test(given)) return given
  return randomHex(random, 5)
}
