/** Threads that take requests: what one of them is told, all know; one that ends is replaced. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import type { SettingName } from '../../src/config/settings.ts'
import { Fronts } from '../../src/threads/fronts.ts'
import { ListeningSocket } from '../../src/threads/listening-socket.ts'
import { HttpClient } from '../support/http-client.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const THREADS = 3

function workersOf({ http }: TestServer): Fronts['workers'] {
  return (http as unknown as Fronts).workers
}

/** Clients with a connection each, enough for every thread to have some. */
function clientsOf(server: TestServer): HttpClient[] {
  return Array.from({ length: 8 * THREADS }, () => new HttpClient(server.http.port))
}

t.setTimeout(180_000)

t.test('what was acknowledged to one is seen by all', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  const clients = clientsOf(server)
  for (let round = 0; round < 10; round++) {
    const writer = clients[round % clients.length]!
    await writer.json('PUT', '/db')
    let rev: string | undefined
    for (let n = 0; n < 5; n++) {
      const put = await writer.json<{ rev: string }>('PUT', '/db/a', { n, ...(rev && { _rev: rev }) })
      rev = put.rev
      const seen = await Promise.all(clients.map((client) => client.json<{ n: number }>('GET', '/db/a')))
      t.ok(
        seen.every((document) => document.n === n),
        `number ${n} of round ${round}`,
      )
      if (n === 2) await writer.send('POST', '/db/_compact', {})
    }
    await writer.json('DELETE', '/db')
    const gone = await Promise.all(clients.map((client) => client.send('GET', '/db/a')))
    t.ok(
      gone.every(({ status }) => status === 404),
      'a database that is deleted is gone for all',
    )
  }
})

t.test('a thread that ends is replaced, and the others notice nothing', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: { v: 1 } })
  for (let round = 0; round < 3; round++) {
    const [worker] = workersOf(server)
    const exited = once(worker!, 'exit')
    await worker!.terminate()
    await exited
    for (let n = 0; n < 10; n++) {
      const client = new HttpClient(server.http.port)
      t.match(await client.json('GET', '/db/a'), { v: 1 })
    }
    await until('there are as many as before', () => workersOf(server).length === THREADS)
  }
  t.equal((await ask(server, 'DELETE /db')).status, 200, 'what they held was given back')
})

t.test('a thread that the system cannot give is asked for again', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  const { settings } = server.server
  let refusals = 0
  let givenBack = 0
  const refuse = (): never => {
    refusals += 1
    throw new Error('EAGAIN')
  }
  const { descriptors, giveBack } = ListeningSocket.prototype
  const restore = (): void => {
    Object.assign(ListeningSocket.prototype, { descriptors, giveBack })
  }
  t.teardown(restore)
  ListeningSocket.prototype.giveBack = function (descriptor) {
    givenBack += 1
    giveBack.call(this, descriptor)
  }
  // No descriptor of the socket at first, and then no thread for it.
  ListeningSocket.prototype.descriptors = async function (count) {
    if (refusals < 2) refuse()
    const found = await descriptors.call(this, count)
    if (refusals === 2) settings.values = refuse
    else restore()
    return found
  }
  const { values } = settings
  await workersOf(server)[0]!.terminate()
  await until('there was no thread', () => refusals === 3)
  settings.values = values
  await until('there are as many as before', () => workersOf(server).length === THREADS)
  t.equal(givenBack, 1, 'nobody is left to listen on the descriptor of a thread that was not made')
})

t.test('databases that fronts do not need make room for others', async (t) => {
  const server = await startTestServer({
    threads: THREADS,
    config: { DAVENPORT_COUCHDB__MAX_DBS_OPEN: '4' },
  })
  t.teardown(() => server.stop())
  const clients = clientsOf(server)
  const names = Array.from({ length: 12 }, (_, at) => `db${at}`)
  for (const name of names) await ask(server, `PUT /${name}`)
  for (const client of clients.slice(0, 8)) {
    for (const name of names) t.equal((await client.send('GET', `/${name}`)).status, 200)
  }
  t.ok(server.server.databases.openCount <= 5, '`_users` is beside them')
})

