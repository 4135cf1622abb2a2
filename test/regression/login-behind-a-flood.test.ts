/**
 * Passwords were hashed in the order in which they came, without a bound, and for clients that had gone too: after 600
 * wrong ones the next log-in waited for a minute and a half. Now addresses take turns, and a flood is refused.
 */
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const FLOOD = 300
const server = await startTestServer({
  config: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '300000', DAVENPORT_CHTTPD_AUTH_LOCKOUT__MODE: 'off' },
})
t.teardown(() => server.stop())

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

/** Wrong passwords, each on a connection of its own, and how they were answered. */
function flood(): { sockets: Socket[]; statuses: number[] } {
  const statuses: number[] = []
  const sockets = Array.from({ length: FLOOD }, (_, i) => {
    const socket = connect(server.http.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => statuses.push(Number(/^HTTP\/1\.1 (\d+) /.exec(bytes.toString())?.[1])))
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(`admin:wrong${i}`)}\r\n\r\n`)
    return socket
  })
  return { sockets, statuses }
}

/** Credentials that are right, and not known yet as they are spelled. */
function login(localAddress: string, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const body = new URLSearchParams({ name, password: 'secret' }).toString()
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
    }
    const sent = request({
      host: '127.0.0.1',
      port: server.http.port,
      method: 'POST',
      path: '/_session',
      localAddress,
      headers,
    })
    sent.on('response', (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

t.test('a flood of wrong passwords', async (t) => {
  const { sockets, statuses } = flood()
  const refused = (): number => statuses.filter((status) => status === 429).length
  const checked = (): number => statuses.filter((status) => status === 401).length
  await until('what is too much is refused', () => refused() >= FLOOD / 2)
  const before = checked()
  t.equal(await login('127.0.0.2', 'admin'), 200)
  t.ok(checked() - before <= 8, `another address waits for ${checked() - before} of the flood`)
  t.ok(refused() + checked() < FLOOD, 'and the flood still waits')
  for (const socket of sockets) socket.destroy()
  const closedAt = checked()
  t.equal(await login('127.0.0.1', 'nobody'), 401)
  t.ok(checked() - closedAt <= 4, 'who has gone is waited for no more')
})
