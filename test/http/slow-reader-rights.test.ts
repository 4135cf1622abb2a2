/** Who is still being answered is not shown what was written after `_security` has ceased to name him. */
import { request } from 'node:http'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const IDS = Array.from({ length: 200 }, (_, i) => `doc${String(i).padStart(3, '0')}`)
const LAST = IDS.at(-1)!
const ANN = `Basic ${Buffer.from('ann:apple').toString('base64')}`

/** Asks, takes nothing until `meanwhile` is done, and then everything. */
function askSlowly(
  server: TestServer,
  path: string,
  json: object,
  meanwhile: () => Promise<void>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: ANN, 'content-type': 'application/json' }
    const sent = request({ host: '127.0.0.1', port: server.http.port, method: 'POST', path, headers })
    sent.on('error', reject)
    sent.on('response', (response) => {
      let text = ''
      response.on('error', () => undefined)
      response.on('close', () => resolve(text))
      void meanwhile().then(() => {
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
      }, reject)
    })
    sent.end(JSON.stringify(json))
  })
}

for (const threads of [0, 1]) {
  t.test(`${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await ask(server, 'PUT /_users/org.couchdb.user:ann', {
      json: { name: 'ann', password: 'apple', roles: [], type: 'user' },
    })
    await ask(server, 'PUT /db')
    const pad = 'x'.repeat(100_000)
    for (let i = 0; i < IDS.length; i += 50) {
      const docs = IDS.slice(i, i + 50).map((_id) => ({ _id, pad }))
      await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
    }
    const cases: [string, object][] = [
      ['/db/_bulk_get', { docs: IDS.map((id) => ({ id })) }],
      ['/db/_all_docs?include_docs=true', { keys: IDS }],
      ['/db/_changes?feed=continuous&include_docs=true', {}],
    ]
    for (const [path, json] of cases) {
      await ask(server, 'PUT /db/_security', { json: { members: { names: ['ann'] } } })
      const text = await askSlowly(server, path, json, async () => {
        const { headers } = await ask(server, `GET /db/${LAST}`)
        const _rev = headers.etag!.replaceAll('"', '')
        await ask(server, 'PUT /db/_security', { json: { members: { names: ['somebody'] } } })
        const { status } = await ask(server, `PUT /db/${LAST}`, { json: { _rev, hidden: 'text' } })
        if (status !== 201) throw new Error(`not written: ${status}`)
      })
      t.match(text, IDS[0], `${path} has begun`)
      t.notOk(text.includes('hidden'))
    }
  })
}
