import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { connect } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const server = await startTestServer({
  limits: { maxAttachmentBytes: 3_000_000, maxRequestBytes: 4_000_000 },
})
t.teardown(() => server.stop())
await ask(server, 'PUT /db')

function json<T>(reply: Reply): T {
  return reply.json as T
}

interface Stub {
  content_type: string
  revpos: number
  digest: string
  length?: number
  stub?: boolean
  follows?: boolean
  data?: string
  encoding?: string
  encoded_length?: number
}

async function put(path: string, sending: Sending): Promise<string> {
  const reply = await ask(server, `PUT ${path}`, sending)
  t.equal(reply.status, 201, reply.text)
  return json<{ rev: string }>(reply).rev
}

async function stubs(path: string): Promise<Record<string, Stub>> {
  return json<{ _attachments: Record<string, Stub> }>(await ask(server, `GET ${path}`))._attachments
}

/** The body as bytes. */
function bytesOf(path: string, headers: Record<string, string> = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { port: server.http.port, path, headers: { authorization: server.authorization, ...headers } },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve(Buffer.concat(chunks)))
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

function related(document: object, parts: (string | Buffer)[], end = '\r\n--xyz--'): Sending {
  const head = `--xyz\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(document)}`
  const rest = parts.flatMap((part) => [Buffer.from('\r\n--xyz\r\n\r\n'), Buffer.from(part)])
  return {
    body: Buffer.concat([Buffer.from(head), ...rest, Buffer.from(end)]),
    headers: { 'content-type': 'multipart/related; boundary=xyz' },
  }
}

t.test('long content goes in and comes out as it was', async (t) => {
  const bytes = randomBytes(2_500_000)
  const headers = { 'content-type': 'image/png' }
  const rev = await put('/db/long/a/b.png', { body: bytes, headers })
  t.ok((await bytesOf('/db/long/a%2Fb.png')).equals(bytes))
  const md5 = createHash('md5').update(bytes).digest('base64')
  const found = await stubs('/db/long')
  t.same(found['a/b.png'], {
    content_type: 'image/png',
    revpos: 1,
    digest: `md5-${md5}`,
    length: bytes.length,
    stub: true,
  })
  const range = await bytesOf('/db/long/a/b.png', { range: 'bytes=131000-1310719' })
  t.ok(range.equals(bytes.subarray(131_000, 1_310_720)), 'a range across chunks')
  const inline = await ask(server, 'GET /db/long?attachments=true')
  const { _attachments } = json<{ _attachments: Record<string, Stub> }>(inline)
  t.ok(Buffer.from(_attachments['a/b.png']!.data!, 'base64').equals(bytes))
  const before = json<{ sizes: { file: number } }>(await ask(server, 'GET /db')).sizes.file
  await put(`/db/long/b?rev=${rev}`, { body: bytes, headers })
  const info = json<{ sizes: { file: number; active: number } }>(await ask(server, 'GET /db'))
  t.ok(info.sizes.active >= 2 * bytes.length)
  t.ok(info.sizes.file >= before)
  t.ok((await bytesOf('/db/long/b')).equals(bytes))
})

t.test('what branches have in common is counted once', async (t) => {
  await ask(server, 'PUT /branches')
  const sizes = async () =>
    json<{ sizes: { active: number; external: number } }>(await ask(server, 'GET /branches')).sizes
  const bytes = Buffer.alloc(10_000, 'b')
  await put('/branches/d/a', { body: bytes, headers: { 'content-type': 'image/png' } })
  const { _rev: first } = json<{ _rev: string }>(await ask(server, 'GET /branches/d'))
  for (const id of ['a', 'b', 'c']) {
    const branch = json<object>(await ask(server, `GET /branches/d?rev=${first}`))
    const _revisions = { start: 2, ids: [id, first.slice(2)] }
    const reply = await ask(server, 'PUT /branches/d?new_edits=false', {
      json: { ...branch, _rev: `2-${id}`, _revisions },
    })
    t.equal(reply.status, 201)
    const { active, external } = await sizes()
    t.ok(active < 11_000 && external < 11_000, `${id}: ${active} and ${external}`)
  }
  await put('/branches/d/b?rev=2-a', { body: bytes, headers: { 'content-type': 'image/png' } })
  const { active, external } = await sizes()
  t.ok(active > 20_000 && active < 21_000, `the same bytes of another name: ${active}`)
  t.ok(external > 20_000 && external < 21_000)
})

