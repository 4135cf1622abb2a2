import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

/** Sends raw bytes, ends the sending side where asked, and collects everything that comes back. */
function raw(server: TestServer, text: string | Buffer, options: { end?: boolean } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.http.port, '127.0.0.1')
    let got = ''
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(got))
    socket.on('error', reject)
    socket.write(text)
    if (options.end) socket.end()
  })
}

/** Sends the head with the first piece, and each of the others when the server has had time to read what was before. */
async function inPieces(server: TestServer, headText: string, pieces: readonly string[]): Promise<string> {
  const socket = connect(server.http.port, '127.0.0.1')
  let got = ''
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString('latin1')
  })
  const closed = once(socket, 'close')
  for (const [at, piece] of pieces.entries()) {
    socket.write(at === 0 ? headText + piece : piece)
    if (at < pieces.length - 1) await sleep(20)
  }
  await closed
  return got
}

const head = (server: TestServer, line: string, headers: string[]): string =>
  [`${line} HTTP/1.1`, 'Host: x', `Authorization: ${server.authorization}`, ...headers, '', ''].join('\r\n')

t.test('bodies', async (t) => {
  const server = await startTestServer({
    limits: { maxJsonBytes: 200_000, maxDocumentBytes: 50_000 },
  })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')

  t.test('content-type json without a body is no error where a body is not needed', async (t) => {
    const headers = { 'content-type': 'application/json' }
    t.equal((await ask(server, 'PUT /empty', { headers })).status, 201)
    t.equal((await ask(server, 'POST /empty/_ensure_full_commit', { headers })).status, 201)
    t.equal((await ask(server, 'DELETE /empty', { headers })).status, 200)
  })

  t.test('any content type is taken for a document, a malformed one too', async (t) => {
    for (const type of ['text/plain', 'nonsense', ';;;', 'application/json; charset=utf-8']) {
      const id = encodeURIComponent(type)
      const reply = await ask(server, `PUT /db/${id}`, { body: '{}', headers: { 'content-type': type } })
      t.equal(reply.status, 201, type)
    }
  })

  t.test('POST wants application/json', async (t) => {
    for (const type of ['text/plain', 'Application/JSON', 'application/jsonx']) {
      const reply = await ask(server, 'POST /db', { body: '{}', headers: { 'content-type': type } })
      t.equal(reply.status, 415, type)
      t.same(reply.json, { error: 'bad_content_type', reason: 'Content-Type must be application/json' })
    }
  })

  t.test('gzip is unpacked, within the limit', async (t) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const good = await ask(server, 'PUT /db/gz', { body: gzipSync('{"a":1}'), headers })
    t.equal(good.status, 201)
    const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20))
    const refused = await ask(server, 'PUT /db/bomb', { body: bomb, headers })
    t.equal(refused.status, 413)
    t.same(refused.json, { error: 'too_large', reason: 'the request entity is too large' })
    const broken = await ask(server, 'PUT /db/broken', { body: 'no gzip', headers })
    t.same(broken.json, { error: 'bad_request', reason: 'Request body is not properly gzipped.' })
    const cut = await ask(server, 'PUT /db/cut', { body: gzipSync('{"a":1}').subarray(0, 12), headers })
    t.equal(cut.status, 400)
  })

  t.test('the document limit counts the canonical body', async (t) => {
    const space = await ask(server, 'PUT /db/space', { body: `{"a":1${' '.repeat(100_000)}}` })
    t.equal(space.status, 201)
    const large = await ask(server, 'PUT /db/large', { json: { _id: 'large', a: 'x'.repeat(60_000) } })
    t.equal(large.status, 413)
    t.same(large.json, { error: 'document_too_large', reason: 'large' })
  })

  t.test('a body beyond the limit is refused, and the connection serves the next request', async (t) => {
    const body = 'x'.repeat(300_000)
    const first = head(server, 'PUT /db/big', [`Content-Length: ${body.length}`])
    const second = head(server, 'GET /db/gz', ['Connection: close'])
    const answer = await raw(server, first + body + second)
    t.match(answer, /^HTTP\/1\.1 413 /)
    t.match(answer, /\{"_id":"gz"/)
    const chunked = head(server, 'PUT /db/big', ['Transfer-Encoding: chunked', 'Connection: close'])
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
    t.match(await raw(server, chunked + chunk), /^HTTP\/1\.1 413 /)
    t.equal((await ask(server, 'GET /db/big')).status, 404)
  })

  t.test('a body that stops short writes nothing', async (t) => {
    const text = head(server, 'PUT /db/short', ['Content-Length: 100'])
    t.notMatch(await raw(server, `${text}{"a":1}`, { end: true }), /^HTTP\/1\.1 2/)
    const chunked = head(server, 'PUT /db/short', ['Transfer-Encoding: chunked'])
    t.notMatch(await raw(server, `${chunked}7\r\n{"a":1}\r\n`, { end: true }), /^HTTP\/1\.1 2/)
    t.equal((await ask(server, 'GET /db/short')).status, 404)
  })

  t.test('a body is the same in how many pieces it comes, and whether they come with the head', async (t) => {
    const body = JSON.stringify({ text: 'abcdefghij'.repeat(20) })
    const cuts = {
      'at once': [],
      'behind the head': [0],
      'in two': [100],
      'in three': [0, 17],
      'the end': [211],
    }
    for (const [name, places] of Object.entries(cuts)) {
      const id = encodeURIComponent(name)
      const headers = [`Content-Length: ${body.length}`, 'Connection: close']
      const pieces = [0, ...places, body.length].map((from, at, all) => body.slice(from, all[at + 1]))
      pieces.pop()
      t.match(
        await inPieces(server, head(server, `PUT /db/${id}`, headers), pieces),
        /^HTTP\/1\.1 201 /,
        name,
      )
      const { text } = (await ask(server, `GET /db/${id}`)).json as { text: string }
      t.equal(text.length, 200, name)
    }
  })

  t.test('who goes in the middle of a body that began with its head has written nothing', async (t) => {
    const text = head(server, 'PUT /db/gone', ['Content-Length: 20'])
    const socket = connect(server.http.port, '127.0.0.1')
    socket.write(`${text}{"a":`)
    await once(socket, 'connect')
    await sleep(20)
    socket.resetAndDestroy()
    await sleep(20)
    t.equal((await ask(server, 'GET /db/gone')).status, 404)
  })

  t.test('what is not HTTP is answered shortly and closed', async (t) => {
    t.match(await raw(server, 'GIBBERISH\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n/)
    const long = head(server, 'GET /', [`X-Long: ${'a'.repeat(70_000)}`])
    t.match(await raw(server, long), /^HTTP\/1\.1 431 /)
    const lying = head(server, 'PUT /db/lying', ['Content-Length: 5', 'Content-Length: 7'])
    t.match(await raw(server, `${lying}{}`), /^HTTP\/1\.1 400 /)
  })

  t.test('long heads and long ids are no trouble', async (t) => {
    const id = 'i'.repeat(20_000)
    t.equal((await ask(server, `PUT /db/${id}`, { json: {} })).status, 201)
    const reply = await ask(server, `GET /db/${id}`, { headers: { 'x-padding': 'p'.repeat(30_000) } })
    t.equal(reply.status, 200)
  })

  t.test('bad JSON', async (t) => {
    const bad = ['', '{', '{"a":1}x', '{"a":1e400}', '{"a":"\\ud800"}', Buffer.from('{"a":"\xff"}', 'latin1')]
    for (const body of bad) {
      const reply = await ask(server, 'PUT /db/bad', { body })
      t.equal(reply.status, 400)
      t.same(reply.json, { error: 'bad_request', reason: 'invalid UTF-8 JSON' }, String(body))
    }
    const deep = `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
    t.equal((await ask(server, 'PUT /db/deep', { body: deep })).status, 201)
    t.match((await ask(server, 'GET /db/deep')).text, `"a":${'['.repeat(20_000)}]`)
  })

  t.test('headers cannot be split by parameters', async (t) => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = 'name=admin&password=secret'
    const reply = await ask(server, 'POST /_session?next=/a%0d%0aX-Evil:1', { body, headers: form })
    t.equal(reply.status, 302)
    t.equal(reply.headers['x-evil'], undefined)
    const away = await ask(server, 'POST /_session?next=@evil.example/', { body, headers: form })
    t.match(away.headers.location, /^http:\/\/127\.0\.0\.1:\d+\/@evil/)
  })
})

t.test('a body whose transfer coding nobody undoes is refused, and nothing is written', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop(0))
  await ask(server, 'PUT /coded')
  for (const [line, type] of [
    ['PUT /coded/a', 'application/json'],
    ['PUT /coded/b/f', 'image/png'],
  ] as const) {
    const headers = [
      `Authorization: ${server.authorization}`,
      `Content-Type: ${type}`,
      'Transfer-Encoding: gzip, chunked',
      'Connection: close',
    ]
    const got = await raw(
      server,
      `${line} HTTP/1.1\r\nHost: a\r\n${headers.join('\r\n')}\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    )
    t.match(got, /^HTTP\/1\.1 400 [\s\S]*Transfer-Encoding must be chunked/, line)
  }
  t.match((await ask(server, 'GET /coded')).json, { doc_count: 0 })
})
