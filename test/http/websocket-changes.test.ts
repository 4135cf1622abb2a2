import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { openChangesSocket } from '../support/changes-socket.ts'
import { edit } from '../support/database-fixture.ts'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const ORIGIN = 'http://page.example'
const server = await startTestServer({
  limits: { feedTimeoutMs: 5000 },
  cors: { origins: [ORIGIN], credentials: false, maxAgeSeconds: 1 },
})
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const open = (path: string, options: object | string | undefined = {}) =>
  openChangesSocket(server, `${path}/_changes?feed=websocket`, { options })

let made = 0
async function database(...docs: object[]): Promise<string> {
  made += 1
  await send(`PUT /db${made}`)
  await send(`POST /db${made}/_bulk_docs`, { json: { docs } })
  return `/db${made}`
}

const ids = (message: unknown) => (message as { id: string }[]).map(({ id }) => id)

t.test('what was, that it was all, what comes', async (t) => {
  const db = await database({ _id: 'a' }, { _id: 'b', v: 1 })
  const { next, socket, closed } = await open(db)
  const rows = (await next()) as object[]
  t.same(rows, ((await send(`GET ${db}/_changes`)).json as { results: object[] }).results)
  t.same(await next(), [], 'caught up')
  await send(`PUT ${db}/c`, { json: {} })
  t.same(ids(await next()), ['c'])
  socket.close()
  t.equal((await closed).code, 1005)
})

t.test('options of the message', async (t) => {
  const db = await database({ _id: 'a' }, { _id: 'b', v: 1 }, { _id: 'c', _deleted: true })
  const take = async (options: object, query = '') => {
    const feed = await openChangesSocket(server, `${db}/_changes?feed=websocket${query}`, { options })
    const message = await feed.next()
    feed.socket.terminate()
    return message
  }
  t.same(ids(await take({ active_only: true })), ['a', 'b'])
  t.same(ids(await take({ filter: '_doc_ids', doc_ids: ['b'] })), ['b'])
  t.same(ids(await take({}, '&filter=_doc_ids&doc_ids=["b"]')), ['b'])
  t.same(ids(await take({ filter: '_selector', selector: { v: 1 } })), ['b'])
  t.match(await take({ include_docs: true, active_only: true }), [{ doc: { _id: 'a' } }, { doc: { v: 1 } }])
  t.same(ids(await take({ since: 1 })), ['b', 'c'])
  t.same(await take({ since: 'now' }), [])
  const limited = await open(db, { limit: 2 })
  t.same(ids(await limited.next()), ['a', 'b'])
  t.equal((await limited.closed).code, 1000)
})

t.test('signs of life, and the end of a silent feed', async (t) => {
  const db = await database()
  const beating = await open(db, { heartbeat: 10, timeout: 0 })
  t.same(await beating.next(), [])
  t.same([await beating.next(), await beating.next()], [null, null])
  beating.socket.terminate()
  const silent = await open(db, { timeout: 10, heartbeat: 0 })
  t.same(await silent.next(), [])
  t.equal((await silent.closed).code, 1000)
  t.same(silent.messages, [[]])
})

t.test('options that are none', async (t) => {
  const db = await database()
  for (const [options, reason] of [
    ['{', /bad_request/],
    ['[]', /JSON object/],
    [{ since: 'x' }, /bad_request/],
    [{ filter: 'a/b' }, /not_found/],
    [{ style: 'x'.repeat(300) }, /style/],
  ] as const) {
    const { closed } = await open(db, options)
    t.match(await closed, { code: 1008, reason }, JSON.stringify(options).slice(0, 30))
  }
  const long = await open(db, `{"since":"${'x'.repeat(2_000_000)}"}`)
  t.equal((await long.closed).code, 1009)
})

t.test('a handshake is a request like any other', async (t) => {
  const db = await database()
  const path = `${db}/_changes?feed=websocket`
  const refused = (status: number, where: string, headers: Record<string, string>) =>
    t.rejects(openChangesSocket(server, where, { headers }), { message: new RegExp(`${status}$`) }, where)
  const { authorization } = server
  await refused(401, path, {})
  await refused(401, path, { authorization: 'Basic YTpi' })
  await refused(404, '/none/_changes?feed=websocket', { authorization })
  await refused(400, `${db}/_changes`, { authorization })
  await refused(400, `${db}/doc?feed=websocket`, { authorization })
  await refused(400, '/%zz/_changes?feed=websocket', { authorization })
  await refused(403, path, { authorization, origin: 'http://evil.example' })
  await refused(403, path, { authorization, origin: 'null' })
  await refused(403, path, { authorization, origin: ORIGIN })
  const own = await openChangesSocket(server, path, { headers: { authorization, origin: server.http.url } })
  own.socket.terminate()
  await send(`PUT ${db}/_security`, { json: { members: { roles: [] }, admins: { roles: [] } } })
  const bare = await openChangesSocket(server, path, { headers: { origin: ORIGIN } })
  bare.socket.terminate()
  t.equal((await send(`GET ${path}`)).status, 400, 'without an upgrade it is an unknown feed')
})

