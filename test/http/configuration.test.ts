/** `/_node/{node}/_config`: what is changed holds in every thread when the request is answered. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Fronts } from '../../src/threads/fronts.ts'
import { HttpClient } from '../support/http-client.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const THREADS = 3

const put = (server: TestServer, path: string, json: unknown, headers: Record<string, string> = {}) =>
  ask(server, `PUT /_node/_local/_config/${path}`, { json, headers })
const get = async (server: TestServer, path: string) =>
  (await ask(server, `GET /_node/_local/_config/${path}`)).json
const remove = (server: TestServer, path: string) => ask(server, `DELETE /_node/_local/_config/${path}`)

t.test('a change holds in every thread when it is answered', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  const clients = Array.from({ length: 8 * THREADS }, () => new HttpClient(server.http.port))
  const statuses = async (count: number) => {
    const replies = await Promise.all(clients.map((client) => client.send('GET', `/_uuids?count=${count}`)))
    return [...new Set(replies.map(({ status }) => status))]
  }
  t.same(await statuses(9), [200])
  for (let round = 0; round < 20; round++) {
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
  for (let round = 1; round < 6; round++) {
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
    ['x/%3Dkey', 'v', 400],
    ['x/key', 'v\n[admins]\nme = me', 400],
    ['x/key', 'v\u2028w', 400],
  ] as const) {
    t.equal((await put(server, path, value)).status, status, `${path} ${value}`)
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
