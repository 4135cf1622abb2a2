/**
 * A document with a zero that has a sign, made anew after its deletion: its text is stored without the sign, and the thread that
 * writes made the revision's id of that text, where it was handed the documents packed.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

/** What the revision is that follows a deletion, by the value: Apache CouchDB's. */
const REVISIONS = {
  '-0.0': '3-ef5738c9bf260b313a6fd4c07f9216ef',
  '-0e0': '3-ef5738c9bf260b313a6fd4c07f9216ef',
  '[1,{"x":-0.0E+5}]': '3-47084c61f5b887d50a9403f6f9090a43',
  '0.0': '3-b41d1f236c8ac67f6d216f5557a45a97',
  '-0': '3-52b2e3fa1c7e1ac52ce6f2251634e44d',
  '-1.5': '3-4a81f38d5853fcc6813152ccc6381a8f',
}
const HEADERS = { 'content-type': 'application/json' }

for (const threads of [0, 2]) {
  t.test(`${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    const send = async (line: string, body: string) =>
      (await ask(server, line, { body, headers: HEADERS })).json
    await ask(server, 'PUT /db')
    for (const [at, [value, wanted]] of Object.entries(REVISIONS).entries()) {
      for (const way of ['put', 'post', 'bulk']) {
        const id = `${way}${at}`
        const { rev } = (await send(`PUT /db/${id}`, '{"n":1}')) as { rev: string }
        await ask(server, `DELETE /db/${id}?rev=${rev}`)
        const document = `{"_id":"${id}","n":${value}}`
        if (way === 'put') await send(`PUT /db/${id}`, document)
        if (way === 'post') await send('POST /db', document)
        if (way === 'bulk') await send('POST /db/_bulk_docs', `{"docs":[{"_id":"other-${id}"},${document}]}`)
        const { _rev } = (await ask(server, `GET /db/${id}`)).json as { _rev: string }
        t.equal(_rev, wanted, `${way} of ${value}`)
      }
    }
  })
}
