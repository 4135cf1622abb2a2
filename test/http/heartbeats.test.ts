/** Signs of life come also while others write what a feed shows nothing of, and while a filter looks at many documents. */
import { type IncomingMessage, request } from 'node:http'
import t, { type Test } from 'tap'
import { openChangesSocket } from '../support/changes-socket.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const BEATS = 3
const HEARTBEAT = 'heartbeat=100'
/** A document takes some milliseconds. */
const SLOW = 'function () { var end = Date.now() + 3; while (Date.now() < end) {} return false }'
const DOCUMENTS = 300
/** By feed, what it says that it is there. */
const SIGNS: Record<string, RegExp> = {
  normal: /^\n/,
  longpoll: /^\n/,
  continuous: /^\n/,
  eventsource: /^event: heartbeat/,
}

async function open(t: Test, { http, authorization }: TestServer, query: string): Promise<string[]> {
  const chunks: string[] = []
  const path = `/db/_changes?${HEARTBEAT}&${query}`
  const sent = request({ host: '127.0.0.1', port: http.port, path, headers: { authorization } })
  t.teardown(() => sent.destroy())
  sent.on('error', () => undefined)
  sent.on('response', (response: IncomingMessage) => {
    response.on('error', () => undefined)
    response.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  })
  sent.end()
  return chunks
}

const server = await startTestServer()
t.teardown(() => server.stop(0))
await ask(server, 'PUT /db')
await ask(server, 'PUT /db/_design/d', { json: { filters: { slow: SLOW } } })
const docs = Array.from({ length: DOCUMENTS }, (_, at) => ({ _id: `d${at}` }))
await ask(server, 'POST /db/_bulk_docs', { json: { docs } })

for (const [feed, sign] of Object.entries(SIGNS)) {
  t.test(`${feed}: a slow filter`, async (t) => {
    const chunks = await open(t, server, `feed=${feed}&filter=d/slow`)
    await until('it says that it is there', () => chunks.filter((each) => sign.test(each)).length >= BEATS)
    const said = chunks.join('')
    t.notMatch(said, /last_seq/, 'and has not ended')
  })
}

t.test('websocket: a slow filter', async (t) => {
  const options = { heartbeat: 100, filter: 'd/slow' }
  const { socket, messages } = await openChangesSocket(server, '/db/_changes?feed=websocket', { options })
  t.teardown(() => socket.terminate())
  const beats = () => messages.filter((message) => message === null).length
  await until('it says that it is there', () => beats() >= BEATS)
  t.notOk(
    messages.some((message) => message !== null),
    'before all was looked at',
  )
})

for (const feed of ['longpoll', 'continuous', 'eventsource']) {
  t.test(`${feed}: writes of others`, async (t) => {
    const chunks = await open(t, server, `feed=${feed}&since=now&filter=_doc_ids&doc_ids=["none"]`)
    const beats = () => chunks.filter((each) => SIGNS[feed]!.test(each)).length
    await until('it has begun', () => chunks.length > 0)
    let written = 0
    await until('it says that it is there', async () => {
      await ask(server, `PUT /db/${feed}${written}`, { json: {} })
      written += 1
      return beats() >= BEATS
    })
    t.ok(written > beats(), `${beats()} signs beside ${written} writes`)
  })
}
