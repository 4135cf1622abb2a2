import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import { DatabaseError } from '../../base/errors.ts'
import { requestBegun, requestOver } from '../../base/lone-request.ts'
import { type RandomBytes, randomHex } from '../../base/random.ts'
import { requestCame } from '../../base/serving-load.ts'
import type { Answer, WholeAnswer } from '../answer/answer.ts'
import { asScript, isCallback, isJson } from '../answer/callback.ts'
import { knownError } from '../answer/known-error.ts'
import { authorize, requireStillReader } from '../request/access.ts'
import { authenticate } from '../request/authentication.ts'
import { preflight } from '../request/cors.ts'
import { type Arrival, Exchange, type Service } from '../request/exchange.ts'
import { parseTarget } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { resolve } from '../request/resolve.ts'
import { rightOf } from '../request/rights.ts'
import { bodyKindOf, handlerOf, type Resource } from '../routes/resource.ts'
import { errorAnswer, errorText } from './error-answer.ts'
import { Pipeline } from './pipeline.ts'
import { watchQueued } from './queued-answers.ts'
import { kindOf } from './request-kind.ts'
import { isFeed, logRequest } from './request-log.ts'
import { sendStreamed, sendWhole } from './send.ts'
import { UpgradableMessage } from './upgrades.ts'

/**
 * A request with room for what is known of it from its target. Members that are added to a message later (which is
 * what the framework does with `originalUrl`) change its shape for the engine while code compiled for the shape
 * without them runs, which is then thrown away, again and again: half as much CPU again for every request.
 */
export class ArrivingMessage extends UpgradableMessage {
  /** The target as it came: `url` is the route's name after `rewriteUrl`. */
  originalUrl: string | undefined = undefined
  arrival: Arrival | undefined = undefined
  /** Bytes of its body that have been read. */
  receivedBytes = 0
}

const NO_QUERY = new Query([])

/** RFC 9110, 9.2.1. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

const OVERRIDES = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT', 'COPY'])

/** Names the request's route; what was found on the way is kept for the handler. */
export function rewriteUrl(
  { endpoints, vhosts, limits }: Pick<Service, 'endpoints' | 'vhosts' | 'limits'>,
  request: { url?: string | undefined },
): string {
  const message = request as ArrivingMessage
  const url = message.url ?? '/'
  const hostTarget = vhosts.targetOf(message, url)
  const target = parseTarget(hostTarget ?? url, limits.plusIsSpace)
  const method = effectiveMethod(message)
  const place = resolve(endpoints, method, target.segments)
  const query = target.query.length === 0 ? NO_QUERY : new Query(target.query)
  message.arrival = { method, place, query, malformed: target.malformed, hostTarget }
  return `/${place.route}`
}

/** The newest answer on a connection, until the operating system has taken all of it. */
export function answerUnderWay(socket: Socket): ServerResponse | undefined {
  const response = Pipeline.find(socket)?.newest
  return response === undefined || response.writableFinished || response.destroyed ? undefined : response
}

/**
 * Puts the resources behind the framework's router. Each request goes: target taken apart and named (`rewriteUrl`), found
 * by name, authenticated, authorised, method checked, handled, answered, its lease given back. Every route takes the reply
 * over and writes to Node's response: ARCHITECTURE.md says why.
 */
export function registerResources(
  app: FastifyInstance,
  service: Service,
  resources: Iterable<Resource>,
): void {
  const refusals = new Map<string, RouteHandlerMethod>()
  for (const resource of resources) {
    const handler: RouteHandlerMethod = (request, reply) => {
      reply.hijack()
      takeUp(service, resource, request.raw, reply.raw)
    }
    const url = `/${resource.route}`
    const methods = Object.keys(resource.methods)
    if (methods.includes('GET')) methods.push('HEAD')
    app.route({ method: [...new Set(methods)], url, exposeHeadRoute: false, handler })
    refusals.set(resource.route, handler)
  }
  // The router holds a kilobyte and more for each method of each route, in each thread: those that a route refuses meet here.
  app.setNotFoundHandler(function (request, reply) {
    const { place } = (request.raw as ArrivingMessage).arrival!
    return refusals.get(place.route)!.call(this, request, reply)
  })
}