t.test('a request to upgrade to anything else is an ordinary request, body and all', async (t) => {
  const db = await database()
  const body = '{"_id":"up"}'
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(server.http.port, '127.0.0.1')
    const head = `Host: x\r\nAuthorization: ${server.authorization}\r\n`
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const answers = text.split('HTTP/1.1 ').length - 1
      if (answers === 1) socket.write(`GET ${db}/up HTTP/1.1\r\n${head}\r\n`)
      if (answers === 2) socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
    const upgrade =
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP\r\n'
    socket.write(
      `POST ${db} HTTP/1.1\r\n${head}${upgrade}Content-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    )
  })
  t.match(answer, /^HTTP\/1\.1 201 /)
  t.match(answer, /HTTP\/1\.1 200 /)
})

t.test('documents and attachments of any length, whole', async (t) => {
  const data = Buffer.alloc(300_000, 'é€').toString('base64')
  const db = await database(
    { _id: 'a', text: 'é€😀'.repeat(30_000) },
    { _id: 'b', _attachments: { x: { data, content_type: 'image/png' } } },
    ...Array.from({ length: 2000 }, (_, n) => ({ _id: `n${n}` })),
  )
  const { messages, socket } = await open(db, { include_docs: true, attachments: true })
  await until('everything came', () => messages.flat().length === 2002)
  const rows = messages.flat() as { doc: { text?: string; _attachments?: { x: { data: string } } } }[]
  t.equal(rows[0]!.doc.text, 'é€😀'.repeat(30_000))
  t.equal(rows.find(({ doc }) => doc._attachments)?.doc._attachments?.x.data, data)
  t.ok(messages.length > 3 && messages.length < 200, 'rows travel together')
  socket.terminate()
})

t.test('a client that does not read is cut off, and frees all it held', async (t) => {
  // The server's end of the connection is looked at, so it is in this thread.
  const impatient = await startTestServer({ limits: { idleTimeoutMs: 1000 }, threads: 0 })
  await ask(impatient, 'PUT /db')
  await impatient.server.databases.withDatabase('db', (database) =>
    database.update(Array.from({ length: 400 }, (_, n) => edit(`n${n}`, { text: 'x'.repeat(50_000) }))),
  )
  const path = '/db/_changes?feed=websocket'
  /** The server's end of the connection. */
  const accepted: Socket[] = []
  const note = (message: unknown) => accepted.push((message as { socket: Socket }).socket)
  subscribe('net.server.socket', note)
  const { socket, closed, messages } = await openChangesSocket(impatient, path, {
    options: { include_docs: true },
  })
  unsubscribe('net.server.socket', note)
  socket.pause()
  t.equal(accepted.length, 1)
  await until('the server gave up', () => accepted[0]!.destroyed)
  socket.resume()
  t.equal((await closed).code, 1006)
  t.ok(messages.flat().length < 400, 'most of it was never put into the socket')
  t.equal((await ask(impatient, 'DELETE /db')).status, 200)
  await impatient.stop()
})

t.test('a deleted database ends its feeds; so does the server when it stops', async (t) => {
  const db = await database()
  const one = await open(db)
  t.same(await one.next(), [])
  await send(`DELETE ${db}`)
  t.equal((await one.closed).code, 1001)

  const other = await startTestServer()
  await ask(other, 'PUT /db')
  const waiting = await openChangesSocket(other, '/db/_changes?feed=websocket', { options: {} })
  const silent = await openChangesSocket(other, '/db/_changes?feed=websocket')
  t.same(await waiting.next(), [])
  const stopped = other.stop(5000)
  t.same([(await waiting.closed).code, (await silent.closed).code], [1001, 1001])
  await stopped

  const hard = await startTestServer()
  await ask(hard, 'PUT /db')
  const stuck = await openChangesSocket(hard, '/db/_changes?feed=websocket', { options: {} })
  stuck.socket.pause()
  await hard.stop(0)
  stuck.socket.terminate()
  t.pass('one that does not answer holds nothing up')
})
