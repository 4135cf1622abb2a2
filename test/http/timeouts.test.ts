import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const IDLE_MS = 400

t.test('an upload may be slow, but not stand still', async (t) => {
  const server = await startTestServer({ limits: { idleTimeoutMs: IDLE_MS } })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const body = `{"a":"${'x'.repeat(30)}"}`
  const head = [
    'PUT /db/slow HTTP/1.1',
    'Host: x',
    `Authorization: ${server.authorization}`,
    `Content-Length: ${body.length}`,
    '',
    '',
  ].join('\r\n')

  const slow = connect(server.http.port, '127.0.0.1')
  slow.write(head)
  // Each byte in time, all of them together in several times the idle time.
  for (const char of body) {
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS / 10))
    slow.write(char)
  }
  const [answer] = (await once(slow, 'data')) as [Buffer]
  t.match(answer.toString(), /^HTTP\/1\.1 201 Created/)
  slow.destroy()

  const standing = connect(server.http.port, '127.0.0.1')
  standing.write(head + body.slice(0, 10))
  standing.resume()
  await once(standing, 'close')
  t.pass('closed')
  t.match((await ask(server, 'GET /db')).json, { doc_count: 1 })
})
