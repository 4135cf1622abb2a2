/**
 * What is read of an answer while its client takes it is for who still is a user, with the roles that he had: one who was deleted, has
 * another password or lost a role gets no more of it, be it rows, a download, or what a rewrite leads to.
 */
import { request } from 'node:http'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { bearerToken } from '../support/bearer-token.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'
import { configure, signIn } from '../support/user-session.ts'

type Headers = Record<string, string>

const IDS = Array.from({ length: 120 }, (_, i) => `doc${String(i).padStart(3, '0')}`)
const DOCUMENT_BYTES = 100_000
const FILE_BYTES = 24_000_000
const BASIC = { authorization: `Basic ${Buffer.from('ann:apple').toString('base64')}` }
const TOKEN_SECRET = 'a shared secret of some length 01'
const TOKEN_KEY = Buffer.from(TOKEN_SECRET).toString('base64')

/** Asks, takes nothing until `meanwhile` is done, and then everything. Resolves with how many bytes there were, and the last ones. */
function askSlowly(
  server: TestServer,
  [method, path, json]: Reading,
  headers: Headers,
  meanwhile: () => Promise<void>,
): Promise<{ status: number; bytes: number; end: string }> {
  return new Promise((resolve, reject) => {
    const body = json === undefined ? undefined : JSON.stringify(json)
    const typed = { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const sent = request({ host: '127.0.0.1', port: server.http.port, method, path, headers: typed })
    sent.on('error', reject)
    sent.on('response', (response) => {
      let bytes = 0
      let end = ''
      response.on('error', () => undefined)
      response.on('close', () => resolve({ status: response.statusCode!, bytes, end }))
      void meanwhile().then(() => {
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          end = (end + chunk.subarray(-200).toString('latin1')).slice(-200)
        })
      }, reject)
    })
    sent.end(body)
  })
}

type Reading = [method: string, path: string, json?: object]

const READINGS: readonly Reading[] = [
  ['GET', '/db/_all_docs?include_docs=true'],
  ['GET', '/db/_changes?include_docs=true'],
  ['POST', '/db/_bulk_get', { docs: IDS.map((id) => ({ id })) }],
  ['POST', '/db/_find', { selector: { _id: { $gt: null } }, limit: 10_000 }],
  ['GET', '/db/_design/views/_view/ids?include_docs=true'],
  ['GET', '/db/_design/views/_rewrite/there'],
  ['GET', '/db/_design/views/_rewrite/elsewhere'],
  ['GET', '/db/file/long.bin'],
  ['GET', `/db/file/long.bin?open_revs=all`],
]

async function revisionOf(server: TestServer, path: string): Promise<string | undefined> {
  return (await ask(server, `GET ${path}`)).headers.etag?.replaceAll('"', '')
}

async function putUser(server: TestServer, change: object = {}): Promise<void> {
  const path = '/_users/org.couchdb.user:ann'
  const _rev = await revisionOf(server, path)
  const user = { _rev, name: 'ann', password: 'apple', roles: ['reader'], type: 'user', ...change }
  const { status } = await ask(server, `PUT ${path}`, { json: user })
  if (status !== 201) throw new Error(`no user: ${status}`)
}

async function deleteUser(server: TestServer): Promise<void> {
  const path = '/_users/org.couchdb.user:ann'
  await ask(server, `DELETE ${path}?rev=${await revisionOf(server, path)}`)
}

function token(exp: number): Headers {
  const claims = { sub: 'ann', '_couchdb.roles': ['reader'], exp }
  return { authorization: `Bearer ${bearerToken({ alg: 'HS256' }, claims, TOKEN_SECRET)}` }
}

const nowSeconds = (): number => Math.floor(systemClock.now() / 1000)

