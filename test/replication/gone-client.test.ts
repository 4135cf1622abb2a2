/** Who asked for a replication and has gone is not waited with; the replication goes on. */
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { call } from '../support/replicated.ts'
import { until } from '../support/until.ts'

const PIPELINED = 40

t.setTimeout(120_000)

/** A peer that answers nobody before `answer` is called, with 404 then. */
async function silentPeer(t: Test): Promise<{ url: string; asked: () => number; answer: () => void }> {
  const waiting: ServerResponse[] = []
  let asked = 0
  let isSilent = true
  const end = (response: ServerResponse): void => {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not_found","reason":"no"}')
  }
  const server = createServer((_request, response) => {
    asked += 1
    if (isSilent) waiting.push(response)
    else end(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const answer = (): void => {
    isSilent = false
    for (const response of waiting) end(response)
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/db/`, asked: () => asked, answer }
}

async function figure({ url }: TestServer, name: string): Promise<number> {
  const { body } = await call(url, 'GET', `/_node/_local/_stats/couchdb/httpd/${name}`)
  return (body as { value: number }).value
}

function send({ http, authorization }: TestServer, source: string, behind: number): Socket {
  const socket = connect(http.port, '127.0.0.1')
  const text = JSON.stringify({ source, target: 'target' })
  const head = `Host: a\r\nAuthorization: ${authorization}\r\n`
  socket.write(
    `POST /_replicate HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}${`GET / HTTP/1.1\r\n${head}\r\n`.repeat(behind)}`,
  )
  return socket
}

for (const threads of [0, 1]) {
  for (const behind of [0, PIPELINED]) {
    t.test(`${threads} threads, ${behind} requests behind it`, async (t) => {
      const peer = await silentPeer(t)
      const server = await startTestServer({
        threads,
        config: {
          DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '0',
          // Of a connection that is not read for the many requests that wait this alone tells.
          DAVENPORT_DAVENPORT__IDLE_TIMEOUT_MS: behind === 0 ? '300000' : '500',
        },
      })
      t.teardown(() => server.stop(0))
      await call(server.url, 'PUT', '/target')
      const socket = send(server, peer.url, behind)
      socket.on('error', () => undefined)
      await until('the source is asked', () => peer.asked() > 0)
      socket.destroy()
      await until('nobody waits any more', async () => (await figure(server, 'aborted_requests')) === 1)
      const { body } = await call(server.url, 'GET', '/_active_tasks')
      t.match(body, [{ type: 'replication' }], 'it goes on')
      const again = call(server.url, 'POST', '/_replicate', { source: peer.url, target: 'target' })
      await until('it is asked for again', async () => (await figure(server, 'requests')) > 0)
      peer.answer()
      t.equal((await again).status, 404, 'who waits is told of its end')
    })
  }
}