t.test('feeds on every thread hear of a write on any', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const polls = clientsOf(server).map((client) =>
    client.json<{ results: { id: string }[] }>('GET', '/db/_changes?feed=longpoll&since=now&timeout=60000'),
  )
  await until('they wait', () => server.server.databases.watcherCount('db') > 0)
  // Those that are on their way still may begin after the write: it is written again until all have heard.
  let heard = 0
  for (const poll of polls) void poll.then(() => (heard += 1)).catch(() => undefined)
  for (let n = 0; heard < polls.length; n++) await ask(server, `PUT /db/n${n}`, { json: {} })
  for (const poll of polls) t.equal((await poll).results.length > 0, true)
})

t.test('a server that stops lets what runs end', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  await ask(server, 'PUT /db')
  const polls = Promise.allSettled(
    clientsOf(server).map((client) => client.send('GET', '/db/_changes?feed=longpoll&since=now')),
  )
  await until('they wait', () => server.server.databases.watcherCount('db') > 0)
  await server.stop(5000)
  for (const poll of await polls) {
    if (poll.status === 'fulfilled') t.equal(poll.value.status, 200)
  }
  t.equal(workersOf(server).length, 0)
})

t.test('threads that only write documents go by the rights and the functions of now', async (t) => {
  const server = await startTestServer({ threads: THREADS })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const clients = clientsOf(server)
  const text = 'x'.repeat(2000)
  let written = 0
  /** More than a thread takes in at one go, on each of them. */
  const writeMuch = async (): Promise<void> => {
    const write = async (client: HttpClient): Promise<void> => {
      for (let n = 0; n < 20; n++) {
        written += 1
        await client.json('PUT', `/db/d${written}`, { text })
      }
    }
    await Promise.all(clients.map(write))
  }
  const statuses = async (): Promise<number[]> => {
    const puts = clients.map(() => ask(server, `PUT /db/by-nobody-${written++}`, { json: {}, as: null }))
    return [...new Set((await Promise.all(puts)).map(({ status }) => status))]
  }
  const setMembers = (names: string[]) => ask(server, 'PUT /db/_security', { json: { members: { names } } })

  await setMembers([])
  await writeMuch()
  t.same(await statuses(), [201])
  await setMembers(['somebody'])
  t.same(await statuses(), [401], 'who is no member')
  await setMembers([])
  await writeMuch()
  t.same(await statuses(), [201])
  const refuse = 'function (doc, old, user) { if (user.name === null) throw { unauthorized: "no" } }'
  await ask(server, 'PUT /db/_design/d', { json: { validate_doc_update: refuse } })
  t.same(await statuses(), [401], 'whom a function refuses')
  const counts = clients.map((client) => client.json<{ doc_count: number }>('GET', '/db'))
  t.same(
    [...new Set((await Promise.all(counts)).map((info) => info.doc_count))],
    [written - 2 * clients.length + 1],
  )
})

t.test(
  'a socket of which a thread was given a descriptor is closed although that has ended before it listened',
  async (t) => {
    const server = await startTestServer()
    t.teardown(() => server.stop())
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    const { settings } = server.server
    const get = settings.get.bind(settings)
    settings.get = ((name: SettingName) => (name === 'port' ? port : get(name))) as typeof settings.get
    const program = new URL('data:text/javascript,process.exit(0)')
    await t.rejects(
      Fronts.start({ server: server.server, count: 2, version: 'test', cacheBytes: 1024 * 1024, program }),
      { message: 'a thread ended before it took requests' },
    )
    const socket = connect(port, '127.0.0.1')
    const [error] = (await once(socket, 'error').catch((error: unknown) => [error])) as [{ code: string }]
    t.equal(error.code, 'ECONNREFUSED')
  },
)
