/**
 * The table of rights, cell by cell, over sockets: every route with each of its methods, and one that it has not, asked by
 * everybody there is, of an ordinary database, a public one, and `_users` closed and open. What is asked for is always
 * wrong behind the question of rights, so that nothing changes.
 */

import t, { type Test } from 'tap'
import { makeToken } from '../../src/auth/session-cookie.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Right } from '../../src/http/request/rights.ts'
import { RULES } from '../../src/http/request/rights.ts'
import { resources } from '../../src/http/routes/index.ts'
import { bearerToken } from '../support/bearer-token.ts'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { HOLDERS, type Kind, lines } from '../support/rights.ts'

const SECRET = 'the secret of this server'
const KEY = 'a key that signs bearer tokens here'
const CONFIG = {
  DAVENPORT_CHTTPD__AUTHENTICATION_HANDLERS:
    '{chttpd_auth, jwt_authentication_handler}, {chttpd_auth, cookie_authentication_handler}, {chttpd_auth, default_authentication_handler}',
  DAVENPORT_JWT_AUTH__REQUIRED_CLAIMS: 'exp',
  DAVENPORT_CHTTPD_AUTH__SECRET: SECRET,
  DAVENPORT_CHTTPD_AUTH__PUBLIC_FIELDS: 'name,city',
  DAVENPORT_CHTTPD_AUTH_LOCKOUT__MODE: 'off',
  DAVENPORT_COUCHDB__USERS_DB_SECURITY_EDITABLE: 'true',
}

type Place = 'ordinary' | 'public' | '_users, closed' | '_users, open' | 'none'

interface Caller {
  readonly what: string
  readonly headers: Record<string, string>
  readonly isNamed: boolean
  /** What he is to a database there. */
  kind(place: Place): Kind
}

/** Credentials that are none: refused wherever they come to. */
interface Impostor {
  readonly what: string
  readonly headers: Record<string, string>
  readonly status: number
  readonly reason: string
}

const basic = (credentials: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
})
const bearer = (claims: object, key = KEY): Record<string, string> => ({
  authorization: `Bearer ${bearerToken({ alg: 'HS256' }, claims, key)}`,
})
const soon = (): number => Math.floor(systemClock.now() / 1000) + 3600

/** By names, as `_security` of the databases here has them. */
function named(name: string, inside: Kind, credentials: Record<string, string>): Caller {
  return {
    what: name,
    headers: credentials,
    isNamed: true,
    kind: (place) => {
      if (place === 'none' || place === '_users, closed') return 'user'
      if (inside === 'user' && place === 'public') return 'member'
      return inside
    },
  }
}

function nobody(what: string, headers: Record<string, string> = {}): Caller {
  const kind = (place: Place): Kind => (place === 'public' ? 'member' : 'anybody')
  return { what, headers, isNamed: false, kind }
}

function callersOf(salt: string): Caller[] {
  const old = Math.floor(systemClock.now() / 1000) - 24 * 3600
  const now = Math.floor(systemClock.now() / 1000)
  return [
    nobody('anonymous'),
    nobody('an expired cookie', { cookie: `AuthSession=${makeToken('mia', old, SECRET + salt)}` }),
    nobody('a forged cookie', { cookie: `AuthSession=${makeToken('mia', now, `another${salt}`)}` }),
    named('nat, of no database', 'user', basic('nat:n')),
    named('mia, a member', 'member', basic('mia:m')),
    named('mia by cookie', 'member', { cookie: `AuthSession=${makeToken('mia', now, SECRET + salt)}` }),
    named('dora, an administrator of databases', 'databaseAdmin', basic('dora:d')),
    named('one with a token', 'user', bearer({ sub: 'tom', exp: soon() })),
    {
      what: 'a reader of figures',
      headers: bearer({ sub: 'max', exp: soon(), '_couchdb.roles': ['_metrics'] }),
      isNamed: true,
      kind: (place) => (place === 'none' ? 'metrics' : place === 'public' ? 'member' : 'user'),
    },
    { what: 'the administrator', headers: basic('admin:secret'), isNamed: true, kind: () => 'serverAdmin' },
    {
      what: 'an administrator by token',
      headers: bearer({ sub: 'ada', exp: soon(), '_couchdb.roles': ['_admin'] }),
      isNamed: true,
      kind: () => 'serverAdmin',
    },
  ]
}

const IMPOSTORS: readonly Impostor[] = [
  {
    what: 'a wrong password',
    headers: basic('mia:no'),
    status: 401,
    reason: 'Name or password is incorrect.',
  },
  {
    what: 'an unknown name',
    headers: basic('nil:no'),
    status: 401,
    reason: 'Name or password is incorrect.',
  },
  {
    what: 'a forged token',
    headers: bearer({ sub: 'mia', exp: soon() }, 'x'),
    status: 400,
    reason: 'Bad HMAC',
  },
  { what: 'an old token', headers: bearer({ sub: 'mia', exp: 1 }), status: 401, reason: 'exp not in future' },
]