t.test('compressible content is kept gzipped and unpacked for whoever does not take that', async (t) => {
  const text = 'so many words, and all the same. '.repeat(9000)
  await put('/db/text/a.txt', { body: text, headers: { 'content-type': 'text/plain; charset=utf-8' } })
  t.equal((await ask(server, 'GET /db/text/a.txt')).text, text)
  const packed = await bytesOf('/db/text/a.txt', { 'accept-encoding': 'gzip' })
  t.equal(gunzipSync(packed).toString(), text)
  const stub = (await stubs('/db/text?att_encoding_info=true'))['a.txt']!
  t.match(stub, { encoding: 'gzip', encoded_length: packed.length, length: text.length })
  t.equal(stub.digest, `md5-${createHash('md5').update(packed).digest('base64')}`, 'of the stored bytes')
  t.equal((await ask(server, 'GET /db/text/a.txt', { headers: { 'accept-encoding': '*;q=0' } })).status, 406)
  const head = await ask(server, 'HEAD /db/text/a.txt')
  t.match(head, { status: 200, text: '', headers: { 'content-length': String(text.length) } })
})

t.test('content that comes gzipped', async (t) => {
  const packed = gzipSync('plain')
  const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' }
  await put('/db/packed/a', { body: packed, headers })
  t.equal((await bytesOf('/db/packed/a')).toString(), 'plain')
  t.ok((await bytesOf('/db/packed/a', { 'accept-encoding': 'gzip' })).equals(packed))
  const refused = await ask(server, 'PUT /db/unpacked/a', { body: 'no gzip', headers })
  t.match(refused, { status: 400, json: { error: 'bad_request' } })
  const cut = await ask(server, 'PUT /db/unpacked/a', { body: packed.subarray(0, -3), headers })
  t.match(cut, { status: 400 })
  const unknown = { ...headers, 'content-encoding': 'deflate' }
  t.equal((await ask(server, 'PUT /db/unpacked/a', { body: packed, headers: unknown })).status, 415)
  t.equal((await ask(server, 'GET /db/unpacked')).status, 404, 'nothing was written')
})

t.test('replicated attachments keep their bytes, lengths and digest', async (t) => {
  const packed = gzipSync('something long '.repeat(50), { level: 1 })
  const digest = `md5-${createHash('md5').update(packed).digest('base64')}`
  const attachment = {
    content_type: 'text/plain',
    revpos: 2,
    digest,
    length: 750,
    encoding: 'gzip',
    encoded_length: packed.length,
    follows: true,
  }
  const ids = ['c', 'b', 'a'].map((letter) => letter.repeat(32))
  const document = { _id: 'rep', _revisions: { start: 3, ids }, _attachments: { a: attachment } }
  await put('/db/rep?new_edits=false', related(document, [packed]))
  const { follows: _, ...rest } = attachment
  t.same((await stubs('/db/rep?att_encoding_info=true'))['a'], { ...rest, stub: true })
  t.ok((await bytesOf('/db/rep/a', { 'accept-encoding': 'gzip' })).equals(packed))

  const lies = [
    { ...attachment, digest: `md5-${'A'.repeat(22)}==` },
    { ...attachment, length: 751 },
    { ...attachment, encoded_length: packed.length + 1 },
    { ...attachment, encoded_length: packed.length - 1 },
    { ...attachment, encoding: 'lzw' },
  ]
  for (const lie of lies) {
    const body = related({ ...document, _id: 'lie', _attachments: { a: lie } }, [packed])
    const reply = await ask(server, 'PUT /db/lie?new_edits=false', body)
    t.equal(reply.status, 400, reply.text)
  }
  t.equal((await ask(server, 'GET /db/lie')).status, 404)
  const stub = { _id: 'x', _rev: '2-b', _attachments: { a: { stub: true } } }
  const docs = [{ _id: '_local/x', _rev: '0-1' }, { _id: 'fine', _rev: '1-a' }, stub]
  const missing = await ask(server, 'POST /db/_bulk_docs', { json: { new_edits: false, docs } })
  t.match(missing, { status: 412, json: { error: 'missing_stub', reason: /stub in x for a/ } })
  for (const path of ['fine', '_local/x']) {
    t.equal((await ask(server, `GET /db/${path}`)).status, 404, `${path} was not written either`)
  }
})

