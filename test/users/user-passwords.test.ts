/** Passwords in `_users`: hashed on every way in, old hashes read and replaced, and never a byte of one in a file. */
import { createHash, pbkdf2Sync } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const USER = { roles: [], type: 'user' }

async function start(t: Test, options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startTestServer(options)
  t.teardown(() => server.stop())
  return server
}

const pathOf = (name: string): string => `/_users/org.couchdb.user:${name}`

async function read(server: TestServer, name: string): Promise<Record<string, unknown>> {
  return (await ask(server, `GET ${pathOf(name)}`)).json as Record<string, unknown>
}

function signIn(server: TestServer, name: string, password: string): Promise<Reply> {
  return ask(server, 'POST /_session', { as: null, json: { name, password } })
}

async function whoIs(server: TestServer, cookie: string): Promise<unknown> {
  const { json } = await ask(server, 'GET /_session', { as: null, headers: { cookie } })
  return (json as { userCtx: { name: unknown } }).userCtx.name
}

const cookieOf = ({ headers }: Reply): string => headers['set-cookie']![0]!.split(';')[0]!

async function filesWith(folder: string, text: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    if (bytes.includes(text)) found.push(entry.name)
  }
  return found
}

t.test('on every way in; nothing of it is in any file, answer or line of the log', async (t) => {
  const server = await start(t)
  const password = (n: number): string => `open-sesame-${n}-of-many`
  const doc = (name: string, n: number) => ({ ...USER, name, password: password(n) })
  const bulk = (...docs: object[]) => ({ json: { docs } })
  const id = (name: string) => `org.couchdb.user:${name}`
  await ask(server, `PUT ${pathOf('a')}`, { json: doc('a', 1) })
  await ask(server, 'POST /_users', { json: { _id: id('b'), ...doc('b', 2) } })
  await ask(server, 'POST /_users/_bulk_docs', bulk({ _id: id('c'), ...doc('c', 3) }))
  const replicated = { _id: id('d'), _rev: '1-a', ...doc('d', 4) }
  await ask(server, 'POST /_users/_bulk_docs', { json: { docs: [replicated], new_edits: false } })
  await ask(server, `PUT ${pathOf('e')}?new_edits=false`, { json: { _rev: '1-a', ...doc('e', 5) } })
  await ask(server, 'POST /_users/_bulk_docs', {
    json: { docs: [{ _id: id('f'), ...doc('f', 6) }], all_or_nothing: true },
  })
  await ask(server, `PUT ${pathOf('g')}?batch=ok`, { json: doc('g', 7) })
  await ask(server, `PUT ${pathOf('h')}`, { json: { ...USER, name: 'h' } })
  await ask(server, `PATCH ${pathOf('h')}`, {
    json: { password: password(8) },
    headers: { 'content-type': 'application/merge-patch+json' },
  })
  const boundary = 'b'
  const part = JSON.stringify(doc('i', 9))
  await ask(server, `PUT ${pathOf('i')}`, {
    body: `--b\r\nContent-Type: application/json\r\n\r\n${part}\r\n--b--`,
    headers: { 'content-type': `multipart/related;boundary="${boundary}"` },
  })
  for (const [at, name] of [...'abcdefghi'].entries()) {
    await until(`${name} is there`, async () => (await ask(server, `GET ${pathOf(name)}`)).status === 200)
    t.equal((await signIn(server, name, password(at + 1))).status, 200, name)
    t.equal((await signIn(server, name, password(0))).status, 401, name)
    const stored = await read(server, name)
    t.match(stored, {
      password_scheme: 'pbkdf2',
      pbkdf2_prf: 'sha256',
      iterations: 10,
      salt: /^[0-9a-f]{32}$/,
    })
    t.notOk('password' in stored, name)
  }
  await ask(server, 'POST /_users/_compact', { json: {} })
  t.same(await filesWith(server.folder, 'open-sesame'), [])
  t.notOk(JSON.stringify(server.lines).includes('open-sesame'))
  const wrong = await ask(server, `PUT ${pathOf('z')}`, { json: { ...USER, name: 'z', password: 5 } })
  t.same(
    [wrong.status, wrong.json],
    [403, { error: 'forbidden', reason: "Password value of '5' is invalid." }],
  )
})

const SALT = 'seasoning'
const OLD = 'from another time'
const OLD_HASHES: Record<string, object> = {
  simple: {
    password_scheme: 'simple',
    salt: SALT,
    password_sha: createHash('sha1')
      .update(OLD + SALT)
      .digest('hex'),
  },
  nameless: {
    salt: SALT,
    password_sha: createHash('sha1')
      .update(OLD + SALT)
      .digest('hex')
      .toUpperCase(),
  },
  sha1: {
    password_scheme: 'pbkdf2',
    salt: SALT,
    iterations: 10,
    derived_key: pbkdf2Sync(OLD, SALT, 10, 20, 'sha1').toString('hex'),
  },
  sha512: {
    password_scheme: 'pbkdf2',
    pbkdf2_prf: 'sha512',
    salt: SALT,
    iterations: 2,
    derived_key: pbkdf2Sync(OLD, SALT, 2, 64, 'sha512').toString('hex'),
  },
}

for (const threads of [0, 2]) {
  t.test(`older hashes are read, and replaced at the next sign-in, with ${threads} threads`, async (t) => {
    const server = await start(t, { threads })
    for (const [name, hash] of Object.entries(OLD_HASHES)) {
      const put = await ask(server, `PUT ${pathOf(name)}`, { json: { ...USER, name, city: 'Ulm', ...hash } })
      t.equal(put.status, 201, name)
      t.equal((await signIn(server, name, `${OLD}!`)).status, 401, name)
      t.match(await read(server, name), hash, 'a wrong password replaces nothing')
      const session = await signIn(server, name, OLD)
      t.equal(session.status, 200, name)
      const isReplaced = async () => (await read(server, name))['pbkdf2_prf'] === 'sha256'
      await until(`${name} is replaced`, isReplaced)
      const { password_sha, salt, city, iterations, derived_key } = await read(server, name)
      t.same([password_sha, salt, city, iterations], [undefined, SALT, 'Ulm', 10], name)
      t.equal(derived_key, pbkdf2Sync(OLD, SALT, 10, 32, 'sha256').toString('hex'))
      t.equal(await whoIs(server, cookieOf(session)), name, 'the session goes on')
      t.equal((await signIn(server, name, OLD)).status, 200, name)
    }
  })

  t.test(`a session ends with the password and with the user, with ${threads} threads`, async (t) => {
    const server = await start(t, { threads })
    const put = async (json: object): Promise<void> => {
      const { _rev } = await read(server, 'ann')
      t.equal(
        (await ask(server, `PUT ${pathOf('ann')}`, { json: { ...USER, name: 'ann', _rev, ...json } })).status,
        201,
      )
    }
    await put({ password: 'one' })
    const first = cookieOf(await signIn(server, 'ann', 'one'))
    t.equal(await whoIs(server, first), 'ann')
    await put({ password: 'two' })
    t.equal(await whoIs(server, first), null)
    t.equal((await ask(server, 'GET /_session', { as: 'ann:one' })).status, 401)
    const second = cookieOf(await signIn(server, 'ann', 'two'))
    t.equal(await whoIs(server, second), 'ann')
    const { _rev } = await read(server, 'ann')
    await ask(server, `DELETE ${pathOf('ann')}?rev=${_rev}`)
    t.equal(await whoIs(server, second), null)
    await put({ password: 'two' })
    t.equal(await whoIs(server, second), null, 'the same password has another salt')
  })
}
