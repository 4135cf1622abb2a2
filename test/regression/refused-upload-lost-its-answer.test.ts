/**
 * An upload that was refused before it had come whole got a reset connection instead of its answer: what it still
 * sent was read up to 16 MB only, and not at all when the client had asked for the connection to be closed.
 */
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { discardRest, type LingerLimits } from '../../src/http/listen/lingering.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const MEBIBYTE = 1024 * 1024
const PIECE = Buffer.alloc(MEBIBYTE, 'x')

const server = await startTestServer({ limits: { maxRequestBytes: 50 * MEBIBYTE, maxAttachmentBytes: 1000 } })
t.teardown(() => server.stop())

/** What a client gets that sends everything before it reads anything; `chunked` bodies are sent so. */
function upload(
  port: number,
  head: string,
  mebibytes: number,
  options: { chunked?: boolean; version?: string } = {},
): Promise<string> {
  const { chunked = false, version = '1.1' } = options
  const length = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${mebibytes * MEBIBYTE}`
  const [line, ...headers] = head.split('\n')
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(received).toString()))
    const send = async (): Promise<void> => {
      socket.pause()
      socket.write(`${[`${line} HTTP/${version}`, 'Host: x', length, ...headers].join('\r\n')}\r\n\r\n`)
      for (let n = 0; n < mebibytes; n++) {
        const piece = chunked ? Buffer.concat([Buffer.from('100000\r\n'), PIECE, Buffer.from('\r\n')]) : PIECE
        if (!socket.write(piece)) await new Promise((drained) => socket.once('drain', drained))
      }
      socket.end(chunked ? '0\r\n\r\n' : '')
      socket.on('data', (chunk) => received.push(chunk)).resume()
    }
    void send()
  })
}

t.test('whoever sends everything before reading gets the answer', async (t) => {
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/taken/a', { body: 'x' })
  await ask(server, 'PUT /db/_local/x', { json: {} })
  const { port } = server.http
  const known = `Authorization: ${server.authorization}`
  const json = 'Content-Type: application/json'
  const refused: [string, number, object?][] = [
    [`PUT /db/taken/a\n${known}`, 409],
    [`PUT /db/taken/a\n${known}`, 409, { chunked: true }],
    [`PUT /db/new/a\n${known}`, 413],
    [`PUT /db/new/a\n${known}\nContent-Type: text/plain`, 413, { chunked: true }],
    ['PUT /db/taken/a', 401],
    ['PUT /db/taken/a\nAuthorization: Basic eDp5', 401],
    [`PUT /none/taken/a\n${known}`, 404],
    [`PUT /db/_bad/a\n${known}`, 400],
    [`PATCH /db/taken/a\n${known}`, 405],
    [`POST /db/_bulk_docs\n${known}\nContent-Type: text/plain`, 415],
    [`POST /db\n${known}\n${json}`, 400],
    [`DELETE /db/taken/a\n${known}`, 409],
    [`GET /db/taken\n${known}`, 200],
    [`GET /db/taken/a\n${known}`, 200],
    [`GET /db/_all_docs\n${known}`, 200],
    [`HEAD /db/taken\n${known}`, 200],
    [`HEAD /db/_all_docs\n${known}`, 200],
  ]
  for (const [head, status, options] of refused) {
    for (const connection of ['keep-alive', 'close']) {
      const label = `${head.split('\n')[0]} ${JSON.stringify(options ?? {})} ${connection}`
      const answer = await upload(port, `${head}\nConnection: ${connection}`, 20, options)
      t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), label)
      if (!head.startsWith('HEAD')) t.match(answer, /\r\n\r\n./s, 'with its body')
    }
  }
  t.match(
    await upload(port, `PUT /db/taken/a\n${known}`, 60),
    /^HTTP\/1.1 4/,
    'more than any request may have',
  )
  t.match(await upload(port, `PUT /db/taken/a\n${known}`, 20, { version: '1.0' }), /^HTTP\/1.1 409/)
})

t.test('the connection serves the next request', async (t) => {
  const socket = connect(server.http.port, '127.0.0.1')
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk
  })
  const head = `PUT /db/taken/a HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n`
  socket.write(`${head}Content-Length: ${20 * MEBIBYTE}\r\n\r\n`)
  for (let n = 0; n < 20; n++) socket.write(PIECE)
  socket.write('GET /_up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await new Promise((resolve) => socket.once('close', resolve))
  t.same(received.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 409', 'HTTP/1.1 200'])
})

t.test('the rest is read within limits', async (t) => {
  const limits: LingerLimits = { bytes: 8 * MEBIBYTE, totalMs: 60_000, idleMs: 60_000 }
  let current = limits
  const listener = createServer((request: IncomingMessage, response) => {
    response.write('answer')
    const rest = discardRest(request, { limits: current })
    void rest?.then(() => response.end())
    request.socket.once('close', () => listener.emit('cut'))
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  t.teardown(() => listener.close())
  const { port } = listener.address() as AddressInfo
  t.match(await upload(port, 'PUT /x', 8), 'answer', 'no more than the limit')
  await t.rejects(upload(port, 'PUT /x', 100), 'more than the limit')
  for (const [name, most] of Object.entries({ idleMs: 20, totalMs: 20 })) {
    current = { ...limits, [name]: most }
    const cut = new Promise((resolve) => listener.once('cut', resolve))
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.write('PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome')
    await cut
    t.pass(name)
    socket.destroy()
  }
})
