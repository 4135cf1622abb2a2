/** `Expect: 100-continue`: what is refused by the head alone is refused before the body is asked for. */
import { connect } from 'node:net'
import t from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const DOCUMENT = '{"some":"text"}'
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

interface Told {
  /** All that the server has said. */
  text: string
  /** The body was sent, since the server said so. */
  isSent: boolean
}

/** Answers that are there as a whole, each with a text of JSON. */
function answersIn(text: string): number {
  return text
    .replaceAll(CONTINUE, '')
    .split(/HTTP\/1\.1 (?=[2-5])/)
    .filter((each) => /\r\n\r\n[\s\S]*[}\]]\n?$|\}\n$/.test(each)).length
}

/** Sends a head, and the body when it is told to. Resolves when the answer is there or the connection has ended. */
function expecting(
  port: number,
  line: string,
  headers: Record<string, string>,
  { body = DOCUMENT, before = '' }: { body?: string; before?: string } = {},
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const told: Told = { text: '', isSent: false }
    const socket = connect(port, '127.0.0.1')
    socket.on('error', reject)
    socket.on('close', () => resolve(told))
    socket.on('data', (chunk: Buffer) => {
      told.text += chunk.toString()
      if (!told.isSent && told.text.includes(CONTINUE)) {
        told.isSent = true
        socket.write(body)
      }
      if (answersIn(told.text) === (before === '' ? 1 : 2)) socket.end()
    })
    const all: Record<string, string> = {
      Host: 'x',
      Expect: '100-continue',
      'Content-Type': 'application/json',
      'Content-Length': String(body.length),
      ...headers,
    }
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    socket.write(`${before}${[`${line} HTTP/1.1`, ...head].join('\r\n')}\r\n\r\n`)
  })
}

const basic = (text: string) => ({ Authorization: `Basic ${Buffer.from(text).toString('base64')}` })

for (const threads of [0, 1]) {
  t.test(`${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    const { port } = server.http
    const admin = { Authorization: server.authorization }
    await ask(server, 'PUT /db')
    await ask(server, 'PUT /_users/org.couchdb.user:ann', {
      json: { name: 'ann', password: 'apple', roles: [], type: 'user' },
    })
    const huge = { 'Content-Length': '99999999999999' }
    const refusals: [number, string, Record<string, string>][] = [
      [401, 'PUT /db/doc', basic('admin:wrong')],
      [401, 'PUT /db/doc', {}],
      [403, 'PUT /db/doc', basic('ann:apple')],
      [404, 'PUT /none/doc', admin],
      [405, 'PUT /db/_find', admin],
      [413, 'PUT /db/doc', { ...admin, ...huge }],
      [413, 'PUT /db/doc/name', { ...admin, ...huge }],
      [415, 'POST /db/_bulk_get', { ...admin, 'Content-Type': 'text/plain' }],
    ]
    for (const [status, line, headers] of refusals) {
      const { text, isSent } = await expecting(port, line, headers)
      t.match(text, new RegExp(`^HTTP/1.1 ${status} `), `${status} ${line}`)
      t.match(text, /\r\nConnection: close\r\n/)
      t.notOk(isSent)
    }
    const writes: [string, string][] = [
      ['PUT /db/doc', DOCUMENT],
      ['POST /db', DOCUMENT],
      ['POST /db/_bulk_docs', '{"docs":[{"_id":"bulk"}]}'],
      ['PUT /db/other/name', DOCUMENT],
    ]
    for (const [line, body] of writes) {
      const { text, isSent } = await expecting(port, line, admin, { body })
      t.ok(isSent, line)
      t.ok(text.startsWith(`${CONTINUE}HTTP/1.1 201 `), text.slice(0, 60))
      t.notMatch(text, /Connection: close/)
      t.equal(text.split(CONTINUE).length, 2, 'told once')
    }
    const before = `GET /db HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n\r\n`
    const { text } = await expecting(port, 'PUT /db/piped', admin, { before })
    t.match(
      text,
      /^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /,
      'behind another request',
    )
  })
}

t.test('the gateway', async (t) => {
  const users = { ann: { password: 'apple', admin_channels: ['*'] } }
  const server = await GatewayServer.start(t.testdir(), { databases: { db: { users } } })
  t.teardown(() => server.stop())
  const port = Number(new URL(server.publicUrl).port)
  const refused = await expecting(port, 'PUT /db/doc', basic('ann:wrong'))
  t.match(refused.text, /^HTTP\/1.1 401 /)
  t.notOk(refused.isSent)
  const written = await expecting(port, 'PUT /db/doc', basic('ann:apple'))
  t.ok(written.text.startsWith(`${CONTINUE}HTTP/1.1 201 `), written.text.slice(0, 60))
})
