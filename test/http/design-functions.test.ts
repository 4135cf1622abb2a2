/** Shows, updates and lists over real sockets: what functions are told, what they may answer, and hostile ones. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

const DESIGN = {
  shows: {
    plain: 'function (doc, req) { return doc ? doc.title : "none " + req.id }',
    doc: 'function (doc) { return { json: doc } }',
    request: 'function (doc, req) { return { json: req } }',
    binary: 'function () { return { base64: "AP/+", headers: { "Content-Type": "x/y" } } }',
    split: 'function () { return { headers: { "X-A": "b\\r\\nSet-Cookie: c=d" }, body: "x" } }',
    name: 'function () { return { headers: { "X A": "b" }, body: "x" } }',
    interim: 'function () { return { code: 101, headers: { Upgrade: "x" }, body: "x" } }',
    framing:
      'function () { return { headers: { "Content-Length": "1", "transfer-encoding": "chunked", Connection: "upgrade", ' +
      'Upgrade: "x", "Content-Security-Policy": "none", ETag: "mine", "X-Own": "ü" }, body: "all of it" } }',
    bodiless: 'function () { return { code: 204, body: "x" } }',
    names:
      'function (doc, req) { var h = {}; for (var i = 0; i < 101; i++) h["X-" + i] = "x"; return { headers: h } }',
    endless: 'function () { for (;;); }',
    long: 'function () { return new Array(50 * 1024 * 1024).join("x") }',
  },
  updates: {
    set: 'function (doc, req) { doc = doc || { _id: req.id }; doc.n = Number(req.query.n); return [doc, "set"] }',
    stale:
      'function (doc) { delete doc._revisions; doc._rev = "1-0123456789abcdef0123456789abcdef"; return [doc, "stale"] }',
    unsayable:
      'function (doc, req) { return [{ _id: "unsayable" }, { headers: { "X-A": "\\n" }, body: "" }] }',
    design: 'function () { return [{ _id: "_design/made" }, "made"] }',
    code: 'function (doc, req) { return [{ _id: req.id }, { code: 200, body: "code" }] }',
    attached:
      'function (doc, req) { return [{ _id: req.id, _attachments: { a: { content_type: "text/plain", data: "aGk=" } } }, "x"] }',
    body: 'function (doc, req) { return [null, { json: [req.method, req.body, req.form] }] }',
  },
  lists: {
    rows:
      'function (head, req) { start({ headers: { "Content-Type": "text/plain" } }); send(head.total_rows + ":"); var row; ' +
      'while (row = getRow()) send(row.id + ";"); return "end" }',
    code: 'function () { start({ code: 404, headers: { "X-A": "b" } }); send("gone") }',
    late: 'function () { while (getRow()); start({ code: 404, headers: { "X-A": "b" } }); send("gone") }',
    silent: 'function () { start({ code: 404 }); while (getRow()); }',
    lost: 'function () { start({ code: 404 }); getRow(); throw ["error", "mine", "because"] }',
    split: 'function () { start({ headers: { "X-A": "b\\r\\nc: d" } }); send("x") }',
    failing: 'function () { throw ["error", "mine", "because"] }',
    broken: 'function () { send("begun"); getRow(); throw ["error", "mine", "because"] }',
    endless:
      'function () { var text = new Array(64 * 1024).join("x"); var row; while (row = getRow()) send(text) }',
    spinning: 'function () { for (;;) send("x") }',
  },
  views: { all: { map: 'function (doc) { emit(doc._id) }' } },
  validate_doc_update: 'function (doc) { if (doc.n === 13) throw { forbidden: "no 13" } }',
}

for (const threads of [0, 2]) {
  t.test(`functions that never end hold up nobody else, with ${threads} threads`, async (t) => {
    const config = { DAVENPORT_COUCHDB__OS_PROCESS_TIMEOUT: '600000' }
    const server = await startTestServer({ threads, config })
    t.teardown(() => server.stop())
    for (const name of ['f', 'other']) {
      await ask(server, `PUT /${name}`)
      await ask(server, `PUT /${name}/_design/d`, { json: DESIGN })
    }
    let answered = ''
    const sockets = await Promise.all(
      Array.from({ length: 4 }, () => openSocket(server, '/f/_design/d/_show/endless')),
    )
    for (const socket of sockets) socket.on('data', (bytes) => (answered += bytes.toString()))
    t.equal((await ask(server, 'PUT /other/doc', { json: { title: 'Title' } })).status, 201)
    t.equal((await ask(server, 'GET /other/doc')).status, 200)
    t.equal((await ask(server, 'GET /other/_design/d/_show/plain/doc')).text, 'Title')
    t.equal(answered, '')
    for (const socket of sockets) socket.destroy()
  })
}

async function openSocket(server: TestServer, path: string): Promise<Socket> {
  const socket = connect(server.http.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n\r\n`)
  return socket
}

type Send = (line: string, sending?: Sending) => Promise<Reply>

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, async (t) => {
    const server = await startTestServer({
      threads,
      config: { DAVENPORT_COUCHDB__OS_PROCESS_TIMEOUT: '1000' },
    })
    t.teardown(() => server.stop())
    const send: Send = (line, sending) => ask(server, line, sending)
    for (const name of ['f', 'other', 'closed']) {
      await send(`PUT /${name}`)
      await send(`PUT /${name}/_design/d`, { json: DESIGN })
      await send(`PUT /${name}/_security`, { json: { members: { names: [], roles: [] } } })
    }
    await send('PUT /closed/_security', { json: { members: { names: ['somebody'] } } })
    await send('PUT /f/doc', { json: { title: 'Title' } })
    await requests(t, send)
    await shows(t, send)
    await updates(t, send)
    await lists(t, send, server)
    await hostile(t, send)
  })
}

async function requests(t: Test, send: Send): Promise<void> {
  t.test('a function sees the request and no secrets', async (t) => {
    const path = '/f/_design/d/_show/request/some%2Fid?startkey=%5B1%5D&descending=true&a=1'
    const login = await send('POST /_session', { json: { name: 'admin', password: 'secret' } })
    const session = String(login.headers['set-cookie']).split(';')[0]!
    t.match(session, /^AuthSession=./)
    const headers = {
      'x-lower-case': 'v',
      cookie: `a=b; ${session}`,
      'content-type': 'application/x-www-form-urlencoded',
    }
    const { json, text } = await send(`POST ${path}`, { body: 'b=c+d', headers })
    const shown = json as Record<string, unknown>
    t.match(shown, {
      info: { db_name: 'f', update_seq: String },
      uuid: /^[0-9a-f]{32}$/,
      id: 'some/id',
      method: 'POST',
      requested_path: ['f', '_design', 'd', '_show', 'request', /some/],
      raw_path: path,
      query: { startkey: [1], descending: true, a: '1' },
      headers: { 'X-Lower-Case': 'v', Accept: 'application/json' },
      body: 'b=c+d',
      form: { b: 'c d' },
      cookie: { a: 'b' },
      userCtx: { db: 'f', name: 'admin', roles: ['_admin'] },
    })
    t.notMatch(text, /Basic|AuthSession|secret/)
    t.equal(Object.keys(shown).length, 15)
    const none = (await send('GET /f/_design/d/_show/request', { as: null })).json
    t.match(none, { id: null, body: 'undefined', userCtx: { name: null, roles: [] } })
  })

  t.test('a body is bounded, and what is no JSON where it has to be is refused', async (t) => {
    const body = Buffer.alloc(8 * 1024 * 1024 + 1, 'x')
    t.equal((await send('POST /f/_design/d/_update/body', { body })).status, 413)
    t.equal((await send('GET /f/_design/d/_show/request?key=%7B')).status, 400)
  })

  t.test('what is there, and what is not', async (t) => {
    const expected: [string, number, unknown][] = [
      ['GET /f/_design/none/_show/plain', 404, 'missing'],
      ['GET /f/_design/d/_show', 404, 'Invalid path.'],
      ['GET /f/_design/d/_show/none', 404, 'missing json key: none'],
      ['GET /f/_design/d/_list/rows', 404, 'Invalid path.'],
      ['GET /f/_design/d/_list/rows/none', 404, 'missing_named_view'],
      ['GET /f/_design/d/_list/none/all', 404, 'missing json key: none'],
      ['GET /f/_design/d/_list/rows/none/all', 404, 'missing'],
      ['GET /f/_design/d/_view/none', 404, 'missing_named_view'],
      ['GET /f/_design/d/_view', 405, 'Only GET,POST,HEAD allowed'],
      ['GET /f/_design/d/_other', 404, 'Document is missing attachment'],
      ['GET /f/_design/d/_rewrite/x', 404, 'Invalid path.'],
      ['PUT /f/_design/d/_list/rows/_all_docs', 405, 'Only GET,POST,HEAD allowed'],
      ['GET /f/_design/d/_update/set', 405, 'Update functions do not allow GET'],
      ['POST /f/_design/d/_list/rows/_all_docs', 415, 'Content-Type must be application/json'],
    ]
    for (const [line, status, reason] of expected) {
      const reply = await send(line)
      t.match([reply.status, reply.json], [status, { reason }], line)
    }
    const info = await send('GET /f/_design/d/_info')
    t.match(info.json, { name: 'd', view_index: { language: 'javascript', signature: /^[0-9a-f]{32}$/ } })
  })

  t.test('only members of a database call its functions', async (t) => {
    for (const path of ['_show/plain', '_list/rows/_all_docs', '_rewrite/x', '_info', '_view/all']) {
      t.equal((await send(`GET /closed/_design/d/${path}`, { as: null })).status, 401, path)
    }
    t.equal((await send('POST /closed/_design/d/_update/body', { as: null })).status, 401)
  })
}

async function shows(t: Test, send: Send): Promise<void> {
  t.test('answers are what functions say, within what HTTP can say', async (t) => {
    const shown = (name: string, sending?: Sending): Promise<Reply> =>
      send(`GET /f/_design/d/_show/${name}`, sending)
    t.match(await shown('plain/doc'), {
      text: 'Title',
      headers: { 'content-security-policy': 'sandbox', vary: 'Accept' },
    })
    t.equal((await shown('plain/a/b')).text, 'none a/b')
    t.match((await shown('doc/doc')).json, {
      _id: 'doc',
      _rev: /^1-/,
      _revisions: { start: 1 },
      title: 'Title',
    })
    t.match(await shown('binary'), { headers: { 'content-type': 'x/y', 'content-length': '3' } })
    for (const name of ['split', 'name', 'interim', 'names']) {
      const reply = await shown(name)
      t.match(reply, { status: 500, json: { error: 'external_response_error' } }, name)
      t.notOk(reply.headers['set-cookie'] ?? reply.headers['x-a'], name)
    }
    const framing = await shown('framing')
    t.match(framing, { status: 200, text: 'all of it', headers: { 'content-length': '9' } })
    t.equal(framing.headers['upgrade'], undefined)
    t.not(framing.headers['connection'], 'upgrade')
    t.equal(framing.headers['content-security-policy'], 'none')
    t.equal(Buffer.from(String(framing.headers['x-own']), 'latin1').toString(), 'ü')
    t.not(framing.headers['etag'], 'mine')
    t.match(await shown('bodiless'), { status: 204, text: '' })
  })

  t.test('an ETag is of the function, the document, and who asks for what', async (t) => {
    const path = 'GET /f/_design/d/_show/plain/doc'
    const { headers } = await send(path)
    const etag = headers.etag!
    const tags = new Set([etag])
    const again = await send(path, { headers: { 'if-none-match': etag } })
    t.match([again.status, again.text, again.headers.etag], [304, '', etag])
    tags.add((await send(path, { headers: { accept: 'text/html' } })).headers.etag!)
    tags.add((await send(path, { as: null })).headers.etag!)
    tags.add((await send('GET /f/_design/d/_show/plain/none')).headers.etag!)
    await send('POST /f/_design/d/_update/set/doc?n=1')
    tags.add((await send(path)).headers.etag!)
    t.equal(tags.size, 5)
  })
}

async function updates(t: Test, send: Send): Promise<void> {
  t.test('what an update makes is written as any other document is', async (t) => {
    const call = (path: string, sending?: Sending): Promise<Reply> =>
      send(`POST /f/_design/d/_update/${path}`, sending)
    const first = await call('set/u%2F1?n=1')
    t.match(first, { status: 201, text: 'set', headers: { 'x-couch-id': 'u%2F1' } })
    const second = await call('set/u%2F1?n=2')
    const { json } = await send('GET /f/u%2F1')
    t.match(json, { n: 2, _rev: second.headers['x-couch-update-newrev'] })
    t.match(await call('set/u%2F1?n=13'), { status: 403, json: { error: 'forbidden', reason: 'no 13' } })
    t.match(await call('stale/doc'), { status: 409, json: { error: 'conflict' } })
    t.match(await call('unsayable'), { status: 500 })
    t.equal((await send('GET /f/unsayable')).status, 404)
    t.match(await call('design', { as: null }), { status: 401 })
    t.equal((await send('GET /f/_design/made')).status, 404)
    t.match(await call('design'), { status: 201 })
    t.match(await call('code/coded'), { status: 200, text: 'code', headers: { 'x-couch-id': 'coded' } })
    await call('attached/at')
    t.equal((await send('GET /f/at/a')).text, 'hi')
    t.match(await call('set/_local/l?n=1'), { status: 201 })
    t.match((await send('GET /f/_local/l')).json, { n: 1 })
    const body = await send('DELETE /f/_design/d/_update/body', { body: 'any' })
    t.same(body.json, ['DELETE', 'any', {}])
  })

  t.test('of updates at once each is written or told of its conflict', async (t) => {
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, n) => send(`PUT /f/_design/d/_update/set/race?n=${n}`)),
    )
    const written = replies.filter(({ status }) => status === 201).length
    t.ok(written > 0)
    t.equal(replies.filter(({ status }) => status === 409).length, replies.length - written)
    t.match(((await send('GET /f/race')).json as { _rev: string })._rev, new RegExp(`^${written}-`))
  })
}

async function lists(t: Test, send: Send, server: TestServer): Promise<void> {
  t.test('a list gets the rows that were asked for', async (t) => {
    const docs = Array.from({ length: 500 }, (_, n) => ({ _id: `r${String(n).padStart(3, '0')}` }))
    await send('POST /other/_bulk_docs', { json: { docs } })
    const rows = 'GET /other/_design/d/_list/rows/_all_docs'
    t.equal((await send(rows)).text, `501:_design/d;${docs.map(({ _id }) => `${_id};`).join('')}end`)
    t.equal((await send(`${rows}?startkey=%22r498%22`)).text, '501:r498;r499;end')
    const keys = { keys: ['r007', 'none'] }
    const keyed = await send('POST /other/_design/d/_list/rows/_all_docs', { json: keys })
    t.equal(keyed.text, '501:r007;undefined;end')
    t.equal((await send('GET /other/_design/d/_list/rows/d/_all_docs?limit=0')).text, '501:end')
    t.equal((await send(`${rows}?limit=x`)).status, 400)
    t.match(await send('GET /other/_design/d/_list/code/_all_docs'), { status: 404, text: 'gone' })
    t.match(await send('GET /other/_design/d/_list/late/_all_docs'), {
      status: 404,
      headers: { 'x-a': 'b' },
      text: 'gone',
    })
    t.match(await send('GET /other/_design/d/_list/silent/_all_docs'), { status: 200, text: '' })
    t.match(await send('GET /other/_design/d/_list/lost/_all_docs'), { status: 500, json: { error: 'mine' } })
    t.match(await send('GET /other/_design/d/_list/split/_all_docs'), { status: 500 })
    t.match(await send('GET /other/_design/d/_list/failing/_all_docs'), {
      status: 500,
      json: { error: 'mine', reason: 'because' },
    })
    t.match(await send('GET /other/_design/d/_list/broken/_all_docs'), {
      status: 500,
      json: { error: 'mine', reason: 'because' },
    })
    t.match(await send('HEAD /other/_design/d/_list/rows/_all_docs'), { status: 200, text: '' })
  })

  t.test('clients that read nothing, or go, give the sandbox back', async (t) => {
    const open = async (): Promise<Socket> => {
      const socket = await openSocket(server, '/other/_design/d/_list/endless/_all_docs')
      socket.pause()
      return socket
    }
    // More than there are threads for.
    const sockets = await Promise.all(Array.from({ length: 20 }, open))
    for (const socket of sockets.slice(0, 5)) socket.destroy()
    await until('a list is served again', async () => {
      const { status } = await send('GET /other/_design/d/_list/rows/_all_docs?limit=1')
      return status === 200
    })
    t.equal((await send('GET /f/_design/d/_show/plain')).status, 200)
    for (const socket of sockets) socket.destroy()
  })
}

async function hostile(t: Test, send: Send): Promise<void> {
  t.test('a function that never ends is ended', async (t) => {
    const reply = await send('GET /f/_design/d/_show/endless')
    t.match(reply, { status: 500, json: { error: 'os_process_error' } })
  })

  t.test('results have a bound', async (t) => {
    t.match(await send('GET /f/_design/d/_show/long'), { status: 500, json: { error: 'os_process_error' } })
    const spinning = await send('GET /other/_design/d/_list/spinning/_all_docs').catch(() => undefined)
    if (spinning !== undefined) t.equal(spinning.status, 500)
    t.match(await send('GET /f/_design/d/_show/plain'), { status: 200 })
  })
}
