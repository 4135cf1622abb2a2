/** How passwords in `_users` are to be hashed, and which are taken, as it is configured. */
import { pbkdf2Sync } from 'node:crypto'
import t, { type Test } from 'tap'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const USER = { roles: [], type: 'user' }

async function start(t: Test): Promise<TestServer> {
  const server = await startTestServer()
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

t.test('new hashes are made as configured, and old ones go on', async (t) => {
  const server = await start(t)
  const put = (name: string, password: string): Promise<Reply> =>
    ask(server, `PUT ${pathOf(name)}`, { json: { ...USER, name, password } })
  const configure = (key: string, value: string): Promise<Reply> =>
    ask(server, `PUT /_node/_local/_config/chttpd_auth/${key}`, { json: value })
  await put('old', 'sesame')
  t.equal((await configure('pbkdf2_prf', 'sha512')).status, 200)
  await put('new', 'sesame')
  const { pbkdf2_prf, salt, iterations, derived_key } = await read(server, 'new')
  const key = pbkdf2Sync('sesame', String(salt), Number(iterations), 64, 'sha512').toString('hex')
  t.same([pbkdf2_prf, derived_key], ['sha512', key])
  for (const name of ['old', 'new']) t.equal((await signIn(server, name, 'sesame')).status, 200, name)
  await until('a weaker one is replaced', async () => (await read(server, 'old'))['pbkdf2_prf'] === 'sha512')
  t.equal((await configure('pbkdf2_prf', 'sha224')).status, 200)
  await put('weak', 'sesame')
  t.equal((await read(server, 'weak'))['pbkdf2_prf'], 'sha224')
  await configure('pbkdf2_prf', 'md5')
  await put('default', 'sesame')
  t.equal((await read(server, 'default'))['pbkdf2_prf'], 'sha256', 'what is none is not obeyed')
})

t.test('new passwords match what is configured', async (t) => {
  const server = await start(t)
  const put = (name: string, password: string): Promise<Reply> =>
    ask(server, `PUT ${pathOf(name)}`, { json: { ...USER, name, password } })
  const rule = (value: string): Promise<Reply> =>
    ask(server, 'PUT /_node/_local/_config/chttpd_auth/password_regexp', { json: value })
  t.equal((await rule('[{".{10,}", "It is short."}, "[A-Z]", {"\\\\d$"}]')).status, 200)
  const unmet = 'Password does not conform to requirements.'
  const refused = (reason: string) => ({ status: 400, json: { error: 'bad_request', reason } })
  t.match(await put('a', 'short'), refused(`${unmet} It is short.`))
  t.match(await put('a', 'long enough, or not'), refused(unmet))
  t.match(await put('a', 'Long enough, or not'), refused(unmet))
  t.equal((await put('a', 'Long enough, and with 1')).status, 201)
  t.match(
    await ask(server, 'POST /_users/_bulk_docs', {
      json: { docs: [{ ...USER, name: 'b', _id: 'org.couchdb.user:b', password: 'x' }] },
    }),
    {
      json: [{ id: 'org.couchdb.user:b', error: 'bad_request', reason: `${unmet} It is short.` }],
    },
  )
  await rule('["(a+)+$"]')
  t.equal((await put('c', `${'a'.repeat(20_000)}!`)).status, 400, 'and take no time for it')
  await rule('["(((("]')
  const useless = { status: 403, json: { reason: 'Server cannot hash passwords at this time.' } }
  t.match(await put('d', 'anything'), useless, 'nobody has a password that was not looked at')
  t.equal((await rule('not a list')).status, 400)
  t.equal((await rule('[]')).status, 200)
  t.equal((await put('d', 'x')).status, 201)
})

t.test('another database of users, born with its rules', async (t) => {
  const server = await start(t)
  const configure = (key: string, json: string): Promise<Reply> =>
    ask(server, `PUT /_node/_local/_config/${key}`, { json })
  t.equal((await configure('couch_httpd_auth/authentication_db', 'people')).status, 200)
  await configure('couchdb/default_security', 'everyone')
  t.equal((await ask(server, 'PUT /people')).status, 201)
  const designs = await ask(server, 'GET /people/_changes?filter=_design')
  t.match(designs.json, { results: [{ id: '_design/_auth' }] })
  t.match((await ask(server, 'GET /_users/_design/_auth')).json, { validate_doc_update: /^function/ })
  const path = '/people/org.couchdb.user:ann'
  const ann = { ...USER, name: 'ann' }
  // Who may not list the database is not kept from writing to it by its design document.
  t.equal((await ask(server, `PUT ${path}`, { as: null, json: { ...ann, password: 'x' } })).status, 201)
  const { status, headers } = await signIn(server, 'ann', 'x')
  t.equal(status, 200)
  const cookie = String(headers['set-cookie']).split(';')[0]!
  const own = await ask(server, `GET ${path}`, { as: null, headers: { cookie } })
  const stored = own.json as Record<string, unknown>
  t.same([own.status, stored['password'], typeof stored['derived_key']], [200, undefined, 'string'])
  const roles = await ask(server, `PUT ${path}`, {
    as: null,
    headers: { cookie },
    json: { ...stored, roles: ['r'] },
  })
  t.match([roles.status, roles.json], [403, { reason: 'Only _admin may edit roles' }])
  t.equal((await ask(server, `GET ${path}`, { as: null })).status, 404, 'others do not see it')
  t.match((await ask(server, 'GET /_session')).json, { info: { authentication_db: 'people' } })
  await configure('couch_httpd_auth/authentication_db', '_users')
  t.equal((await signIn(server, 'ann', 'x')).status, 401)
})