t.test('broken multipart bodies are refused and leave nothing', async (t) => {
  const follows = { follows: true, content_type: 'a/b' }
  const two = { _attachments: { a: { ...follows, length: 3 }, b: { ...follows, length: 3 } } }
  const bodies: [string, Sending, number][] = [
    ['a part is missing', related(two, ['one']), 400],
    ['a part too many', related(two, ['one', 'two', 'six']), 400],
    ['a part too short', related(two, ['on', 'two']), 400],
    ['a part too long', related(two, ['onee', 'two']), 400],
    ['no end', related(two, ['one', 'two'], ''), 400],
    ['no parts', { body: '--xyz--', headers: { 'content-type': 'multipart/related; boundary=xyz' } }, 400],
    ['no boundary', { body: '', headers: { 'content-type': 'multipart/related; a=b' } }, 400],
    ['a bad name', related({ _attachments: { _a: follows } }, ['one']), 400],
    ['too long', related({ _attachments: { a: follows } }, [Buffer.alloc(3_000_001)]), 413],
    ['nothing follows', { json: two }, 400],
  ]
  for (const [what, sending, status] of bodies) {
    const reply = await ask(server, 'PUT /db/broken', sending)
    t.equal(reply.status, status, `${what}: ${reply.text}`)
    t.equal((await ask(server, 'GET /db/broken')).status, 404, what)
  }
  const good = related(two, ['one', 'two'])
  t.equal((await ask(server, 'PUT /db/whole', good)).status, 201)
})

t.test('parts may say which attachment they are', async (t) => {
  const follows = { follows: true, content_type: 'a/b' }
  const part = (name: string, text: string): string =>
    `\r\n--xyz\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n${text}`
  const document = JSON.stringify({ _attachments: { 1: follows, 'q"': follows } })
  const body = `--xyz\r\nContent-Type: application/json\r\n\r\n${document}${part('q\\"', 'second')}${part('1', 'first')}\r\n--xyz--`
  await put('/db/named', { body, headers: { 'content-type': 'multipart/related; boundary=xyz' } })
  t.equal((await ask(server, 'GET /db/named/1')).text, 'first')
  t.equal((await ask(server, 'GET /db/named/q%22')).text, 'second')
})

t.test('limits', async (t) => {
  const big = await ask(server, 'PUT /db/big/a', { body: Buffer.alloc(3_000_001) })
  t.match(big, { status: 413, json: { error: 'attachment_too_large', reason: 'a' } })
  const inline = { _attachments: { a: { data: Buffer.alloc(3_000_001).toString('base64') } } }
  t.equal((await ask(server, 'PUT /db/big', { json: inline })).status, 413)
  const request = await ask(server, 'PUT /db/big/a', { body: Buffer.alloc(4_000_001) })
  t.match(request, { status: 413, json: { error: 'too_large' } })
  t.equal((await ask(server, 'GET /db/big')).status, 404)
})

t.test('an upload that breaks off leaves no document', async (t) => {
  await new Promise<void>((resolve) => {
    const socket = connect(server.http.port, '127.0.0.1', () => {
      socket.write(
        `PUT /db/torn/a HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\nContent-Length: 500000\r\n\r\n`,
      )
      socket.write(Buffer.alloc(200_000), () => socket.destroy())
    })
    socket.on('close', () => resolve())
  })
  t.equal((await ask(server, 'GET /db/torn')).status, 404)
  await put('/db/torn/a', { body: 'whole' })
})

