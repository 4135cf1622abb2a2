/**
 * A function of a design document that returned half of a surrogate pair, which JSON of the engine has as an escape and UTF-8
 * cannot hold: whatever read the result failed, and the view with it. As in CouchDB it becomes U+FFFD.
 */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

for (const sandbox of ['quickjs', 'v8']) {
  t.test(sandbox, async (t) => {
    const server = await startTestServer({ config: { DAVENPORT_DAVENPORT__SANDBOX: sandbox } })
    t.teardown(() => server.stop())
    const send = async (line: string, sending?: Sending) => (await ask(server, line, sending)).json
    await send('PUT /db')
    const json = {
      views: {
        backwards: {
          map: 'function (doc) { if (doc.text) emit(doc.text.split("").reverse().join(""), doc.text) }',
        },
        kept: { map: 'function (doc) { if (doc.text) emit("\\\\ud83d", ["\\\\\\\\ud83d", "\\ud83d"]) }' },
        folded: {
          map: 'function (doc) { if (doc.text) emit(null, doc.text) }',
          reduce: 'function (keys, values) { return values[0].charAt(0) }',
        },
      },
      shows: { half: 'function (doc) { return { json: doc.text.charAt(1) } }' },
      updates: {
        half: 'function (doc, req) { return [{ _id: req.uuid, text: "\\ud83d!" }, "made \\udca5"] }',
      },
    }
    await send('PUT /db/_design/d', { json })
    await send('PUT /db/pair', { json: { text: '\u{1f4a5}' } })
    const rows = async (view: string) =>
      ((await send(`GET /db/_design/d/_view/${view}`)) as { rows: { key: unknown; value: unknown }[] }).rows
    t.match(await rows('backwards'), [{ key: '\ufffd\ufffd', value: '\u{1f4a5}' }])
    t.match(await rows('kept'), [{ key: '\\ud83d', value: ['\\\\ud83d', '\ufffd'] }], 'a backslash is one')
    t.same(await rows('folded'), [{ key: null, value: '\ufffd' }])
    t.equal(await send('GET /db/_design/d/_show/half/pair'), '\ufffd')
    const made = await ask(server, 'POST /db/_design/d/_update/half')
    t.same([made.status, made.text], [201, 'made \ufffd'])
    const id = made.headers['x-couch-id']!
    t.match(await send(`GET /db/${id}`), { text: '\ufffd!' })
  })
}