/** Answers a request when its turn on its connection has come. */
function takeUp(
  service: Service,
  resource: Resource,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const line = Pipeline.of(request.socket)
  const isSafe = SAFE.has(request.method!)
  if (line.enter(isSafe, response)) respond(service, resource, request, response)
  else queueUp(line, isSafe, service, resource, request, response)
}

/** Apart: whoever need not wait makes no function for it. */
function queueUp(
  line: Pipeline,
  isSafe: boolean,
  ...[service, resource, request, response]: Parameters<typeof respond>
): void {
  line.wait(isSafe, () => respond(service, resource, request, response))
}

/**
 * Answers a request whose turn has come. Nothing is awaited that is known already: a read of an open database by somebody who is
 * known ends within the turn in which the request came, since every promise costs as much as a part of the work.
 */
function respond(
  service: Service,
  resource: Resource,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { clock, metrics } = service.options.backend
  const startMs = clock.monotonic()
  watchQueued(response)
  const exchange = exchangeOf(service, request, response)
  requestCame()
  requestBegun()
  metrics.count('couchdb.httpd.requests')
  metrics.countMethod(request.method === 'HEAD' ? 'HEAD' : exchange.method)
  let answer: Answer | Promise<Answer>
  try {
    answer = handle(exchange, resource)
  } catch (error) {
    answer = errorAnswer(error, exchange)
  }
  if (answer instanceof Promise) {
    void respondLater(exchange, answer, startMs)
    return
  }
  let sending: Promise<void> | undefined
  try {
    sending = send(exchange, answer)
  } catch (error) {
    breakOff(exchange, error)
  }
  if (sending === undefined) finish(exchange, startMs)
  else void finishLater(exchange, sending, startMs)
}

/** Never rejects. */
async function respondLater(exchange: Exchange, handled: Promise<Answer>, startMs: number): Promise<void> {
  try {
    let answer: Answer
    try {
      answer = await stillReadable(exchange, await handled)
    } catch (error) {
      if (error instanceof DatabaseError && error.kind === 'clientGone') {
        exchange.response.destroy()
        return
      }
      answer = errorAnswer(error, exchange)
    }
    const sending = send(exchange, answer)
    if (sending !== undefined) await sending
  } catch (error) {
    breakOff(exchange, error)
  } finally {
    finish(exchange, startMs)
  }
}

/**
 * An answer that took its time, an index that had to be built perhaps, may show what was written meanwhile. Rejects as
 * `requireStillReader` does.
 */
async function stillReadable(exchange: Exchange, answer: Answer): Promise<Answer> {
  if (answer.kind === 'whole') return answer
  try {
    const asking = requireStillReader(exchange)
    if (asking !== undefined) await asking
    return answer
  } catch (error) {
    await answer.pieces.return?.()
    throw error
  }
}

/** Never rejects. */
async function finishLater(exchange: Exchange, sending: Promise<void>, startMs: number): Promise<void> {
  try {
    await sending
  } catch (error) {
    breakOff(exchange, error)
  } finally {
    finish(exchange, startMs)
  }
}

/** Undefined where it was handed over. */
function send(exchange: Exchange, made: Answer): Promise<void> | undefined {
  const answer = exchange.limits.jsonpAllowed ? forCallback(exchange, made) : made
  if (answer.kind === 'whole') {
    sendWhole(exchange, answer)
    return undefined
  }
  return sendStreamed(exchange, answer)?.then(
    () => noteAbandoned(exchange),
    (error: unknown) => failBeforeHead(exchange, error),
  )
}

/**
 * What is sent where the client has named a callback. A name that is none is refused, but for what may have changed
 * something: its outcome is told as ever.
 */
function forCallback<A extends Answer>(exchange: Exchange, answer: A): A | WholeAnswer {
  const callback = exchange.query.get('callback')
  if (callback === undefined || callback === '' || !isJson(answer)) return answer
  if (isCallback(callback)) return asScript(answer, callback)
  if (!SAFE.has(exchange.method)) return answer
  if (answer.kind === 'streamed') void Promise.resolve(answer.pieces.return?.()).catch(() => undefined)
  return errorAnswer(new DatabaseError('badRequest', 'invalid_callback'), exchange)
}

function noteAbandoned({ response, backend }: Exchange): void {
  if (response.destroyed && !response.writableFinished) {
    backend.metrics.count('couchdb.httpd.abandoned_streaming_requests')
  }
}

