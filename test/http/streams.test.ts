import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startHttp } from '../../src/http/listen/server.ts'
import { type Backend, limitsOf } from '../../src/http/request/options.ts'
import type { Server } from '../../src/server/server.ts'
import { type EndlessDatabase, endlessDatabase } from '../support/endless-database.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const BODY_BYTES = 1000
/** More than the buffers of a loopback connection hold, far less than what an endless listing would give. */
const SOCKET_BYTES = 32 * 1024 * 1024

/** What a backend has beside its databases. */
function partsOf(server: Server): Omit<Backend, 'databases'> {
  return { ...server, replicator: server.replicator }
}

/** A server whose only database is endless, in front of the parts of a real one. */
async function endlessServer(
  t: Test,
): Promise<{ server: TestServer; endless: EndlessDatabase; released: () => number }> {
  const real = await startTestServer()
  const endless = endlessDatabase(BODY_BYTES)
  let released = 0
  const never = new AbortController().signal
  const { databases } = real.server
  const http = await startHttp({
    backend: {
      ...partsOf(real.server),
      databases: {
        leaseOpen: () => undefined,
        watch: (name, watcher) => databases.watch(name, watcher),
        lease: async () => ({ database: endless.database, signal: never, release: () => void released++ }),
        create: (name) => databases.create(name),
        delete: (name) => databases.delete(name),
        list: (range) => databases.list(range),
        has: (name) => databases.has(name),
        shardsOf: () => undefined,
      },
    },
    limits: limitsOf(real.server.settings),
    address: { host: '127.0.0.1', port: 0 },
    version: '0',
  })
  t.teardown(async () => {
    await http.stop(0)
    await real.stop()
  })
  return { server: { ...real, http }, endless, released: () => released }
}

async function deafClient(server: TestServer, path: string): Promise<Socket> {
  const socket = connect(server.http.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  return socket
}

/** Resolves once the value has stayed the same for a while, or is over the limit. */
async function settled(value: () => number, limit: number): Promise<number> {
  for (let before = -1, same = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    same = value() === before ? same + 1 : 0
    before = value()
    if ((same >= 10 && before > 0) || before > limit) return before
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

for (const path of [
  '_all_docs?include_docs=true',
  '_changes?include_docs=true',
  '_changes?feed=continuous&include_docs=true',
]) {
  t.test(`a client that stops reading ${path} does not make the server buffer`, async (t) => {
    const { server, endless, released } = await endlessServer(t)
    const socket = await deafClient(server, `/endless/${path}`)
    const pulled = await settled(() => endless.pulled, (2 * SOCKET_BYTES) / BODY_BYTES)
    t.ok(pulled * BODY_BYTES < SOCKET_BYTES, `${pulled} rows were pulled`)
    t.equal(endless.open, 1)

    const other = await ask(server, 'GET /_up')
    t.equal(other.status, 200, 'others are served meanwhile')

    socket.destroy()
    await until(() => endless.open === 0 && released() === 1)
    t.pass('the listing is closed and the lease given back')
  })
}

t.test('a busy reader does not keep others from being served', async (t) => {
  const { server, endless } = await endlessServer(t)
  const socket = connect(server.http.port, '127.0.0.1')
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  socket.write('GET /endless/_all_docs?include_docs=true HTTP/1.1\r\nHost: x\r\n\r\n')
  for (let i = 0; i < 20; i++) {
    const before = endless.pulled
    t.equal((await ask(server, 'GET /_up')).status, 200)
    await until(() => endless.pulled > before)
  }
  t.ok(received > 0)
  socket.destroy()
  await until(() => endless.open === 0)
})

t.test('a filter that lets nothing through lets others be served', async (t) => {
  const { server, endless } = await endlessServer(t)
  const socket = await deafClient(server, '/endless/_changes?filter=_doc_ids&doc_ids=%5B%22none%22%5D')
  await until(() => endless.pulled > 0)
  t.equal((await ask(server, 'GET /_up')).status, 200)
  socket.destroy()
  await until(() => endless.open === 0)
})

t.test('HEAD of a listing sends the head and closes the listing', async (t) => {
  const { server, endless, released } = await endlessServer(t)
  for (const path of ['_all_docs', '_changes', '_changes?feed=continuous']) {
    const reply = await ask(server, `HEAD /endless/${path}`)
    t.equal(reply.status, 200)
    t.equal(reply.text, '')
  }
  await until(() => released() === 3)
  t.equal(endless.open, 0)
})

t.test('stopping cuts what does not end by itself', async (t) => {
  const { server, endless, released } = await endlessServer(t)
  await deafClient(server, '/endless/_all_docs?include_docs=true')
  await until(() => endless.open === 1)
  await server.http.stop(10)
  await until(() => endless.open === 0 && released() === 1)
  t.pass()
})

t.test('many feeds wait at no great price, and all hear of a change', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY })
  t.teardown(() => agent.destroy())
  let waiting = 0
  const feeds = Array.from({ length: 200 }, () => {
    const path = '/db/_changes?feed=continuous&heartbeat=20&limit=1'
    const headers = { authorization: server.authorization }
    return new Promise<string>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: server.http.port, path, headers, agent }
      get(options, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          if (text === '') waiting += 1
          text += chunk.toString()
        })
        response.on('end', () => resolve(text.trim()))
      }).on('error', reject)
    })
  })
  await until(() => waiting === feeds.length)
  await ask(server, 'PUT /db/news', { json: {} })
  for (const text of await Promise.all(feeds)) {
    if (!/^\{"seq":"[^"]+","id":"news".*\}\n\{"last_seq":"[^"]+","pending":0\}$/.test(text)) t.fail(text)
  }
  t.same(warnings, [])
})

t.test('stopping ends the feeds and does not wait for connections that are kept alive', async (t) => {
  const server = await startTestServer()
  await ask(server, 'PUT /db')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const feed = new Promise<string>((resolve, reject) => {
    const path = '/db/_changes?feed=longpoll&since=now&heartbeat=true'
    const headers = { authorization: server.authorization }
    const options = { host: '127.0.0.1', port: server.http.port, path, headers, agent }
    get(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (text.endsWith('\n\n')) void server.stop(3_600_000).catch(reject)
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
  t.match(JSON.parse(await feed), { results: [], last_seq: String })
  await server.http.stop(3_600_000)
  await t.rejects(ask(server, 'GET /'))
})

t.test('a feed that has nothing to say yet is answered at once', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /silent')
  for (const feed of ['continuous', 'eventsource']) {
    const path = `/silent/_changes?feed=${feed}&since=now&heartbeat=50000`
    const status = await new Promise<number>((resolve, reject) => {
      const { authorization } = server
      const sent = get(`${server.http.url}${path}`, { headers: { authorization } }, (response) => {
        resolve(response.statusCode!)
        response.on('error', () => undefined)
        sent.destroy()
      })
      sent.on('error', reject)
    })
    t.equal(status, 200, feed)
  }
})
