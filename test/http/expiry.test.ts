/** `_exp` and `show_exp` in requests. */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { manualClock } from '../support/manual-clock.ts'

const clock = manualClock()
const server = await startTestServer({ clock })
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const expiryOf = async (path: string): Promise<unknown> =>
  ((await send(`GET ${path}?show_exp=true`)).json as { _exp?: string })._exp
const later = (seconds: number): string =>
  new Date(clock.now() + seconds * 1000).toISOString().replace('.000', '')

t.before(() => send('PUT /db'))

t.test('shown when it is asked for', async (t) => {
  const made = (await send('PUT /db/a', { json: { v: 1, _exp: 600 } })).json as { rev: string }
  const plain = await send('GET /db/a')
  t.same(plain.json, { _id: 'a', _rev: made.rev, v: 1 })
  const shown = await send('GET /db/a?show_exp=true')
  t.same(shown.json, { _id: 'a', _rev: made.rev, v: 1, _exp: later(600) })
  t.equal(shown.headers.etag, undefined, 'it may change without a new revision')
  t.match((await send(`GET /db/a?rev=${made.rev}&show_exp=true`)).json, { _exp: later(600) })
  t.match((await send('GET /db/a?open_revs=all&show_exp=true')).json, [{ ok: { _exp: later(600) } }])
  const { json } = await send('POST /db/_bulk_get?show_exp=true', { json: { docs: [{ id: 'a' }] } })
  t.match(json, { results: [{ docs: [{ ok: { _exp: later(600) } }] }] })
  t.notMatch((await send('GET /db/_all_docs?include_docs=true')).text, '_exp')
})

t.test('given with every way to write, and given back', async (t) => {
  await send('POST /db', { json: { _id: 'posted', _exp: '60' } })
  t.equal(await expiryOf('/db/posted'), later(60))
  const docs = [{ _id: 'b1', _exp: 60 }, { _id: 'b2' }, { _id: 'b3', _exp: later(70) }]
  await send('POST /db/_bulk_docs', { json: { docs } })
  t.same(
    [await expiryOf('/db/b1'), await expiryOf('/db/b2'), await expiryOf('/db/b3')],
    [later(60), undefined, later(70)],
  )
  const back = (await send('GET /db/b1?show_exp=true')).json as object
  await send('PUT /db/b1', { json: { ...back, v: 2 } })
  t.equal(await expiryOf('/db/b1'), later(60))
  const replicated = { _id: 'r', _rev: `1-${'a'.repeat(32)}`, _exp: 60 }
  await send('POST /db/_bulk_docs', { json: { docs: [replicated], new_edits: false } })
  t.equal(await expiryOf('/db/r'), later(60))
  const multipart = [
    '--x\r\nContent-Type: application/json\r\n\r\n',
    JSON.stringify({ _exp: 60, _attachments: { f: { follows: true, length: 1, content_type: 'a/b' } } }),
    '\r\n--x\r\n\r\nA\r\n--x--',
  ].join('')
  const headers = { 'content-type': 'multipart/related; boundary=x' }
  t.equal((await send('PUT /db/m', { body: multipart, headers })).status, 201)
  t.equal(await expiryOf('/db/m'), later(60))
})

t.test('cleared by a revision without it, kept by what has no place for it', async (t) => {
  let { rev } = (await send('PUT /db/k', { json: { v: 1, _exp: 600 } })).json as { rev: string }
  rev = ((await send(`PUT /db/k/f?rev=${rev}`, { body: 'x' })).json as { rev: string }).rev
  t.equal(await expiryOf('/db/k'), later(600))
  rev = ((await send(`DELETE /db/k/f?rev=${rev}`)).json as { rev: string }).rev
  t.equal(await expiryOf('/db/k'), later(600))
  const type = { 'content-type': 'application/merge-patch+json' }
  await send('PATCH /db/k', { body: '{"v":2}', headers: type })
  t.equal(await expiryOf('/db/k'), later(600), 'a patch that does not name it')
  await send('PATCH /db/k', { body: '{"_exp":60}', headers: type })
  t.equal(await expiryOf('/db/k'), later(60))
  await send('PATCH /db/k', { body: '{"_exp":null}', headers: type })
  t.equal(await expiryOf('/db/k'), undefined)
  await send('PATCH /db/k', { body: '{"_exp":60}', headers: type })
  ;({ _rev: rev } = (await send('GET /db/k')).json as { _rev: string })
  await send(`PUT /db/k?rev=${rev}`, { json: {} })
  t.equal(await expiryOf('/db/k'), undefined)
})

t.test('what is refused', async (t) => {
  for (const [line, json] of [
    ['PUT /db/w', { _exp: 'tomorrow' }],
    ['POST /db', { _exp: -1 }],
    ['POST /db/_bulk_docs', { docs: [{ _id: 'w', _exp: [] }] }],
    ['PUT /db/_local/w', { _exp: 60 }],
  ] as const) {
    const reply = await send(line, { json })
    t.match([reply.status, reply.json], [400, { error: 'bad_request', reason: /expiry/ }], line)
  }
  t.match((await send('PUT /db/w', { json: { _expiry: 5 } })).json, { error: 'doc_validation' })
  t.equal((await send('GET /db/w')).status, 404)
})
