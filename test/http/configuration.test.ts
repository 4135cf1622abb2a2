/** `/_node/{node}/_config`: what is changed holds in every thread when the request is answered. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseIni } from '../../src/config/ini.ts'
import type { Fronts } from '../../src/threads/fronts.ts'
import { HttpClient } from '../support/http-client.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const THREADS = 3

t.setTimeout(300_000)

const shared = startTestServer({ threads: 2 })
t.teardown(async () => (await shared).stop())

const put = (server: TestServer, path: string, json: unknown, headers: Record<string, string> = {}) =>
  ask(server, `PUT /_node/_local/_config/${path}`, { json, headers })
const get = async (server: TestServer, path: string) =>
  (await ask(server, `GET /_node/_local/_config/${path}`)).json
const remove = (server: TestServer, path: string) => ask(server, `DELETE /_node/_local/_config/${path}`)

t.test('a change holds in every thread when it is answered', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  const clients = Array.from({ length: 5 * THREADS }, () => new HttpClient(server.http.port))
  const statuses = async (count: number) => {
    const replies = await Promise.all(clients.map((client) => client.send('GET', `/_uuids?count=${count}`)))
    return [...new Set(replies.map(({ status }) => status))]
  }
  t.same(await statuses(9), [200])
  for (let round = 0; round < 8; round++) {
    const most = 2 + (round % 7)
    t.equal((await put(server, 'uuids/max_count', String(most))).status, 200)
    t.same(await statuses(most), [200], `${most} in round ${round}`)
    t.same(await statuses(most + 1), [400], `${most + 1} in round ${round}`)
  }
  t.equal((await remove(server, 'uuids/max_count')).status, 200)
  t.same(await statuses(1000), [200])
})

t.test('a thread that ends does not hold a change up, and the one in its place knows it', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  const fronts = server.http as unknown as Fronts
  for (let round = 1; round < 4; round++) {
    const [worker] = fronts.workers
    const exited = once(worker!, 'exit')
    const changed = server.server.configuration.set('uuids', 'max_count', String(round), { persist: true })
    await worker!.terminate()
    await Promise.all([changed, exited])
    const clients = Array.from({ length: 4 * THREADS }, () => new HttpClient(server.http.port))
    const replies = await Promise.all(clients.map((one) => one.send('GET', `/_uuids?count=${round + 1}`)))
    t.ok(replies.every(({ status }) => status === 400))
  }
})

for (const threads of [0, 2]) {
  t.test(`what is there, changed and removed, with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    t.match(await get(server, 'chttpd'), { bind_address: '127.0.0.1' })
    t.same(await get(server, 'cors'), {})
    t.equal((await put(server, 'cors/origins', 'http://a')).text, '""\n')
    t.equal((await put(server, 'cors/origins', 'http://b')).text, '"http://a"\n')
    const all = (await ask(server, 'GET /_node/nonode@nohost/_config')).json
    t.match(all, { cors: { origins: 'http://b' }, chttpd: { bind_address: '127.0.0.1' } })
    t.equal(await readFile(join(server.folder, 'local.ini'), 'utf8'), '[cors]\norigins = http://b\n')
    t.equal((await remove(server, 'cors/origins')).text, '"http://b"\n')
    t.equal((await remove(server, 'cors/origins')).status, 404)
    t.match(await get(server, 'cors/origins'), { reason: 'unknown_config_value' })
  })
}

t.test('what is refused changes nothing', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  for (const [path, value, status] of [
    ['uuids/max_count', '0', 400],
    ['uuids/max_count', 'many', 400],
    ['log/level', 'loud', 409],
    ['couchdb/database_dir', '/elsewhere', 409],
    ['chttpd_auth/iterations', '5', 409],
    ['x%0Ay/key', 'v', 400],
    ['x/%5Bkey', 'v', 400],
    ['x/k%0Aey', 'v', 400],
    ['x/%3Bkey', 'v', 400],
    ['x/%3Dkey', '', 400],
    ['admins/admin', 'new', 409],
    ['admins/_name', 'pw', 400],
    ['admins/na%3Ame', 'pw', 400],
    ['admins/name', '', 400],
    ['admins/%20name', 'pw', 400],
    ['x/key', 'v\n[admins]\nme = me', 400],
    ['x/key', 'v\u2028w', 400],
  ] as const) {
    t.equal((await put(server, path, value)).status, status, `${path} ${encodeURIComponent(value)}`)
  }
  t.equal(server.server.settings.get('maxUuids'), 1000)
  await t.rejects(readFile(join(server.folder, 'local.ini')), { code: 'ENOENT' })
})

t.test('secrets are told to nobody, and what stands for them is none', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  t.equal((await put(server, 'chttpd_auth/secret', 'first secret')).text, '""\n')
  t.equal((await put(server, 'chttpd_auth/secret', 'second secret')).text, '"****"\n')
  const page = await ask(server, 'GET /_node/_local/_config')
  t.notMatch(page.text, /first|second/)
  t.match(page.json, { chttpd_auth: { secret: '****' } })
  t.equal((await put(server, 'chttpd_auth/secret', '****')).status, 400)
  t.equal((await remove(server, 'chttpd_auth/secret')).text, '"****"\n')
  t.notMatch(server.lines.join(''), /(first|second) secret/)
})

for (const threads of [0, 2]) {
  t.test(`administrators are added, changed and removed, with ${threads} threads`, async (t) => {
    const config = { DAVENPORT_CHTTPD_AUTH_LOCKOUT__MODE: 'off' }
    const server = await startTestServer({ threads, config })
    t.teardown(() => server.stop())
    /** On connections of their own, enough for every thread to have some. */
    const roles = async (password: string, cookie?: string) => {
      const replies = await Promise.all(
        Array.from({ length: 4 * (threads + 1) }, () => {
          const headers: Record<string, string> = { connection: 'close', ...(cookie && { cookie }) }
          return ask(server, 'GET /_session', { headers, as: cookie ? null : `anna:${password}` })
        }),
      )
      return [...new Set(replies.map(({ json }) => JSON.stringify((json as Session).userCtx?.roles)))]
    }
    t.equal((await put(server, 'admins/anna', 'apple')).text, '""\n')
    const hash = await get(server, 'admins/anna')
    t.match(hash, /^-pbkdf2:sha256-[0-9a-f]{64},[0-9a-f]{32},10$/)
    t.same(await roles('apple'), ['["_admin"]'])
    const login = await ask(server, 'POST /_session', { as: null, json: { name: 'anna', password: 'apple' } })
    const [cookie] = login.headers['set-cookie']![0]!.split(';')
    t.same(await roles('', cookie), ['["_admin"]'])

    t.equal((await put(server, 'admins/anna', 'pear')).json, hash)
    t.same(await roles('apple'), [undefined])
    t.same(await roles('pear'), ['["_admin"]'])
    t.same(await roles('', cookie), ['[]'], 'the session of the password before')

    const given = '-pbkdf2-b9a5d2b1d1c4e2e8e4ad3fd0d5f2c6b9d7a2c6f8,0123456789abcdef0123456789abcdef,10'
    await put(server, 'admins/anna?raw=true', given)
    t.equal(await get(server, 'admins/anna'), given)
    t.match(await get(server, 'admins'), { admin: /^-pbkdf2:sha256-/, anna: given })
    t.equal((await put(server, 'admins/anna?raw=true', '-pbkdf2-abc,d')).status, 400)
    t.equal((await put(server, 'admins/anna?raw=true', given.replace(',0', ', ;0'))).status, 400)

    t.equal((await remove(server, 'admins/anna')).json, given)
    t.same(await roles('pear'), [undefined])
    t.equal((await remove(server, 'admins/anna')).status, 404)
    t.equal((await remove(server, 'admins/admin')).status, 409, 'who was given at the start is not removed')
    t.notMatch(await readFile(join(server.folder, 'local.ini'), 'utf8'), /apple|pear/)
    t.notMatch(await readFile(join(server.folder, 'private.json'), 'utf8'), /apple|pear|anna/)
    t.notMatch(server.lines.join(''), /apple|pear/)
  })
}

