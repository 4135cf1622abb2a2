/** Who can sign in is what is stored now: nothing that was remembered outlives a write. */
import t, { type Test } from 'tap'
import type { Credential } from '../../src/auth/user.ts'
import { DatabaseError } from '../../src/base/errors.ts'
import { UserCredentials, type UsersBackend } from '../../src/users/user-credentials.ts'
import { errorLike } from '../support/error-like.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const HASH = { password_scheme: 'pbkdf2', pbkdf2_prf: 'sha256', iterations: 1, derived_key: 'ab'.repeat(32) }
const ROOT: Credential = {
  name: 'root',
  roles: ['_admin'],
  hash: { prf: 'sha256', salt: 'r', iterations: 1, derivedKey: 'cd'.repeat(32) },
}

async function setUp(t: Test) {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  const admins = new Map([['root', ROOT]])
  const { databases } = server.server
  const users = new UserCredentials({ find: (name) => admins.get(name) }, databases as UsersBackend)
  return { server, users, admins }
}

async function put(server: TestServer, name: string, members: object, rev?: string): Promise<string> {
  const json = { _rev: rev, type: 'user', name, roles: [], ...HASH, ...members }
  const reply = await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
  if (reply.status !== 201) throw new Error(reply.text)
  return (reply.json as { rev: string }).rev
}

t.test('the same object as long as nothing changes, another one as soon as something does', async (t) => {
  const { server, users } = await setUp(t)
  t.equal(await users.find('ann'), undefined)
  const rev = await put(server, 'ann', { salt: 'a', roles: ['x'] })
  const first = await users.find('ann')
  t.match(first, { name: 'ann', roles: ['x'], hash: { salt: 'a' } })
  t.equal(await users.find('ann'), first)
  await put(server, 'bob', { salt: 'b' })
  t.equal(await users.find('ann'), first, 'another document')
  const second = await put(server, 'ann', { salt: 'c' }, rev)
  t.match(await users.find('ann'), { roles: [], hash: { salt: 'c' } })
  await ask(server, `DELETE /_users/org.couchdb.user:ann?rev=${second}`)
  t.equal(await users.find('ann'), undefined)
  await put(server, 'ann', { salt: 'd' })
  t.match(await users.find('ann'), { hash: { salt: 'd' } })
})

t.test('a document that no password can be checked against is nobody', async (t) => {
  const { server, users } = await setUp(t)
  await put(server, 'a', { salt: undefined })
  await put(server, 'b', { salt: 's', derived_key: 'short' })
  await put(server, 'c', { salt: 's', iterations: 1e12 })
  await put(server, 'd', { salt: 's', pbkdf2_prf: 'md5' })
  await put(server, 'e', { salt: 's', pbkdf2_prf: 'simple' })
  for (const name of ['a', 'b', 'c', 'd', 'e', '', 'x'.repeat(20_000), '\0', 'org.couchdb.user:a']) {
    t.equal(await users.find(name), undefined, name.slice(0, 20))
  }
})

t.test('of a document with conflicts it is not known which password holds', async (t) => {
  const { server, users } = await setUp(t)
  const docs = ['1-a', '1-b'].map((_rev) => ({
    _id: 'org.couchdb.user:ann',
    _rev,
    type: 'user',
    name: 'ann',
    roles: [],
    salt: _rev,
    ...HASH,
  }))
  await ask(server, 'POST /_users/_bulk_docs', { json: { docs, new_edits: false } })
  const find = async () => users.find('ann')
  const reason =
    'User document conflicts must be resolved before the document is used for authentication purposes.'
  await t.rejects(find(), errorLike({ status: 401, reason }))
  t.equal((await ask(server, 'GET /', { as: 'ann:x' })).status, 401)
  await ask(server, 'DELETE /_users/org.couchdb.user:ann?rev=1-a')
  t.match(await find(), { hash: { salt: '1-b' } })
})

t.test('an administrator has his own password, and the roles of his document too', async (t) => {
  const { server, users, admins } = await setUp(t)
  t.equal(await users.find('root'), ROOT)
  const rev = await put(server, 'root', { salt: 'x', roles: ['cook'] })
  const both = await users.find('root')
  t.same([both?.roles, both?.hash], [['_admin', 'cook'], ROOT.hash])
  t.equal(await users.find('root'), both)
  await ask(server, `DELETE /_users/org.couchdb.user:root?rev=${rev}`)
  t.same((await users.find('root'))?.roles, ['_admin'])
  await put(server, 'root', { salt: 'x', roles: ['cook'] })
  await users.find('root')
  admins.delete('root')
  t.same((await users.find('root'))?.roles, ['cook'], 'no administrator any more')
})

t.test('_users deleted, and made anew', async (t) => {
  const { server, users } = await setUp(t)
  await put(server, 'ann', { salt: 'a' })
  t.match(await users.find('ann'), { hash: { salt: 'a' } })
  t.equal((await ask(server, 'DELETE /_users')).status, 200)
  t.equal(await users.find('ann'), undefined)
  t.equal(await users.find('root'), ROOT)
  t.equal((await ask(server, 'PUT /_users')).status, 201)
  t.equal(await users.find('ann'), undefined)
  await put(server, 'ann', { salt: 'b' })
  t.match(await users.find('ann'), { hash: { salt: 'b' } })
})

t.test('an administrator gets in whatever state _users is in', async (t) => {
  const broken: UsersBackend = {
    leaseOpen: () => undefined,
    lease: () => Promise.reject(new DatabaseError('databaseClosed')),
  }
  const users = new UserCredentials({ find: (name) => (name === 'root' ? ROOT : undefined) }, broken)
  t.equal(await users.find('root'), ROOT)
  await t.rejects(async () => users.find('ann'), { kind: 'databaseClosed' } as unknown as Error)
})
