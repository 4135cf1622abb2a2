/**
 * Requests that came on one connection without waiting for answers all ran beside each other: a GET behind the PUT of
 * the same document was answered with 404. Only safe requests may (RFC 9112, 9.3.2).
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
t.before(() => ask(server, 'PUT /db'))

function requestOf(line: string, body = ''): string {
  return (
    `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
}

/** A connection and everything that comes back on it. */
function connection(): { socket: Socket; statuses(): number[]; text(): string } {
  const socket = connect(server.http.port, '127.0.0.1')
  socket.on('error', () => undefined)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  const statuses = (): number[] => [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map((match) => Number(match[1]))
  return { socket, statuses, text: () => text }
}

t.test('a GET behind a PUT reads what was put, and a PUT behind a GET is not seen by it', async (t) => {
  const { socket, statuses } = connection()
  const lines: string[] = []
  const wanted: number[] = []
  for (let i = 0; i < 50; i++) {
    lines.push(requestOf(`GET /db/doc${i}`), requestOf(`PUT /db/doc${i}`, '{"a":1}'))
    lines.push(
      requestOf(`GET /db/doc${i}`),
      requestOf(`HEAD /db/doc${i}`),
      requestOf(`PUT /db/doc${i}`, '{}'),
    )
    wanted.push(404, 201, 200, 200, 409)
  }
  socket.write(lines.join(''))
  await until('all answers', () => statuses().length >= wanted.length)
  t.same(statuses(), wanted)
  socket.destroy()
})

t.test('what is slow is waited for', async (t) => {
  const { socket, statuses, text } = connection()
  const docs = Array.from({ length: 2000 }, (_, i) => ({ _id: `bulk${i}` }))
  const bulk = requestOf('POST /db/_bulk_docs', JSON.stringify({ docs }))
  socket.write(bulk + requestOf('GET /db/bulk1999') + requestOf('DELETE /db') + requestOf('GET /db'))
  await until('all answers', () => statuses().length === 4)
  t.same(statuses(), [201, 200, 200, 404])
  t.match(text(), /"_id":"bulk1999"/)
  socket.destroy()
  await ask(server, 'PUT /db')
})

t.test('safe requests run beside a feed; behind one that waits the connection is not read', async (t) => {
  const { socket, statuses } = connection()
  const sent =
    requestOf('GET /db/_changes?feed=continuous&since=now&heartbeat=60000') + requestOf('PUT /db/after', '{}')
  socket.write(sent)
  await until('the feed begins', () => statuses().length === 1)
  t.equal((await ask(server, 'GET /db/after')).status, 404, 'it waits for the feed')
  const many = requestOf('GET /').repeat(1000)
  let written = 0
  // As long as the operating system takes it: some megabytes.
  while (written < 100 && (socket.write(many) || (await drained(socket)))) written += 1
  t.ok(written < 100, 'the connection is not read without end')
  t.equal(socket.closed, false, 'nor closed')
  t.equal((await ask(server, 'GET /_up')).status, 200)
  socket.destroy()
  await once(socket, 'close')
  t.equal((await ask(server, 'GET /db/after')).status, 404, 'who has gone is forgotten')
})

async function drained(socket: Socket): Promise<boolean> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), 500)
  try {
    await once(socket, 'drain', { signal: timeout.signal })
    return true
  } catch {
    return false
  } finally {
    clearTimeout(timer)
  }
}

t.test('answers given at once do not nest', async (t) => {
  const { socket, statuses } = connection()
  socket.write(requestOf('PUT /db/one', '{}') + requestOf('GET /').repeat(3000))
  await until('all answers', () => statuses().length === 3001)
  t.equal(statuses().filter((status) => status === 200).length, 3000)
  socket.destroy()
})