t.test('the files are read anew', async (t) => {
  const server = await startTestServer({ threads: 2 })
  t.teardown(() => server.stop())
  const path = join(server.folder, 'local.ini')
  const reload = () => ask(server, 'POST /_node/_local/_config/_reload', { json: {} })
  await writeFile(path, '; by hand\n[uuids]\nmax_count = 5 ; few\n[admins]\nanna = apple\n[x]\ny = z\n')
  t.same((await reload()).json, { ok: true })
  t.equal((await ask(server, 'GET /_uuids?count=6')).status, 400)
  t.same(await get(server, 'x'), { y: 'z' })
  t.match((await ask(server, 'GET /_session', { as: 'anna:apple' })).json, { userCtx: { roles: ['_admin'] } })
  const text = await readFile(path, 'utf8')
  t.match(text, /^; by hand\n\[uuids\]\nmax_count = 5 ; few\n\[admins\]\nanna = -pbkdf2:sha256-/)
  t.match(server.lines.join(''), /"nobody obeys this".*"section":"x","key":"y"/)

  await put(server, 'uuids/max_count', '7', { 'x-couch-persist': 'false' })
  t.equal((await ask(server, 'GET /_uuids?count=7')).status, 200)
  t.equal(await readFile(path, 'utf8'), text, 'what is not to be kept is not written')
  for (const bad of ['[uuids]\nmax_count = 0', 'nonsense', '[couchdb]\ndatabase_dir = /x']) {
    await writeFile(path, `[log]\nlevel = none\n${bad}\n`)
    const { status, json } = await reload()
    t.equal(status, 400)
    t.match(json, { error: 'bad_request', reason: /local\.ini:\d+: / })
  }
  t.equal((await ask(server, 'GET /_uuids?count=7')).status, 200, 'a bad file changes nothing')
  await writeFile(path, text)
  await reload()
  t.equal((await ask(server, 'GET /_uuids?count=7')).status, 400, 'what was not kept is gone')
})

