import { once } from 'node:events'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const IDLE_MS = 400
/** Tries that the machine may spoil by giving this process no turn for the idle time. */
const TRIES = 10

/** Sends the bytes one by one. Resolves with the answer, or with undefined when two of them were too far apart. */
async function sendSlowly(port: number, head: string, body: string): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  const closed = once(socket, 'close')
  socket.write(head)
  let longestMs = 0
  let last = performance.now()
  // Each byte in time, all of them together in several times the idle time.
  for (const char of body) {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS / 10))
    socket.write(char)
    longestMs = Math.max(longestMs, performance.now() - last)
    last = performance.now()
  }
  await closed
  // Half of it: the server takes the byte later than it was sent.
  return answer === '' && longestMs > IDLE_MS / 2 ? undefined : answer
}

t.test('an upload may be slow, but not stand still', async (t) => {
  const server = await startTestServer({ limits: { idleTimeoutMs: IDLE_MS } })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const body = `{"a":"${'x'.repeat(30)}"}`
  const head = [
    'PUT /db/slow HTTP/1.1',
    'Host: x',
    'Connection: close',
    `Authorization: ${server.authorization}`,
    `Content-Length: ${body.length}`,
    '',
    '',
  ].join('\r\n')

  let answer: string | undefined
  for (let tries = 0; answer === undefined && tries < TRIES; tries++) {
    answer = await sendSlowly(server.http.port, head, body)
  }
  if (answer !== undefined) t.match(answer, /^HTTP\/1\.1 201 Created/)
  else t.comment('this process had too few turns to tell slow from standing still')

  const standing = connect(server.http.port, '127.0.0.1')
  standing.write(head + body.slice(0, 10))
  standing.resume()
  await once(standing, 'close')
  t.pass('closed')
  t.match((await ask(server, 'GET /db')).json, { doc_count: answer === undefined ? 0 : 1 })
})
