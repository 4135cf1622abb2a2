/**
 * Of the answers that a client waits for on one connection the first alone was told when the client went. Those behind it went
 * on: feeds for ever, and listings waited for ever to be taken, each with its lease and its snapshot.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t from 'tap'
import { watchQueued } from '../../src/http/listen/queued-answers.ts'
import { GatewayServer } from '../support/gateway-server.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(60_000)

async function opened(port: number, requests: readonly string[]): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  socket.write(requests.join(''))
  return socket
}

function get(path: string, authorization = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`
}

t.test('each answer is told once', async (t) => {
  const answers: ServerResponse[] = []
  const told: number[] = []
  const server = createServer((_request, response) => {
    const number = answers.push(response)
    response.on('close', () => told.push(number))
    watchQueued(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const paths = ['/1', '/2', '/3', '/4', '/5']
  const socket = await opened(
    (server.address() as AddressInfo).port,
    paths.map((path) => get(path)),
  )
  await until('all requests', () => answers.length === paths.length)
  answers[0]!.end('one')
  await until('the second has the connection', () => answers[1]!.socket !== null)
  answers[3]!.end('four')
  const before = [...told]
  socket.destroy()
  await until('all are told', () => told.length - before.length >= 3)
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve))
  t.same(before, [1])
  t.same(told.slice(1).sort(), [2, 3, 4, 5])
  for (const answer of answers) t.ok(answer.destroyed || answer.writableFinished)
  const late = answers[4]!
  watchQueued(late)
  t.equal(told.length, 5)
})

t.test('feeds and listings of a client who has gone end', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const text = 'x'.repeat(100_000)
  for (let n = 0; n < 10; n++) await ask(server, `PUT /db/d${n}`, { json: { text } })
  const { databases } = server.server
  const ended = (path: string): boolean => server.lines.some((line) => line.includes(`"target":"${path}"`))
  const first = '/db/_changes?feed=continuous&since=now&heartbeat=100'
  const behind = '/db/_changes?feed=continuous&since=now&heartbeat=101'
  const listing = '/db/_all_docs?include_docs=true'
  const requests = [first, behind, listing].map((path) => get(path, server.authorization))
  const socket = await opened(server.http.port, requests)
  await until('the feeds wait', () => databases.watcherCount('db') === 2)
  socket.destroy()
  await until('nobody listens', () => databases.watcherCount('db') === 0)
  for (const path of [first, behind, listing]) await until(`${path} has ended`, () => ended(path))
})

t.test('a gateway does not wait for them', async (t) => {
  const server = await GatewayServer.start(t.testdir(), {
    databases: { db: { users: { ann: { password: 'password', admin_channels: ['*'] } } } },
  })
  t.teardown(() => server.stop())
  const text = 'x'.repeat(100_000)
  for (let n = 0; n < 10; n++) await server.admin(`PUT /db/d${n}`, { body: { text } })
  const authorization = `Basic ${Buffer.from('ann:password').toString('base64')}`
  const feed = get('/db/_changes?feed=continuous&since=10&heartbeat=60000', authorization)
  const listing = get('/db/_all_docs?include_docs=true', authorization)
  const socket = await opened(Number(new URL(server.publicUrl).port), [feed, listing])
  await once(socket, 'data')
  // The listing has begun by the time that another one is answered.
  await server.ask('GET /db/_all_docs?include_docs=true', { as: 'ann:password' })
  socket.destroy()
  t.equal((await server.admin('POST /db/_offline')).status, 200)
})