/** What fails before the head has gone out is an answer like any other. */
function failBeforeHead(exchange: Exchange, error: unknown): void {
  if (exchange.response.headersSent) throw error
  const answer = errorAnswer(error, exchange)
  sendWhole(exchange, exchange.limits.jsonpAllowed ? forCallback(exchange, answer) : answer)
}

/**
 * The head has gone out: the only way left to say that the answer is incomplete is to cut it off. What is the client's
 * business is said as the last line, as CouchDB does, where the answer has no length.
 */
function breakOff(exchange: Exchange, error: unknown): void {
  const { response } = exchange
  const known = knownError(error)
  if (known.status < 500 && response.headersSent && response.chunkedEncoding) {
    response.write(`\n${errorText(known)}\n`, () => response.destroy())
    return
  }
  exchange.backend.log.error('answer broken off', {
    requestId: exchange.requestId,
    route: exchange.place.route,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  })
  response.destroy()
}

function finish(exchange: Exchange, startMs: number): void {
  requestOver()
  exchange.release()
  Pipeline.of(exchange.request.socket).leave()
  const { clock, metrics } = exchange.backend
  const { response } = exchange
  const durationMs = clock.monotonic() - startMs
  const nowMs = clock.now()
  metrics.observe('couchdb.request_time', durationMs, nowMs)
  if (!isFeed(exchange)) countRequest(exchange, durationMs, nowMs)
  if (response.headersSent) metrics.countStatus(response.statusCode)
  if (response.destroyed && !response.writableFinished) metrics.count('couchdb.httpd.aborted_requests')
  logRequest(exchange, durationMs)
}

/** For those who look on: what takes as long as its client wants is not among what is told of. */
function countRequest(
  { backend, place, method, response }: Exchange,
  durationMs: number,
  nowMs: number,
): void {
  const { metrics } = backend
  metrics.observeRequest(kindOf(place.route, method), durationMs)
  if (!metrics.slowRequests.admits(durationMs, nowMs)) return
  const { route, database = null } = place
  metrics.slowRequests.note({
    method,
    route,
    database,
    status: response.statusCode,
    durationMs,
    endedMs: nowMs,
  })
}

/** The exchange of a request that `rewriteUrl` has seen. */
export function exchangeOf(service: Service, request: IncomingMessage, response: ServerResponse): Exchange {
  const arrival = (request as ArrivingMessage).arrival!
  const requestId = requestIdOf(request, service.options.backend.random)
  return new Exchange(service, request, response, arrival, requestId)
}

function handle(exchange: Exchange, resource: Resource): Answer | Promise<Answer> {
  const allowed = preflight(exchange.service.options.cors, exchange.request)
  if (allowed !== undefined) return allowed
  const asking = identify(exchange)
  return asking === undefined ? admit(exchange, resource) : asking.then(() => admit(exchange, resource))
}

function admit(exchange: Exchange, resource: Resource): Answer | Promise<Answer> {
  exchange.bodyKind = bodyKindOf(resource, exchange.method)
  const opening = authorize(exchange, rightOf(resource.route, exchange.method, exchange.place.rest))
  if (opening !== undefined) return opening.then(() => handlerOf(resource, exchange.method)(exchange))
  return handlerOf(resource, exchange.method)(exchange)
}

/** What does `Service.handle` for these resources. */
export function handlerFor(resources: Iterable<Resource>): Service['handle'] {
  const byRoute = new Map<string, Resource>()
  for (const resource of resources) byRoute.set(resource.route, resource)
  return (exchange) => {
    const resource = byRoute.get(exchange.place.route)
    if (resource === undefined) throw new Error(`no route ${exchange.place.route}`)
    return admit(exchange, resource)
  }
}

/** Finds out who asks. Throws uriTooLong, badRequest for a malformed target, and as `authenticate` does. */
export function identify(exchange: Exchange): Promise<void> | undefined {
  if (exchange.rawTarget.length > exchange.limits.maxUriLength) throw new DatabaseError('uriTooLong')
  if ((exchange.request as ArrivingMessage).arrival!.malformed) {
    throw new DatabaseError('badRequest', 'invalid_url_encoding')
  }
  return authenticate(exchange)
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
