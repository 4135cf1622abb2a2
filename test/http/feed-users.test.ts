/** A feed shows nothing more to somebody who would not be let in any more, or has other roles than when it began. */
import { createHmac } from 'node:crypto'
import { request } from 'node:http'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { bearerToken } from '../support/bearer-token.ts'
import { openChangesSocket } from '../support/changes-socket.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'
import { configure, signIn } from '../support/user-session.ts'

type Headers = Record<string, string>

const SECRET = 'what keys the cookies of this server'
const TOKEN_SECRET = 'a shared secret of some length 01'
const SETTINGS: readonly (readonly [string, string])[] = [
  ['jwt_keys/hmac:_default', Buffer.from(TOKEN_SECRET).toString('base64')],
  ['chttpd_auth/secret', SECRET],
  ['chttpd_auth/proxy_use_secret', 'true'],
  ['chttpd/authentication_handlers', 'jwt, proxy, cookie, default'],
  ['chttpd_auth_lockout/threshold', '2'],
]
const OPEN = { members: { names: [], roles: [] } }
const FOR_READERS = { members: { names: ['ann'], roles: ['reader'] } }

/** What a client has read of its feed. */
interface Following {
  text(): string
  /** Resolves when the feed is over. */
  over: Promise<void>
  leave(): void
}

function follow(server: TestServer, path: string, headers: Headers): Following {
  let text = ''
  const sent = request({ host: '127.0.0.1', port: server.http.port, path, headers })
  const over = new Promise<void>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('close', resolve)
    })
  })
  sent.end()
  return { text: () => text, over, leave: () => sent.destroy() }
}

async function followSocket(server: TestServer, path: string, headers: Headers): Promise<Following> {
  const { messages, closed, socket } = await openChangesSocket(server, path, { headers, options: {} })
  return {
    text: () => JSON.stringify(messages),
    over: closed.then(() => undefined),
    leave: () => socket.terminate(),
  }
}

const basic = (text: string): Headers => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
})

async function putUser(server: TestServer, name: string, change: object = {}): Promise<void> {
  const path = `/_users/org.couchdb.user:${name}`
  const { json } = await ask(server, `GET ${path}`)
  const { _rev } = json as { _rev?: string }
  const user = { _rev, name, password: 'apple', roles: ['reader'], type: 'user', ...change }
  const { status } = await ask(server, `PUT ${path}`, { json: user })
  if (status !== 201) throw new Error(`no user: ${status}`)
}

async function deleteUser(server: TestServer, name: string): Promise<void> {
  const path = `/_users/org.couchdb.user:${name}`
  const { headers } = await ask(server, `GET ${path}`)
  await ask(server, `DELETE ${path}?rev=${headers.etag!.replaceAll('"', '')}`)
}

function token(claims: object): Headers {
  const text = bearerToken({ alg: 'HS256' }, { sub: 'ann', '_couchdb.roles': [], ...claims }, TOKEN_SECRET)
  return { authorization: `Bearer ${text}` }
}

const nowSeconds = (): number => Math.floor(systemClock.now() / 1000)
const proxied = (): Headers => ({
  'x-auth-couchdb-username': 'ann',
  'x-auth-couchdb-token': createHmac('sha256', SECRET).update('ann').digest('hex'),
})

async function nameOf(server: TestServer, headers: Headers): Promise<unknown> {
  const { json } = await ask(server, 'GET /_session', { as: null, headers })
  return (json as { userCtx?: { name: unknown } }).userCtx?.name ?? null
}

interface Case {
  readonly what: string
  readonly headers: (server: TestServer) => Headers | Promise<Headers>
  readonly security?: object
  /** What takes the right away. */
  readonly change: (server: TestServer, headers: Headers) => Promise<void>
  readonly undo?: (server: TestServer) => Promise<void>
}

