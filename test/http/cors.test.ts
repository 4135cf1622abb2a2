import t from 'tap'
import { type ConfigSources, loadConfig } from '../../src/config/load.ts'
import { SettingsRegistry } from '../../src/config/registry.ts'
import { corsOf } from '../../src/http/request/cors-settings.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { recordingLog } from '../support/recording-log.ts'

const PAGE = 'https://app.example'
const asked = (headers: object = {}) => ({
  as: null,
  headers: { origin: PAGE, 'access-control-request-method': 'PUT', ...headers },
})

const server = await startTestServer({
  cors: {
    origins: ['http://other.example', PAGE],
    credentials: true,
    headers: ['X-Own', 'Content-Type'],
    maxAgeSeconds: 7,
  },
})
t.teardown(() => server.stop())

t.test('a preflight needs nobody to be signed in', async (t) => {
  const headers = { 'access-control-request-headers': 'content-type,x-own' }
  const reply = await ask(server, 'OPTIONS /db/doc', asked(headers))
  t.equal(reply.status, 204)
  t.match(reply.headers, {
    'access-control-allow-origin': PAGE,
    'access-control-allow-credentials': 'true',
    'access-control-allow-headers': 'content-type,x-own',
    'access-control-allow-methods': /GET, .*PUT, .*COPY/,
    'access-control-max-age': '7',
  })
  t.equal(reply.headers['content-length'], undefined)
})

t.test('a preflight of what is not allowed is refused', async (t) => {
  for (const headers of [
    { origin: 'https://app.example.evil' },
    { origin: 'null' },
    { 'access-control-request-method': 'STEAL' },
    { 'access-control-request-headers': 'x-unknown' },
  ]) {
    const reply = await ask(server, 'OPTIONS /', asked(headers))
    t.equal(reply.status, 405, JSON.stringify(headers))
    t.equal(reply.headers['access-control-allow-methods'], undefined)
  }
})

t.test('answers and errors name the origin', async (t) => {
  const headers = { origin: PAGE }
  for (const [line, as, status] of [
    ['PUT /cors', undefined, 201],
    ['GET /cors/_all_docs', undefined, 200],
    ['GET /cors', null, 401],
    ['GET /%zz', null, 400],
    ['GET /_up', null, 200],
  ] as const) {
    const reply = await ask(server, line, { headers, ...(as === null ? { as } : {}) })
    t.equal(reply.status, status)
    t.match(reply.headers, {
      'access-control-allow-origin': PAGE,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers':
        /^content-type, cache-control, accept-ranges, etag, server, x-couch-request-id, /,
    })
  }
  for (const other of [{}, { origin: 'http://app.example' }]) {
    const reply = await ask(server, 'GET /', { headers: other })
    t.same([reply.status, reply.headers['access-control-allow-origin']], [200, undefined])
  }
})

t.test('every origin, without credentials', async (t) => {
  const open = await startTestServer({ cors: { origins: ['*'], credentials: false, maxAgeSeconds: 1 } })
  t.teardown(() => open.stop())
  const reply = await ask(open, 'GET /', { headers: { origin: 'null' } })
  t.equal(reply.headers['access-control-allow-origin'], 'null')
  t.equal(reply.headers['access-control-allow-credentials'], undefined)
})

t.test('off unless configured', async (t) => {
  const closed = await startTestServer()
  t.teardown(() => closed.stop())
  t.equal((await ask(closed, 'OPTIONS /', asked())).status, 405)
  const { headers } = await ask(closed, 'GET /', { headers: { origin: PAGE } })
  t.equal(headers['access-control-allow-origin'], undefined)
})

t.test('configuration', async (t) => {
  const rulesOf = (sources: ConfigSources) =>
    corsOf(new SettingsRegistry(loadConfig(sources), recordingLog().log))
  const rules = (text: string) => rulesOf({ file: { path: 'f', text } })
  t.equal(rules('[cors]\norigins = *'), undefined, 'off until enabled')
  const given = {
    origins: ['http://a', 'http://b'],
    credentials: false,
    methods: ['GET', 'PUT'],
    headers: ['X-A'],
    exposedHeaders: undefined,
    maxAgeSeconds: 9,
  }
  t.same(
    rules(
      '[chttpd]\nenable_cors = true\n[cors]\norigins = http://a, http://b\nmethods = GET,PUT\nheaders = X-A\nmax_age = 9\n[cors:b.example]\norigins = http://c',
    ),
    {
      rules: given,
      byHost: new Map([['b.example', { ...given, origins: ['http://c'] }]]),
      forwardedHost: 'x-forwarded-host',
    },
  )
  t.match(rulesOf({ flags: { cors: ['http://a', 'http://b'] } }), {
    rules: { origins: ['http://a', 'http://b'], credentials: true },
  })
  t.throws(() => rules('[cors]\norigins = a,,b'), { message: /must be names between commas/ })
  t.throws(() => rules('[cors:host]\nnone = 1'), { message: /must be a key of \[cors\]/ })
  t.throws(() => rules('[cors]\nnone = 1'), { message: /is not a setting/ })
})