t.test('a refused upload does not cost the connection', async (t) => {
  await put('/db/taken/a', { body: 'x' })
  const refused = await ask(server, 'PUT /db/taken/a', { body: Buffer.alloc(300_000) })
  t.match(refused, { status: 409, json: { error: 'conflict' } })
  const unknown = `1-${'0'.repeat(32)}`
  for (const method of ['PUT', 'DELETE']) {
    t.match(await ask(server, `${method} /db/taken/a?rev=${unknown}`, { body: 'x' }), {
      status: 409,
      json: { error: 'not_found', reason: 'missing_rev' },
    })
  }
})

t.test('ranges', async (t) => {
  await put('/db/ranges/a', { body: '0123456789' })
  const cases: [string, number, string, string | undefined][] = [
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-30', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=0-', 200, '0123456789', undefined],
    ['bytes=x', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ]
  for (const [range, status, text, contentRange] of cases) {
    const reply = await ask(server, 'GET /db/ranges/a', { headers: { range } })
    t.same([reply.status, reply.text, reply.headers['content-range']], [status, text, contentRange], range)
  }
  for (const range of ['bytes=10-', 'bytes=20-30', 'bytes=-0', 'bytes=5-2']) {
    t.equal((await ask(server, 'GET /db/ranges/a', { headers: { range } })).status, 416, range)
  }
  const headers = { range: 'bytes=0-3', 'if-range': '"another"' }
  t.match(await ask(server, 'GET /db/ranges/a', { headers }), { status: 200, text: '0123456789' })
})

t.test('the content type cannot break out of its header', async (t) => {
  const type = 'text/x\r\nSet-Cookie: a=b'
  const json = { _attachments: { a: { content_type: type, data: 'AA==' }, 'b"\r\nX: y': { data: '' } } }
  await put('/db/type', { json })
  const reply = await ask(server, 'GET /db/type/a')
  t.same([reply.status, reply.headers['set-cookie']], [200, undefined])
  t.equal(reply.headers['content-security-policy'], 'sandbox')
  const parts = await ask(server, 'GET /db/type?attachments=true', { headers: { accept: '*/*' } })
  t.notMatch(parts.text, /\r\nX: y/)
  t.notMatch(parts.text, /\r\nSet-Cookie/)
})