t.test('a choice that there is not is kept, and the default holds', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  t.equal((await put(server, 'chttpd_auth/same_site', 'STRICT')).status, 200)
  t.equal(server.server.settings.get('sameSite'), 'strict')
  t.equal((await put(server, 'chttpd_auth/same_site', 'other')).text, '"STRICT"\n')
  t.equal(server.server.settings.get('sameSite'), undefined)
  t.equal(await get(server, 'chttpd_auth/same_site'), 'other')
  t.equal((await put(server, 'uuids/max_count', '')).status, 200, 'an empty text is that of the default')
  t.equal(server.server.settings.get('maxUuids'), 1000)
})

t.test('a restart effects what only a restart does', async (t) => {
  const dataDir = t.testdir()
  const first = await startTestServer({ dataDir, threads: 0 })
  t.equal((await put(first, 'davenport/max_json_size', '2048')).status, 200)
  t.equal((await put(first, 'uuids/max_count', '7')).status, 200)
  await put(first, 'admins/anna', 'apple')
  t.equal(await get(first, 'davenport/max_json_size'), '2048')
  t.equal(first.server.settings.get('maxJsonSize'), 134_217_728)
  await first.stop()
  const again = await startTestServer({ dataDir, threads: 0 })
  t.teardown(() => again.stop())
  t.equal(again.server.settings.get('maxJsonSize'), 2048)
  t.equal(again.server.settings.get('maxUuids'), 7)
  t.match((await ask(again, 'GET /_session', { as: 'anna:apple' })).json, { userCtx: { name: 'anna' } })
})

t.test('names of any kind are names', async (t) => {
  const server = await shared
  for (const section of ['__proto__', 'constructor', 'toString']) {
    t.equal((await put(server, `${section}/${section}`, 'v')).text, '""\n')
    t.equal((await put(server, `${section}/__proto__`, 'w')).status, 200)
    const all = (await ask(server, 'GET /_node/_local/_config')).text
    t.match(all, section === '__proto__' ? '"__proto__":{"__proto__":"w"}' : `"${section}":"v"`)
    t.equal(await get(server, `${section}/__proto__`), 'w')
    for (const key of [section, '__proto__']) await remove(server, `${section}/${key}`)
    t.same(await get(server, section), {})
  }
  t.equal(({} as Record<string, unknown>)['v'], undefined)
  t.equal((await put(server, 'x/%FF', 'v')).status, 400)
  for (const [key, value] of [
    ['equals=key', ''],
    [' lead', 'v'],
    ['a', ';v'],
  ] as const) {
    t.equal((await put(server, `x/${encodeURIComponent(key)}`, value)).status, 200)
    t.equal((await remove(server, `x/${encodeURIComponent(key)}`)).json, value)
  }
  const text = await readFile(join(server.folder, 'local.ini'), 'utf8')
  t.same(parseIni(text, 'local.ini'), [], 'nothing is left of what was removed')
})

t.test('changes at once are made one after the other', async (t) => {
  const server = await shared
  const changes = Array.from({ length: 30 }, (_, at) => put(server, `x/k${at % 3}`, `v${at}`))
  const before = (await Promise.all(changes)).map(({ json }) => json as string)
  t.equal(before.filter((text) => text === '').length, 3)
  t.equal(new Set(before).size, 28, 'each text was before one other at most')
  const kept = parseIni(await readFile(join(server.folder, 'local.ini'), 'utf8'), 'local.ini')
  t.same(Object.fromEntries(kept.map(({ key, value }) => [key, value])), await get(server, 'x'))
})

t.test('pages that may show answers in frames', async (t) => {
  const server = await shared
  const option = async (host = 'db.example') => {
    const { headers } = await ask(server, 'GET /nothing', { headers: { host } })
    return headers['x-frame-options']
  }
  t.equal(await option(), undefined)
  await put(server, 'chttpd/enable_xframe_options', 'true')
  t.equal(await option(), 'DENY')
  await put(server, 'x_frame_options/hosts', 'http://db.example, http://db.example:81')
  t.same(
    [await option(), await option('db.example:81')],
    ['ALLOW-FROM http://db.example', 'ALLOW-FROM http://db.example:81'],
  )
  t.equal(await option('other.example'), 'DENY')
  await put(server, 'x_frame_options/same_origin', 'true')
  t.equal(await option(), 'SAMEORIGIN')
})