/** The words of the refusal that each right has. */
function refusalOf(right: Right, caller: Caller, place: Place): [status: number, reason: string] {
  const isMember = HOLDERS.member.usual.includes(caller.kind(place))
  switch (right) {
    case 'signed-in':
      return [401, 'You are not an authenticated user']
    case 'metrics':
      return [401, 'You are not a server admin or read-only metrics user']
    case 'database-admin':
      return [401, 'You are not a server or db admin.']
    case 'settings':
    case 'insider':
      if (isMember) return [caller.isNamed ? 403 : 401, 'You are not a db or server admin.']
      break
    case 'lister':
      if (place.startsWith('_users')) return [401, 'You are not a server admin.']
      break
    case 'server-admin':
      return [401, 'You are not a server admin.']
  }
  return caller.isNamed
    ? [403, 'You are not allowed to access this db.']
    : [401, 'You are not authorized to access this db.']
}

const REFUSALS = /^You are not |^Name or password|HMAC$|^exp not/

function refused({ status, json }: Reply): [number, string] | undefined {
  const { reason } = (json ?? {}) as { reason?: unknown }
  const isRefusal = (status === 401 || status === 403 || status === 400) && typeof reason === 'string'
  return isRefusal && REFUSALS.test(reason) ? [status, reason] : undefined
}