async function prepare(server: TestServer): Promise<void> {
  await configure(server, 'jwt_keys/hmac:_default', TOKEN_KEY)
  await configure(server, 'chttpd/authentication_handlers', 'jwt, cookie, default')
  await configure(server, 'chttpd/secure_rewrites', 'false')
  const pad = 'x'.repeat(DOCUMENT_BYTES)
  for (const name of ['db', 'other']) {
    await ask(server, `PUT /${name}`)
    await ask(server, `PUT /${name}/_security`, { json: { members: { names: [], roles: ['reader'] } } })
    for (let i = 0; i < IDS.length; i += 60) {
      const docs = IDS.slice(i, i + 60).map((_id) => ({ _id, pad }))
      await ask(server, `POST /${name}/_bulk_docs`, { json: { docs } })
    }
  }
  await ask(server, 'PUT /db/_design/views', {
    json: {
      views: { ids: { map: 'function (doc) { emit(doc._id) }' } },
      rewrites: [
        { from: 'there', to: '../../_all_docs', query: { include_docs: 'true' } },
        { from: 'elsewhere', to: '../../../other/_all_docs', query: { include_docs: 'true' } },
      ],
    },
  })
  await ask(server, 'GET /db/_design/views/_view/ids')
  const body = Buffer.alloc(FILE_BYTES, 'y')
  const headers = { 'content-type': 'application/octet-stream' }
  await ask(server, 'PUT /db/file/long.bin', { body, headers })
}

const LEAST_BYTES = IDS.length * DOCUMENT_BYTES

for (const threads of [0, 1]) {
  t.test(`${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    const isCut = async (
      reading: Reading,
      headers: Headers,
      what: string,
      change: () => Promise<void>,
    ): Promise<void> => {
      const { status, bytes } = await askSlowly(server, reading, headers, change)
      t.equal(status, 200, `${what}: ${reading[1]}`)
      t.ok(bytes > 0 && bytes < LEAST_BYTES, `${what}: ${reading[1]} ended after ${bytes} bytes`)
    }
    for (const reading of READINGS) {
      await putUser(server)
      await isCut(reading, BASIC, 'deleted', () => deleteUser(server))
    }
    const [rows] = READINGS as [Reading]
    await putUser(server)
    await isCut(rows, BASIC, 'another password', () => putUser(server, { password: 'pear' }))
    await putUser(server)
    await isCut(rows, BASIC, 'another role', () => putUser(server, { roles: ['reader', 'other'] }))
    await putUser(server)
    await isCut(rows, await signIn(server), 'deleted, with a session', () => deleteUser(server))
    await putUser(server)
    const elsewhere: Reading = ['GET', '/db/_design/views/_rewrite/elsewhere']
    await isCut(elsewhere, BASIC, 'no member of where a rewrite leads', async () => {
      await ask(server, 'PUT /other/_security', { json: { members: { names: ['eve'] } } })
    })
    await isCut(rows, token(nowSeconds() + 600), 'a token of a key that is gone', () =>
      configure(server, 'jwt_keys/hmac:_default', Buffer.from('other').toString('base64')),
    )
  })

  t.test(`who is deleted while an index is built for him, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await ask(server, 'PUT /db')
    await ask(server, 'PUT /db/_security', { json: { members: { names: [], roles: ['reader'] } } })
    await ask(server, 'POST /db/_bulk_docs', { json: { docs: IDS.map((_id) => ({ _id })) } })
    const map = 'function (doc) { for (var i = 0; i < 400000; i++); emit(doc._id) }'
    await ask(server, 'PUT /db/_design/slow', { json: { views: { ids: { map } } } })
    await putUser(server)
    const answer = ask(server, 'GET /db/_design/slow/_view/ids', { as: 'ann:apple' })
    await until('it is built', async () => {
      const { json } = await ask(server, 'GET /_active_tasks')
      return (json as unknown[]).length > 0
    })
    await deleteUser(server)
    const { status, json } = await answer
    t.equal(status, 401)
    t.notMatch(json, { rows: Array })
  })

  t.test(`what ends no answer, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    await putUser(server)
    const untouched = async (headers: Headers, what: string, change: () => Promise<void>): Promise<void> => {
      const { bytes, end } = await askSlowly(
        server,
        ['GET', '/db/_all_docs?include_docs=true'],
        headers,
        change,
      )
      t.ok(bytes > LEAST_BYTES && end.endsWith(']}\n'), what)
    }
    await untouched(BASIC, 'the same password has another hash', () => putUser(server, { some: 'member' }))
    const session = await signIn(server)
    await untouched(session, 'another user is written', async () => {
      const json = { name: 'bob', password: 'apple', roles: [], type: 'user' }
      await ask(server, 'PUT /_users/org.couchdb.user:bob', { json })
    })
    const exp = nowSeconds() + 1
    await untouched(token(exp), 'a token that is over when its answer is under way', async () => {
      while (nowSeconds() <= exp) await new Promise((resolve) => setTimeout(resolve, 50))
    })
  })
}
