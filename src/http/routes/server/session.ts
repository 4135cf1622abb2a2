import { DatabaseError } from '../../../base/errors.ts'
import { canonicalize } from '../../../json/documents.ts'
import { type Answer, type Headers, json } from '../../answer/answer.ts'
import { requireObject } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { isTrue } from '../../request/parameters.ts'
import { parseForm } from '../../request/path.ts'
import type { Resource } from '../resource.ts'

const FORM_MEMBERS = new Set(['name', 'username', 'password'])
const WRONG_CREDENTIALS = 'Name or password is incorrect.'

/** `/_session`: who one is, signing in and out. */
function read(exchange: Exchange): Answer {
  const { name, roles } = exchange.user
  if (name === null && isTrue(exchange.query.get('basic'))) {
    throw new DatabaseError('unauthorized', 'Please login.')
  }
  const info: Record<string, unknown> = {
    authentication_handlers: exchange.backend.authenticator.handlers,
  }
  const database = exchange.backend.settings.get('authenticationDatabase')
  if (database !== undefined) info['authentication_db'] = database
  const handler = exchange.authentication?.handler
  if (handler !== undefined) info['authenticated'] = handler
  return json(200, { ok: true, userCtx: { name, roles }, info })
}

async function login(exchange: Exchange): Promise<Answer> {
  const form = await readForm(exchange)
  const name = nameOf(form)
  const { authenticator } = exchange.backend
  const session = await authenticator.login(name, form.get('password') ?? '', exchange)
  if (session === undefined) {
    const headers: Headers = { 'set-cookie': authenticator.logout(exchange) }
    const fail = exchange.query.get('fail')
    if (fail !== undefined) headers['location'] = exchange.absoluteUri(fail)
    const error = 'unauthorized'
    return json(fail === undefined ? 401 : 302, { error, reason: WRONG_CREDENTIALS }, headers)
  }
  const headers = { 'set-cookie': session.setCookie }
  const { name: known, roles } = session.user
  return redirectable(exchange, { ok: true, name: known, roles }, headers)
}

function logout(exchange: Exchange): Answer {
  return redirectable(
    exchange,
    { ok: true },
    { 'set-cookie': exchange.backend.authenticator.logout(exchange) },
  )
}

/** 200, or 302 to `next`. */
function redirectable(exchange: Exchange, value: unknown, headers: Headers): Answer {
  const next = exchange.query.get('next')
  if (next === undefined) return json(200, value, headers)
  return json(302, value, { ...headers, location: exchange.absoluteUri(next) })
}

/** Names and values of a form or of a JSON object. Throws badContentType, invalidJson, badRequest. */
async function readForm(exchange: Exchange): Promise<Map<string, string>> {
  const type = exchange.header('content-type') ?? ''
  if (type.startsWith('application/x-www-form-urlencoded')) {
    const pairs = parseForm((await exchange.body()).toString('latin1'))
    return new Map(pairs.reverse())
  }
  if (type.startsWith('application/json')) {
    const object = requireObject(JSON.parse(canonicalize(await exchange.body()).toString('utf8')))
    const form = new Map<string, string>()
    for (const [key, value] of Object.entries(object)) {
      if (typeof value === 'string') form.set(key, value)
      else if (FORM_MEMBERS.has(key)) throw new DatabaseError('badRequest', `\`${key}\` must be a string`)
    }
    return form
  }
  throw new DatabaseError(
    'badContentType',
    "Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'",
  )
}

function nameOf(form: Map<string, string>): string {
  const name = form.get('name')
  const username = form.get('username')
  if (name !== undefined && username !== undefined && name !== username) {
    throw new DatabaseError('badRequest', 'request body contains different usernames')
  }
  const found = username ?? name
  if (found === undefined) throw new DatabaseError('badRequest', 'request body must contain a username')
  return found
}

export const sessionResources: Resource[] = [
  {
    route: '_session',
    endpoint: 'owns-rest',
    body: 'credentials',
    allow: 'GET,HEAD,POST,DELETE',
    methods: { GET: read, POST: login, DELETE: logout },
  },
]
