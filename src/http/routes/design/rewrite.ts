/**
 * `_rewrite/…`: a request goes where rules, or a function, of a design document say, within this server and with the rights
 * of whoever sent it. As often as `[chttpd] rewrite_limit`; `secure_rewrites` keeps rules in their database.
 */
import { DatabaseError } from '../../../base/errors.ts'
import { DesignFunctionError } from '../../../design/script-failure.ts'
import { ScriptError } from '../../../scripting/script-error.ts'
import type { Rewrite } from '../../../scripting/scripting.ts'
import { type Answer, bare } from '../../answer/answer.ts'
import { finalStatus, functionHeaders, OF_THE_SERVER } from '../../answer/function-answer.ts'
import type { Exchange, Rewriting } from '../../request/exchange.ts'
import { functionRequest } from '../../request/function-request.ts'
import { encodeComponent } from '../../request/path.ts'
import type { Resource } from '../resource.ts'
import { ANY_METHOD, callOptions, functionPolicy, openDesign, outcomeOf } from './design-call.ts'
import { matchRules, readRules } from './rewrite-rules.ts'

const DESIGN_PREFIX = '_design/'
/** What `requestObject` has for other functions alone. */
const NOT_SHOWN = new Set(['info', 'form', 'uuid', 'id'])

async function rewrite(exchange: Exchange): Promise<Answer> {
  const { design } = openDesign(exchange)
  if (exchange.rewrites >= exchange.limits.rewriteLimit) {
    throw new DatabaseError('badRequest', 'Exceeded rewrite recursion limit')
  }
  const { rewrites } = design
  if (Array.isArray(rewrites)) return byRules(exchange, rewrites)
  if (typeof rewrites !== 'string') throw new DatabaseError('rewriteError')
  const body = exchange.hasBody ? await exchange.body() : undefined
  const shown = Object.entries(functionRequest(exchange, { body })).filter(([name]) => !NOT_SHOWN.has(name))
  const request = Buffer.from(JSON.stringify(Object.fromEntries(shown)))
  const { scripting } = exchange.backend.designs
  const answer = await outcomeOf(scripting.rewrite(design, request, callOptions(exchange)))
  if (answer === undefined) throw new DatabaseError('rewriteError')
  return byFunction(exchange, answer)
}

async function byRules(exchange: Exchange, rewrites: readonly unknown[]): Promise<Answer> {
  const rules = await exchange.inTurns(readRules(rewrites, exchange.limits.secureRewrites))
  const { place, query, method } = exchange
  const target = await exchange.inTurns(matchRules(rules, method, place.rest, query))
  if (target === undefined) throw new DatabaseError('missing')
  return redirected(exchange, { target: normalized(exchange, target) })
}

function byFunction(exchange: Exchange, answer: Rewrite): Answer | Promise<Answer> {
  const { code, path, method } = answer
  const headers = textsOf(answer, 'headers')
  const body = textOf(answer, 'body')
  textOf(answer, 'method')
  textOf(answer, 'path')
  if (code !== undefined) {
    return ownAnswer(code, headers, { body, policy: functionPolicy(exchange) })
  }
  if (typeof path !== 'string') {
    throw refused('Rewrite result must produce a new path.')
  }
  const asked = answer['query'] === undefined ? exchange.query.pairs : textsOf(answer, 'query')
  const parameters = asked.map(([name, value]) => `${encodeComponent(name)}=${encodeComponent(value)}`)
  const target = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`
  return redirected(exchange, {
    target: normalized(exchange, target),
    method: method === undefined ? undefined : method === 'HEAD' ? 'GET' : (method as string),
    headers: headersOf(headers, body),
    body: body === undefined ? undefined : Buffer.from(body),
  })
}

/** A function may answer by itself. */
function ownAnswer(
  code: unknown,
  headers: [string, string][],
  { body = '', policy }: { body: string | undefined; policy: string | undefined },
): Answer {
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 200 || code > 599)
    throw refused('bad code')
  const bytes = new Uint8Array(Buffer.from(body))
  const response = { code, hasCode: true, headers, contentType: '', body: bytes, isJson: false }
  return { ...bare(finalStatus(code), functionHeaders(response, { policy })), body: Buffer.from(bytes) }
}

/** Of the message's framing a function says nothing: it is that of the body that is there. */
function headersOf(given: readonly [string, string][], body: string | undefined): Record<string, string> {
  const own = given.map(([name, value]) => [name.toLowerCase(), value] as const)
  const headers = Object.fromEntries(own.filter(([name]) => !OF_THE_SERVER.has(name)))
  if (body === undefined) return headers
  return { ...headers, 'content-length': String(Buffer.byteLength(body)), 'content-encoding': 'identity' }
}

function redirected(exchange: Exchange, rewriting: Rewriting): Answer | Promise<Answer> {
  if (exchange.response.destroyed) throw new DatabaseError('clientGone')
  return exchange.service.handle(exchange.rewritten(rewriting))
}

/** The absolute path of one that is relative to the design document: `.` and `..` are steps, above all there is nothing. */
function normalized({ place, id }: Exchange, relative: string): string {
  const question = relative.indexOf('?')
  const path = question < 0 ? relative : relative.slice(0, question)
  const steps = [place.database ?? '', DESIGN_PREFIX.slice(0, -1), id.slice(DESIGN_PREFIX.length)].map(
    encodeComponent,
  )
  for (const part of path.split('/')) {
    if (part === '..') steps.pop()
    else if (part !== '.' && part !== '') steps.push(part)
  }
  return `/${steps.join('/')}${question < 0 ? '' : relative.slice(question)}`
}

function textOf(answer: Rewrite, name: string): string | undefined {
  const value = answer[name]
  if (value === undefined || typeof value === 'string') return value
  throw refused(`bad ${name}`)
}

function textsOf(answer: Rewrite, name: string): [string, string][] {
  const value = answer[name]
  if (value === undefined) return []
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(`bad ${name}`)
  return Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw refused(`bad ${name}`)
    return [key, text]
  })
}

function refused(reason: string): DesignFunctionError {
  return new DesignFunctionError(new ScriptError({ kind: 'thrown', error: 'rewrite_error', reason }))
}

export const rewriteResource: Resource = {
  route: 'design/_rewrite',
  endpoint: 'owns-rest',
  body: 'function',
  allow: ANY_METHOD.join(','),
  methods: Object.fromEntries(ANY_METHOD.map((method) => [method, rewrite])),
}