const CASES: readonly Case[] = [
  { what: 'deleted', headers: () => basic('ann:apple'), change: (server) => deleteUser(server, 'ann') },
  {
    what: 'another password',
    headers: () => basic('ann:apple'),
    change: (server) => putUser(server, 'ann', { password: 'pear' }),
  },
  {
    what: 'other roles',
    headers: () => basic('bob:apple'),
    change: (server) => putUser(server, 'bob', { roles: ['other'] }),
  },
  { what: 'deleted, with a session', headers: signIn, change: (server) => deleteUser(server, 'ann') },
  {
    what: 'another password, with a session',
    headers: signIn,
    change: (server) => putUser(server, 'ann', { password: 'pear' }),
  },
  {
    what: 'a token that is over',
    headers: () => token({ exp: nowSeconds() + 2 }),
    change: (server, headers) =>
      until('the token is over', async () => (await nameOf(server, headers)) === null),
  },
  {
    what: 'a token of a key that is gone',
    headers: () => token({ exp: nowSeconds() + 600 }),
    change: (server) => configure(server, 'jwt_keys/hmac:_default', Buffer.from('other').toString('base64')),
    undo: (server) =>
      configure(server, 'jwt_keys/hmac:_default', Buffer.from(TOKEN_SECRET).toString('base64')),
  },
  {
    what: 'proxies are believed no more',
    headers: proxied,
    change: (server) => configure(server, 'chttpd/authentication_handlers', 'jwt, cookie, default'),
    undo: (server) => configure(server, 'chttpd/authentication_handlers', 'jwt, proxy, cookie, default'),
  },
  {
    what: 'nobody, where everybody must be known',
    headers: () => ({}),
    security: OPEN,
    change: (server) => configure(server, 'chttpd/require_valid_user', 'true'),
    undo: (server) => configure(server, 'chttpd/require_valid_user', 'false'),
  },
  {
    what: 'an administrator no more',
    headers: async (server) => {
      await configure(server, 'admins/eve', 'apple')
      return basic('eve:apple')
    },
    change: async (server) => void (await ask(server, 'DELETE /_node/_local/_config/admins/eve')),
  },
]

const PATH = '/db/_changes?since=now&include_docs=true&heartbeat=30&feed='

async function prepare(server: TestServer): Promise<void> {
  await ask(server, 'PUT /db')
  for (const [key, value] of SETTINGS) await configure(server, key, value)
}

for (const threads of [0, 1]) {
  t.test(`_changes, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    const { databases } = server.server
    for (const { what, headers: headersOf, security = FOR_READERS, change, undo } of CASES) {
      await putUser(server, 'ann')
      await putUser(server, 'bob')
      await ask(server, 'PUT /db/_security', { json: security })
      const headers = await headersOf(server)
      const followings = ['longpoll', 'continuous', 'eventsource'].map((feed) =>
        follow(server, PATH + feed, headers),
      )
      followings.push(await followSocket(server, `${PATH}websocket`, headers))
      for (const each of followings) await until('it waits', () => each.text().length > 2)
      await change(server, headers)
      t.equal((await ask(server, 'POST /db', { json: { hidden: 'text' } })).status, 201)
      for (const each of followings) {
        await each.over
        t.notMatch(each.text(), /hidden/, what)
      }
      await undo?.(server)
      await until('nobody waits', () => databases.watcherCount('db') === 0)
    }
  })

  t.test(`_db_updates, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    for (const feed of ['longpoll', 'continuous', 'eventsource']) {
      await configure(server, 'admins/eve', 'apple')
      const following = follow(server, `/_db_updates?since=now&heartbeat=20&feed=${feed}`, basic('eve:apple'))
      await until('it waits', () => following.text() !== '')
      await ask(server, 'DELETE /_node/_local/_config/admins/eve')
      await ask(server, `PUT /hidden-${feed}`)
      await following.over
      t.notMatch(following.text(), /hidden/, feed)
    }
  })

  t.test(`what changes nothing, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    await putUser(server, 'ann')
    await ask(server, 'PUT /db/_security', { json: FOR_READERS })
    const session = await signIn(server)
    const followings = [
      follow(server, `${PATH}continuous`, session),
      follow(server, `${PATH}continuous`, basic('ann:apple')),
      follow(server, `${PATH}continuous`, token({ exp: nowSeconds() + 600 })),
      follow(server, `${PATH}continuous`, proxied()),
    ]
    t.teardown(() => followings.map((each) => each.leave()))
    for (const each of followings) await until('it waits', () => each.text() !== '')
    await putUser(server, 'another')
    await configure(server, 'chttpd_auth/timeout', '1')
    await until('the session is old', async () => (await nameOf(server, session)) === null)
    await ask(server, 'PUT /db/seen', { json: {} })
    await until('an old session is told', () => followings[0]!.text().includes('seen'))
    // The same password has another hash.
    await putUser(server, 'ann', { some: 'member' })
    for (let i = 0; i < 3; i++) await ask(server, `PUT /db/seen${i}`, { json: {} })
    // Another hash ends sessions.
    for (const each of followings.slice(1)) await until('it is told', () => each.text().includes('seen2'))
  })

  t.test(`a password that is right no more is nobody's guess, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    await putUser(server, 'ann')
    await ask(server, 'PUT /db/_security', { json: FOR_READERS })
    const followings = Array.from({ length: 5 }, () =>
      follow(server, `${PATH}continuous`, basic('ann:apple')),
    )
    for (const each of followings) await until('it waits', () => each.text() !== '')
    await putUser(server, 'ann', { password: 'pear' })
    await ask(server, 'POST /db', { json: { hidden: 'text' } })
    for (const each of followings) await each.over
    t.equal((await ask(server, 'GET /db', { as: 'ann:pear' })).status, 200)
  })
}
