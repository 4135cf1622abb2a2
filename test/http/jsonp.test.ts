/** `?callback=` with `[chttpd] allow_jsonp`: JSON as a script, as CouchDB writes it. */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const CONFIG = 'PUT /_node/_local/_config'

/** The argument of the call that a script is. */
function called(text: string, callback: string): unknown {
  const start = `/* CouchDB */${callback}(`
  if (!text.startsWith(start) || !text.endsWith(');\n')) throw new Error(`no call of ${callback}: ${text}`)
  return JSON.parse(text.slice(start.length, -3))
}

t.before(async () => {
  await send('PUT /db')
  await send('PUT /db/a', { json: { a: 1 } })
  const views = { all: { map: 'function (doc) { emit(doc._id, 1) }' } }
  const shows = { own: 'function () { return { json: { own: true } } }' }
  await send('PUT /db/_design/d', { json: { views, shows } })
  const headers = { 'content-type': 'application/json' }
  await send('PUT /db/b/att', { body: '{"mine":1}', headers })
})

t.test('nobody is called unless it is allowed', async (t) => {
  const reply = await send('GET /db/a?callback=x')
  t.equal(reply.headers['content-type'], 'application/json')
  t.match(reply.json, { a: 1 })
  t.equal((await send('GET /db/a?callback=x"')).status, 200)
})

t.test('answers are scripts', async (t) => {
  t.equal(
    (await send(`${CONFIG}/httpd/allow_jsonp`, { json: 'true' })).status,
    200,
    'in the older section, too',
  )
  for (const [path, expected] of [
    ['/', { couchdb: 'Welcome' }],
    ['/db/a', { _id: 'a', a: 1 }],
    ['/db/_all_docs', { total_rows: 3 }],
    ['/db/_design/d/_view/all', { total_rows: 2 }],
    ['/db/_changes', { last_seq: String }],
    ['/db/_changes?feed=longpoll', { last_seq: String }],
    ['/db/none', { error: 'not_found' }],
  ] as const) {
    const callback = path === '/' ? 'jQuery_1' : 'a.b[0]'
    const mark = path.includes('?') ? '&' : '?'
    const reply = await send(`GET ${path}${mark}callback=${callback}`)
    t.match(called(reply.text, callback), expected, path)
    t.match(reply.headers, {
      'content-type': 'application/javascript',
      'x-content-type-options': 'nosniff',
    })
    const length = reply.headers['content-length']
    if (length !== undefined) t.equal(Number(length), reply.text.length)
  }
  const feed = await send('GET /db/_changes?feed=continuous&timeout=1&callback=x')
  t.match(feed.text, /^\/\* CouchDB \*\/x\(\{"seq".*\n\);\n$/s)
  t.equal((await send('HEAD /db/a?callback=x')).headers['content-type'], 'application/javascript')
  t.match((await send('GET /db/a?callback=')).json, { a: 1 })
})

t.test('what is no name is refused, and changes are told as ever', async (t) => {
  const refused = { error: 'bad_request', reason: 'invalid_callback' }
  for (const callback of ['x"', "x'", 'x(', 'x%3By', 'x/*', '%C3%A9', 'x%0A']) {
    for (const path of ['/db/a', '/db/_all_docs', '/db/_changes?feed=continuous&heartbeat=100']) {
      const reply = await send(`GET ${path}${path.includes('?') ? '&' : '?'}callback=${callback}`)
      t.same([reply.status, reply.json], [400, refused], callback)
    }
  }
  t.match(await send(`PUT /db/c?callback=x"`, { json: {} }), { status: 201, json: { ok: true } })
  t.match(called((await send('PUT /db/d?callback=x', { json: {} })).text, 'x'), { ok: true, id: 'd' })
})

t.test("bytes of attachments and functions' answers stay what they are", async (t) => {
  const attachment = await send('GET /db/b/att?callback=x')
  t.equal(attachment.text, '{"mine":1}')
  t.equal(attachment.headers['content-type'], 'application/json')
  t.same((await send('GET /db/_design/d/_show/own?callback=x')).json, { own: true })
  const events = await send('GET /db/_changes?feed=eventsource&timeout=1&callback=x')
  t.equal(events.headers['content-type'], 'text/event-stream')
})
