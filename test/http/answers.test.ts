/**
 * The bytes of answers, at the sizes where they go out in another way: a short body in one piece with its head,
 * a longer one beside it, short listings like those, others in chunks into which short pieces are copied and long ones are not.
 */
import { connect } from 'node:net'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

/** Where answers change the way that they are sent, and far from it. */
const SIZES = [0, 1, 4000, 12_100, 12_250, 12_288, 16_384, 32_700, 32_768, 49_152, 70_000]
/** A listing of a document whose text has as many bytes goes out in chunks. */
const SHORT_TEXT = 32_000
/** One, two, three and four bytes of UTF-8. */
const LETTERS = ['x', 'é', '→', '😀']

interface Row {
  id: string
  doc: { _id: string; text: string }
}

t.test('every byte, whatever the size', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const docs = SIZES.flatMap((size) =>
    LETTERS.map((letter) => ({ _id: `${letter}${size}`, text: letter.repeat(size / letter.length) })),
  )
  t.equal((await ask(server, 'POST /db/_bulk_docs', { json: { docs } })).status, 201)
  let whole = 0
  for (const { _id, text } of docs) {
    const path = `/db/${encodeURIComponent(_id)}`
    const got = await ask(server, `GET ${path}`)
    t.match(got.json, { _id, text }, _id)
    t.equal(got.headers['content-length'], String(Buffer.byteLength(got.text)))
    const head = await ask(server, `HEAD ${path}`)
    t.equal(head.text, '')
    t.same(head.headers['content-length'], got.headers['content-length'])
    t.same(head.headers.etag, got.headers.etag)
    const row = await ask(server, `GET /db/_all_docs?include_docs=true&key="${encodeURIComponent(_id)}"`)
    t.same(
      (row.json as { rows: Row[] }).rows.map(({ doc }) => doc.text),
      [text],
    )
    const length = row.headers['content-length']
    if (length === undefined) continue
    t.ok(Buffer.byteLength(text) < SHORT_TEXT)
    t.equal(length, String(Buffer.byteLength(row.text)))
    whole += 1
  }
  t.ok(whole > 0, 'a short listing has its length, unless it gave way to others')
  const bytewise = [...docs].sort((a, b) => Buffer.compare(Buffer.from(a._id), Buffer.from(b._id)))
  const listed = await ask(server, 'GET /db/_all_docs?include_docs=true')
  const rows = (listed.json as { rows: Row[] }).rows
  t.equal(listed.headers['content-length'], undefined)
  t.same(
    rows.map((row) => [row.id, row.doc._id, row.doc.text]),
    bytewise.map(({ _id, text }) => [_id, _id, text]),
  )
  const changed = await ask(server, 'GET /db/_changes?include_docs=true')
  const changes = (changed.json as { results: Row[] }).results
  t.same(new Set(changes.map((row) => row.doc.text)), new Set(docs.map(({ text }) => text)))
})

t.test('an ETag of bytes beyond ASCII', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const json = { _id: 'a', _rev: '1-é', text: 'é' }
  t.equal((await ask(server, 'PUT /db/a?new_edits=false', { json })).status, 201)
  const got = await ask(server, 'GET /db/a')
  t.equal(got.text, '{"_id":"a","_rev":"1-é","text":"é"}\n')
  t.equal(got.headers.etag, Buffer.from('"1-é"').toString('latin1'), 'its UTF-8, each byte a character')
})

/** All that comes back until the server closes. */
function sentInOneGo(port: number, text: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    let got = ''
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.on('close', () => resolve(got))
    socket.on('error', reject)
    socket.write(text)
  })
}

t.test('short answers wait for the end of a turn, and those that do not overtake none of them', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const long = 'x'.repeat(20_000)
  for (const [id, text] of Object.entries({ short: '', long }))
    await ask(server, `PUT /db/${id}`, { json: { text } })
  const asked = Array.from({ length: 60 }, (_, at) => ['GET short', 'HEAD short', 'GET long'][(at % 7) % 3]!)
  const lines = asked.map((each) => each.replace(' ', ' /db/'))
  const head = `HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n`
  const close = `GET /nothing ${head}Connection: close\r\n\r\n`
  const answers = await sentInOneGo(
    server.http.port,
    lines.map((line) => `${line} ${head}\r\n`).join('') + close,
  )
  const answered = answers.split('HTTP/1.1 ').slice(1, -1)
  t.same(
    answered.map((answer) => {
      const id = /"_id":"(\w+)"/.exec(answer)?.[1]
      return id === undefined ? 'HEAD short' : `GET ${id}`
    }),
    asked,
  )
})

t.test('requests in one go are answered in their order, one with a body that nobody reads too', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  for (const id of ['a', 'b']) await ask(server, `PUT /db/${id}`, { json: {} })
  const head = (line: string, more: string[] = []): string =>
    [`${line} HTTP/1.1`, 'Host: x', `Authorization: ${server.authorization}`, ...more, '', ''].join('\r\n')
  const body = 'unread'.repeat(1000)
  const text = [
    head('GET /db/a'),
    head('GET /db/b', [`Content-Length: ${body.length}`]),
    body,
    head('PUT /db/c', ['Content-Length: 2']),
    '{}',
    head('GET /db/b'),
    head('GET /nothing', ['Connection: close']),
  ].join('')
  const answers = await sentInOneGo(server.http.port, text)
  t.same(
    answers.match(/^HTTP\/1\.1 \d+/gm),
    [200, 200, 201, 200, 404].map((status) => `HTTP/1.1 ${status}`),
  )
  t.same(
    [...answers.matchAll(/"(?:_id|id|reason)":"([^"]*)"/g)].map((match) => match[1]),
    ['a', 'b', 'c', 'b', 'Database does not exist.'],
  )
})

t.test('who is known by a header is known by no other', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const status = async (as: string | null): Promise<number> =>
    (await ask(server, 'GET /_all_dbs', { as })).status
  for (let i = 0; i < 2; i++) {
    t.equal(await status('admin:secret'), 200)
    t.equal(await status('admin:secreT'), 401)
    t.equal(await status('admin'), 401)
    t.equal(await status(null), 401)
  }
})

t.test('a new _security counts for the next request', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: {} })
  const anonymous = async (): Promise<number> => (await ask(server, 'GET /db/a', { as: null })).status
  t.equal(await anonymous(), 401)
  for (const [members, expected] of [
    [{}, 200],
    [{ names: ['anna'] }, 401],
    [{ names: [] }, 200],
  ] as const) {
    t.equal((await ask(server, 'PUT /db/_security', { json: { members } })).status, 200)
    t.equal(await anonymous(), expected)
    t.equal(await anonymous(), expected)
  }
})
