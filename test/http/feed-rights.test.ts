/** A feed shows nothing more to whom `_security` has named no more since it began. */
import { request } from 'node:http'
import t from 'tap'
import { openChangesSocket } from '../support/changes-socket.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const ALICE = `Basic ${Buffer.from('alice:secret').toString('base64')}`
const PATH = '/db/_changes?since=now&include_docs=true&heartbeat=60000&feed='

/** Resolves with all that the feed has said when it has ended. */
function readFeed(server: TestServer, feed: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: server.http.port,
      path: PATH + feed,
      headers: { authorization: ALICE },
    }
    const sent = request(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => resolve(text))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function readSocket(server: TestServer): Promise<string> {
  const { messages, closed } = await openChangesSocket(server, `${PATH}websocket`, {
    headers: { authorization: ALICE },
    options: {},
  })
  await closed
  return JSON.stringify(messages)
}

for (const threads of [0, 1]) {
  t.test(`${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    const user = { name: 'alice', password: 'secret', roles: [], type: 'user' }
    await ask(server, 'PUT /_users/org.couchdb.user:alice', { json: user })
    await ask(server, 'PUT /db')
    const { databases } = server.server
    for (const feed of ['longpoll', 'continuous', 'eventsource', 'websocket']) {
      await ask(server, 'PUT /db/_security', { json: { members: { names: ['alice'] } } })
      const said = feed === 'websocket' ? readSocket(server) : readFeed(server, feed)
      await until('it waits', () => databases.watcherCount('db') > 0)
      await ask(server, 'PUT /db/_security', { json: { members: { names: ['somebody'] } } })
      t.equal((await ask(server, 'POST /db', { json: { hidden: 'text' } })).status, 201)
      t.notMatch(await said, /hidden/, feed)
      await until('nobody waits', () => databases.watcherCount('db') === 0)
    }
  })
}