/** DELETE of a database is refused for its revision, everything else for its body. */
function sendWrong(
  server: TestServer,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<Reply> {
  const isDeletion = method === 'DELETE' && /^\/[^/]+$/.test(path)
  const line = `${method} ${path}${isDeletion ? '?rev=1-a' : ''}`
  const body = method === 'GET' ? {} : { body: '[]' }
  return ask(server, line, { as: null, headers, ...body })
}

interface Cell {
  readonly method: string
  readonly target: string
  readonly right: Right
  readonly caller: Caller
  readonly place: Place
}

async function tryCell(t: Test, server: TestServer, cell: Cell): Promise<void> {
  const { method, target, right, caller, place } = cell
  const kind = caller.kind(place)
  // Local documents of `_users` are for its administrators: it is the handlers that find out.
  if (place === '_users, open' && target.startsWith('/_users/_local') && kind === 'member') return
  const { usual, system } = HOLDERS[right]
  const holders = place.startsWith('_users') ? system : usual
  const expected = holders.includes(kind) ? undefined : refusalOf(right, caller, place)
  const reply = await sendWrong(server, method, target, caller.headers)
  const found = refused(reply)
  if (JSON.stringify(found) === JSON.stringify(expected)) return
  t.same(found, expected, `${place}: ${method} ${target} by ${caller.what} (${reply.status} ${reply.text})`)
}

async function tryImpostor(
  t: Test,
  server: TestServer,
  method: string,
  target: string,
  { what, headers, status, reason }: Impostor,
): Promise<void> {
  const found = refused(await sendWrong(server, method, target, headers))
  if (found?.[0] === status && found[1] === reason) return
  t.same(found, [status, reason], `${method} ${target} with ${what}`)
}

async function tryPlace(
  t: Test,
  server: TestServer,
  callers: readonly Caller[],
  place: Place,
  name: string,
): Promise<void> {
  let cells = 0
  for (const { path, methods, right } of lines()) {
    if (path.includes('DB') === (place === 'none')) continue
    const target = path.replace('DB', name)
    for (const method of methods) {
      await Promise.all(callers.map((caller) => tryCell(t, server, { method, target, right, caller, place })))
      cells += callers.length
      if (place !== 'ordinary' && place !== 'none') continue
      await Promise.all(IMPOSTORS.map((impostor) => tryImpostor(t, server, method, target, impostor)))
      cells += IMPOSTORS.length
    }
  }
  t.ok(cells > 100, `${cells} cells of ${place}`)
}

const SECURITY = { members: { names: ['mia'] }, admins: { names: ['dora'] } }

async function prepare(server: TestServer): Promise<Caller[]> {
  const key = Buffer.from(KEY).toString('base64')
  await ask(server, 'PUT /_node/_local/_config/jwt_keys/hmac:_default', { json: key })
  for (const [name, password] of [
    ['nat', 'n'],
    ['mia', 'm'],
    ['dora', 'd'],
  ]) {
    const json = { name, password, roles: [], type: 'user', city: 'Ulm', phone: '5' }
    await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
  }
  for (const name of ['ordinary', 'public']) {
    await ask(server, `PUT /${name}`)
    await ask(server, `PUT /${name}/doc`, { json: { v: 1 } })
    await ask(server, `PUT /${name}/_design/kept`, { json: {} })
  }
  await ask(server, 'PUT /ordinary/_security', { json: SECURITY })
  await ask(server, 'PUT /public/_security', { json: { admins: SECURITY.admins } })
  const { json } = await ask(server, 'GET /_users/org.couchdb.user:mia')
  return callersOf((json as { salt: string }).salt)
}

/** Each of the ways to write a design document, and whether it was refused for that. */
async function writesDesign(t: Test, server: TestServer, callers: readonly Caller[]): Promise<void> {
  const notAdmin = 'You are not a db or server admin.'
  const ways: [line: string, json: unknown, headers?: Record<string, string>][] = [
    ['PUT /DB/_design/a', {}],
    ['PUT /DB/_design/a?batch=ok', {}],
    ['PUT /DB/_design/a?new_edits=false', { _rev: '1-a' }],
    ['POST /DB', { _id: '_design/b' }],
    ['POST /DB/_bulk_docs', { docs: [{ _id: '_design/c' }] }],
    ['POST /DB/_bulk_docs', { docs: [{ _id: '_design/c', _rev: '1-a' }], new_edits: false }],
    ['POST /DB/_bulk_docs', { docs: [{ _id: '_design/c2' }], all_or_nothing: true }],
    ['COPY /DB/doc', undefined, { destination: '_design/d' }],
    ['PUT /DB/_design/e/attachment', {}],
    ['PATCH /DB/_design/kept', {}, { 'content-type': 'application/merge-patch+json' }],
    ['DELETE /DB/_design/kept?rev=1-967a00dff5e02add41819138abb3284d', undefined],
  ]
  for (const name of ['ordinary', 'public']) {
    for (const caller of callers) {
      const kind = caller.kind(name as Place)
      if (!HOLDERS.member.usual.includes(kind)) continue
      const may = HOLDERS.settings.usual.includes(kind)
      for (const [line, json, headers] of ways) {
        const sending = { as: null, json, headers: { ...headers, ...caller.headers } }
        const reply = await ask(server, line.replace('DB', name), sending)
        const said = reply.text.includes(notAdmin)
        if (said === may) t.fail(`${line} of ${name} by ${caller.what}: ${reply.status} ${reply.text}`)
      }
    }
  }
}

/** Who is let into `_users` sees his own document whole, and of others what is public. */
async function readsUsers(t: Test, server: TestServer): Promise<void> {
  const read = async (path: string, as: string): Promise<[number, string]> => {
    const { status, json } = await ask(server, `GET /_users/${path}`, { as })
    return [status, Object.keys(json as object).join()]
  }
  const own = await read('org.couchdb.user:mia', 'mia:m')
  t.equal(own[0], 200)
  t.match(own[1], /derived_key/)
  const other = await read('org.couchdb.user:nat', 'mia:m')
  t.same(other, [200, '_id,_rev,name,city'])
  t.equal((await read('org.couchdb.user:nat', 'nat:n'))[0], 403)
  t.equal((await read('_local/any', 'mia:m'))[0], 401)
  t.equal((await read('_local_docs', 'mia:m'))[0], 403)
  t.equal((await read('_design/any', 'mia:m'))[0], 404)
  const line = 'POST /_users'
  const local = await ask(server, line, { as: 'mia:m', json: { _id: '_local/couch_peruser', since: 'x' } })
  t.equal(local.status, 401, 'nobody else writes where services keep how far they are')
  const bulk = await ask(server, 'POST /_users/_bulk_get', {
    as: 'mia:m',
    json: { docs: [{ id: 'org.couchdb.user:nat' }] },
  })
  t.notMatch(bulk.text, 'derived_key')
  t.match(bulk.text, 'Ulm')
}

// Some ten thousand requests.
t.setTimeout(600_000)

t.test('every route has a rule, and every rule a route', async (t) => {
  t.same([...resources.map(({ route }) => route)].sort(), Object.keys(RULES).sort())
})

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, { timeout: 300_000 }, async (t) => {
    const server = await startTestServer({ config: CONFIG, threads })
    t.teardown(() => server.stop())
    const callers = await prepare(server)
    await tryPlace(t, server, callers, 'none', '')
    await tryPlace(t, server, callers, 'ordinary', 'ordinary')
    await tryPlace(t, server, callers, 'public', 'public')
    await writesDesign(t, server, callers)
    await tryPlace(t, server, callers, '_users, closed', '_users')
    t.equal((await ask(server, 'PUT /_users/_security', { json: SECURITY })).status, 200)
    await tryPlace(t, server, callers, '_users, open', '_users')
    await readsUsers(t, server)
  })
}
