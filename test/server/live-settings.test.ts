/** Settings that change while the server runs are obeyed by the next request that they are about. */
import t from 'tap'
import { systemParts } from '../../src/cli/system-parts.ts'
import type { SettingName } from '../../src/config/settings.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

// A front hears of a change a moment after it was made.
const config = { DAVENPORT_CHTTPD__PORT: '0', DAVENPORT_DAVENPORT__THREADS: '0' }
const server = await startTestServer({ config, threads: 0 })
t.teardown(() => server.stop())
const set = (name: SettingName, input: string) => server.server.settings.set(name, input)

t.test('bounds of requests', async (t) => {
  t.equal((await ask(server, 'GET /_uuids?count=2')).status, 200)
  set('maxUuids', '1')
  t.equal((await ask(server, 'GET /_uuids?count=2')).status, 400)
  await ask(server, 'PUT /db')
  set('maxDocumentSize', '10')
  t.equal((await ask(server, 'PUT /db/a', { json: { text: 'longer than ten' } })).status, 413)
  set('maxDocumentSize', '100')
  t.equal((await ask(server, 'PUT /db/a', { json: { text: 'longer than ten' } })).status, 201)
})

t.test('who may use a new database', async (t) => {
  await ask(server, 'PUT /closed')
  set('defaultSecurity', 'everyone')
  await ask(server, 'PUT /open')
  t.equal((await ask(server, 'GET /closed', { as: null })).status, 401)
  t.equal((await ask(server, 'GET /open', { as: null })).status, 200)
})

t.test('sessions', async (t) => {
  const login = () => ask(server, 'POST /_session', { as: null, json: { name: 'admin', password: 'secret' } })
  t.match((await login()).headers['set-cookie'], [/Max-Age=600;/])
  set('sessionTimeoutSeconds', '30')
  set('sameSite', 'strict')
  t.match((await login()).headers['set-cookie'], [/Max-Age=30;.*SameSite=Strict/])
})

t.test('origins', async (t) => {
  const listener = await systemParts.startHttp(server.server)
  t.teardown(() => listener.stop(0))
  const allowed = async () => {
    const reply = await fetch(listener.url, { headers: { origin: 'http://a' } })
    await reply.text()
    return reply.headers.get('access-control-allow-origin')
  }
  t.equal(await allowed(), null)
  set('corsOrigins', 'http://a')
  set('corsEnabled', 'true')
  t.equal(await allowed(), 'http://a')
  set('corsOrigins', 'http://b')
  t.equal(await allowed(), null)
})