t.test('everywhere that documents are listed', async (t) => {
  await ask(server, 'PUT /listed')
  await put('/listed/d/a.bin', { body: 'bytes', headers: { 'content-type': 'a/b' } })
  const data = Buffer.from('bytes').toString('base64')
  const wanted = { _attachments: { 'a.bin': { content_type: 'a/b', revpos: 1, data } } }
  const query = 'include_docs=true&attachments=true'
  t.match(json<{ results: unknown[] }>(await ask(server, `GET /listed/_changes?${query}`)).results, [
    { doc: wanted },
  ])
  t.match(json<{ rows: unknown[] }>(await ask(server, `GET /listed/_all_docs?${query}`)).rows, [
    { doc: wanted },
  ])
  t.match((await ask(server, 'GET /listed/d?open_revs=all&attachments=true')).json, [{ ok: wanted }])
  const bulk = { json: { docs: [{ id: 'd' }] } }
  t.match((await ask(server, 'POST /listed/_bulk_get?attachments=true', bulk)).json, {
    results: [{ docs: [{ ok: wanted }] }],
  })
  const plain = { _attachments: { 'a.bin': { stub: true, length: 5 } } }
  t.match(json<{ results: unknown[] }>(await ask(server, 'GET /listed/_changes?include_docs=true')).results, [
    { doc: plain },
  ])
  const mixed = await ask(server, 'POST /listed/_bulk_get', {
    ...bulk,
    headers: { accept: 'multipart/mixed' },
  })
  t.match(
    mixed.text,
    /X-Doc-Id: d\r\nX-Rev-Id: 1-[0-9a-f]{32}\r\nContent-Type: multipart\/related; boundary=/,
  )
  t.match(mixed.text, /Content-Length: 5\r\n\r\nbytes\r\n--/)
  const open = await ask(server, 'GET /listed/d?open_revs=all', { headers: { accept: 'multipart/mixed' } })
  t.match(open.text, /\r\nContent-Type: multipart\/related; boundary="/)

  t.equal((await ask(server, 'COPY /listed/d', { headers: { destination: 'copy' } })).status, 201)
  t.equal((await ask(server, 'GET /listed/copy/a.bin')).text, 'bytes')
})

t.test('the upload of a form', async (t) => {
  const rev = await put('/db/form/old', { body: 'old' })
  const headers = {
    referer: `http://127.0.0.1:${server.http.port}/page`,
    'content-type': 'multipart/form-data; boundary=----TF',
    host: `127.0.0.1:${server.http.port}`,
  }
  const body =
    `------TF\r\nContent-Disposition: form-data; name="_rev"\r\n\r\n${rev}\r\n` +
    '------TF\r\nContent-Disposition: form-data; name="_attachments"; filename="file.txt"\r\n' +
    'Content-Type: text/plain\r\n\r\ncontents of file.txt\r\n\r\n------TF--'
  const reply = await ask(server, 'POST /db/form', { body, headers })
  t.equal(reply.status, 201, reply.text)
  const found = await stubs('/db/form')
  t.same(Object.keys(found), ['file.txt', 'old'])
  t.match(found['file.txt'], { content_type: 'text/plain', length: 22, revpos: 2 })
  t.equal((await ask(server, 'POST /db/form', { body, headers })).status, 409)
  const document = '------TF\r\nContent-Disposition: form-data; name="_doc"\r\n\r\n{"a":1}\r\n------TF--'
  t.equal((await ask(server, 'POST /db/form2', { body: document, headers })).status, 201)
  t.match((await ask(server, 'GET /db/form2')).json, { a: 1 })
  t.equal((await ask(server, 'POST /db/form2', { body: '------TF--', headers })).status, 400)
})

t.test('any damage to a multipart body is refused, or does no harm', async (t) => {
  const seed = propertySeed(t)
  const random = new Random(seed)
  const follows = { follows: true, content_type: 'a/b' }
  const document = { _attachments: { a: { ...follows, length: 40 }, b: { ...follows, length: 3 } } }
  const { body, headers } = related(document, ['0123456789'.repeat(4), 'two'])
  const whole = body as Buffer
  let stored = 0
  for (let round = 0; round < 150; round++) {
    const at = random.int(whole.length)
    const length = random.int(20)
    const noise = random.pick(['', '\r\n', '--', '--xyz', '\r\n--xyz\r\n\r\n', '\r\n--xyz--', '"', '\0', '1'])
    const damaged = Buffer.concat([whole.subarray(0, at), Buffer.from(noise), whole.subarray(at + length)])
    const path = `/db/fuzz${round}`
    const { status, text } = await ask(server, `PUT ${path}`, { body: damaged, headers: headers! })
    const label = `seed ${seed}, round ${round}: ${status} ${text}`
    const found = await ask(server, `GET ${path}?attachments=true`)
    if (status === 201) {
      stored += 1
      const { _attachments } = json<{ _attachments?: Record<string, Stub> }>(found)
      for (const { data, digest } of Object.values(_attachments ?? {})) {
        const md5 = createHash('md5').update(Buffer.from(data!, 'base64')).digest('base64')
        t.equal(digest, `md5-${md5}`, label)
      }
    } else {
      t.ok([400, 415].includes(status), label)
      t.equal(found.status, 404, label)
    }
  }
  t.ok(stored < 150, 'most of it is refused')
})

t.test('the policy for browsers is the configured one', async (t) => {
  await put('/db/policy', { json: { _attachments: { a: { content_type: 'text/html', data: 'AA==' } } } })
  const policy = async (): Promise<unknown> =>
    (await ask(server, 'GET /db/policy/a')).headers['content-security-policy']
  const configure = (key: string, json: string): Promise<Reply> =>
    ask(server, `PUT /_node/_local/_config/csp/attachments_${key}`, { json })
  t.equal(await policy(), 'sandbox')
  await configure('header_value', "default-src 'self'")
  t.equal(await policy(), "default-src 'self'")
  t.equal((await configure('header_value', 'x\r\nSet-Cookie: a=b')).status, 400)
  await configure('enable', 'false')
  t.equal(await policy(), undefined)
})