t.test('scripts of other origins, by the host that they ask', async (t) => {
  const server = await shared
  const allowed = async (origin: string, host: string) => {
    const { headers } = await ask(server, 'GET /', { headers: { origin, host } })
    return headers['access-control-allow-origin']
  }
  await put(server, 'chttpd/enable_cors', 'true')
  await put(server, 'cors/origins', 'http://a')
  t.equal((await put(server, 'cors:db.example/origins', 'http://b')).status, 200)
  t.equal((await put(server, 'cors:db.example/max_age', 'long')).status, 400)
  t.equal(await allowed('http://a', 'other.example'), 'http://a')
  t.equal(await allowed('http://a', 'db.example:5984'), undefined)
  t.equal(await allowed('http://b', 'db.example:5984'), 'http://b')
  await remove(server, 'cors:db.example/origins')
  t.equal(await allowed('http://a', 'db.example'), 'http://a')
})

t.test('ids of documents that are written', async (t) => {
  const server = await shared
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/longer', { json: { a: 1 } })
  await put(server, 'couchdb/max_document_id_length', '5')
  const refused = { error: 'illegal_docid', reason: 'Document id is too long' }
  for (const [line, json] of [
    ['PUT /db/123456', {}],
    ['PUT /db/%C3%A9%C3%A9%C3%A9', {}],
    ['POST /db', { _id: '123456' }],
    ['POST /db/_bulk_docs', { docs: [{ _id: 'a' }, { _id: '123456' }] }],
    ['PUT /db/123456/name', {}],
  ] as const) {
    t.match(await ask(server, line, { json }), { status: 400, json: refused }, line)
  }
  t.equal((await ask(server, 'PUT /db/12345', { json: {} })).status, 201)
  t.equal((await ask(server, 'GET /db/longer')).status, 200)
  await remove(server, 'couchdb/max_document_id_length')
  t.equal((await ask(server, 'PUT /db/123456', { json: {} })).status, 201)
})

interface Session {
  userCtx?: { roles: string[] }
}

t.test('what names programs in CouchDB is closed to requests', async (t) => {
  const server = await shared
  for (const section of [
    'query_servers',
    'native_query_servers',
    'external',
    'daemons',
    'httpd_global_handlers',
  ]) {
    const refused = await put(server, `${section}/any`, 'x')
    t.match([refused.status, refused.json], [403, { error: 'forbidden' }], section)
    t.equal((await remove(server, `${section}/any`)).status, 403)
  }
})

t.test('a key in its older section holds while the newer one has none', async (t) => {
  const server = await shared
  const located = async () => {
    const headers = { 'x-host': 'old.example', 'x-front': 'new.example', 'x-forwarded-host': 'usual.example' }
    const { headers: answered } = await ask(server, 'PUT /a%2Bb/', { json: {}, headers })
    await ask(server, 'DELETE /a%2Bb')
    return answered.location
  }
  t.equal(await located(), 'http://usual.example/a%2Bb')
  t.equal((await put(server, 'httpd/x_forwarded_host', 'X-Host')).text, '""\n')
  t.equal(await located(), 'http://old.example/a%2Bb')
  await put(server, 'chttpd/x_forwarded_host', 'X-Front')
  t.equal(await located(), 'http://new.example/a%2Bb')
  t.equal((await remove(server, 'chttpd/x_forwarded_host')).status, 200)
  t.equal(await located(), 'http://old.example/a%2Bb')
  t.equal((await put(server, 'httpd/x_forwarded_host', 'no header')).status, 400)
  t.equal((await remove(server, 'httpd/x_forwarded_host')).text, '"X-Host"\n')
  t.equal(await located(), 'http://usual.example/a%2Bb')
  t.equal((await put(server, 'couch_httpd_auth/secret', 'key')).text, '""\n')
  t.equal(await get(server, 'couch_httpd_auth/secret'), '****')
  t.equal((await remove(server, 'couch_httpd_auth/secret')).status, 200)
  t.equal((await put(server, 'httpd/port', '80')).status, 200, 'of another server')
})

t.test('whether a plus sign in a path is a space', async (t) => {
  const server = await shared
  await ask(server, 'PUT /plus')
  const idOf = async () => ((await ask(server, 'PUT /plus/a+b', { json: {} })).json as { id?: string }).id
  t.equal(await idOf(), 'a b')
  await put(server, 'chttpd/decode_plus_to_space', 'false')
  t.equal(await idOf(), 'a+b')
  t.equal((await remove(server, 'chttpd/decode_plus_to_space')).status, 200)
})
