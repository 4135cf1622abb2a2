/**
 * A server that stops used to close a connection as soon as its answer was ended in memory, though megabytes of it still
 * waited for a slow client. An answer that was begun is finished within the grace.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

/** Far more than the buffers of a loopback connection hold. */
const BYTES = 7_000_000
/** Several rounds of looking for idle connections. */
const SWEEPS_MS = 300
const GRACE_MS = 60_000

t.test('a slow reader gets all of an answer that was begun before the stop', async (t) => {
  const server = await startTestServer()
  let stopped = false
  t.teardown(async () => {
    if (!stopped) await server.stop()
  })
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/long', { json: { text: 'x'.repeat(BYTES) } })

  const socket = connect(server.http.port, '127.0.0.1')
  const head = `GET /db/long HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n\r\n`
  socket.write(head)
  const [first] = (await once(socket, 'data')) as [Buffer]
  socket.pause()
  const idle = connect(server.http.port, '127.0.0.1')
  await once(idle, 'connect')
  idle.resume()
  const idleClosed = once(idle, 'close')

  const stopping = server.stop(GRACE_MS)
  await idleClosed
  await new Promise((resolve) => setTimeout(resolve, SWEEPS_MS))
  const chunks = [first]
  const closed = once(socket, 'close')
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.resume()
  await closed
  await stopping
  stopped = true
  const answer = Buffer.concat(chunks).toString('latin1')
  const length = Number(/content-length: (\d+)/i.exec(answer)?.[1])
  t.ok(length > BYTES)
  t.equal(answer.length - answer.indexOf('\r\n\r\n') - 4, length, 'nothing is missing')
})
