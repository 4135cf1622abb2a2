/** Bodies that try a server: each gets an answer of ours, and the next request is served. */
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer({ limits: { feedTimeoutMs: 200 } })
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const JSON_TYPE = { 'content-type': 'application/json' }

t.before(() => send('PUT /db'))
/** A test behind which the server must serve the next request, and must not have met a defect. */
function hostile(name: string, run: (t: Test) => Promise<void>): void {
  t.test(name, async (t) => {
    await run(t)
    t.equal((await send('GET /db')).status, 200, 'the next request is served')
    t.notMatch(server.lines.join('\n'), /request failed|broken off/)
  })
}

const LEVELS = 200_000
const deep = `${'['.repeat(LEVELS)}${']'.repeat(LEVELS)}`
const deepObject = `${'{"a":'.repeat(LEVELS)}1${'}'.repeat(LEVELS)}`

hostile('200,000 levels are stored and come back', async (t) => {
  for (const [id, value] of [
    ['list', deep],
    ['object', deepObject],
  ] as const) {
    t.equal((await send(`PUT /db/${id}`, { body: `{"v":${value}}` })).status, 201)
    t.ok((await send(`GET /db/${id}`)).text.endsWith(`"v":${value}}\n`))
  }
  const docs = `{"docs":[{"_id":"bulk","v":${deep}}]}`
  t.equal((await send('POST /db/_bulk_docs', { body: docs, headers: JSON_TYPE })).status, 201)
  t.ok((await send('GET /db/_changes?include_docs=true')).text.includes(deep))
  const get = { json: { docs: [{ id: 'bulk' }] } }
  t.ok((await send('POST /db/_bulk_get', get)).text.includes(deep))
})

hostile('200,000 levels where a request is looked into', async (t) => {
  const wrapped = (name: string) => `{"${name}":${deep}}`
  for (const [line, body, status] of [
    ['POST /db/_all_docs', `{"keys":[${deep}]}`, undefined],
    ['POST /db/_all_docs', wrapped('limit'), 400],
    ['POST /db/_bulk_get', wrapped('docs'), 200],
    ['POST /db/_revs_diff', `{"a":${deep}}`, undefined],
    ['POST /db/_purge', `{"a":${deep}}`, undefined],
    ['PUT /db/_security', wrapped('members'), undefined],
    ['PUT /db/_security', '{"members":{"roles":[]},"admins":{"roles":["_admin"]}}', 200],
    ['PUT /db/_revs_limit', deep, 413],
    ['PUT /db/x', wrapped('_attachments'), 400],
    ['PUT /db/x', wrapped('_exp'), 400],
    ['PUT /db/x', wrapped('_revisions'), 400],
  ] as const) {
    const reply = await send(line, { body, headers: JSON_TYPE })
    const at = `${line} ${body.slice(0, 14)} ${reply.text.slice(0, 80)}`
    if (status === undefined) t.ok(reply.status < 500 && reply.status >= 200, at)
    else t.equal(reply.status, status, at)
  }
  const selector = JSON.stringify({ selector: { v: { $exists: true } }, fields: ['v', '_id'] })
  const feed = 'POST /db/_changes?filter=_selector&include_docs=true'
  const reply = await send(feed, { body: selector, headers: JSON_TYPE })
  t.equal(reply.status, 200)
  t.ok((reply.json as { results: object[] } | undefined)?.results.length === 3, 'filtered and projected')
  const odd = await send('POST /db/_changes?filter=_selector', {
    body: `{"selector":${deepObject}}`,
    headers: JSON_TYPE,
  })
  t.equal(odd.status, 400)
  const patch = { body: '{"w":1}', headers: { 'content-type': 'application/merge-patch+json' } }
  t.equal((await send('PATCH /db/list', patch)).status, 201)
  const deepPatch = { ...patch, body: `{"w":${deep}}` }
  t.equal((await send('PATCH /db/list', deepPatch)).status, 400)
})

hostile('of repeated members the last counts', async (t) => {
  t.equal((await send('PUT /db/twice', { body: '{"a":1,"b":2,"a":{"c":3,"c":4}}' })).status, 201)
  t.match((await send('GET /db/twice')).json, { a: { c: 4 }, b: 2 })
})

hostile('values that no document can hold', async (t) => {
  for (const text of [
    '{"a":1e400}',
    '{"a":-1e400}',
    '{"a":"\\ud800"}',
    '{"a":"\\udc00x"}',
    '{"\\ud800":1}',
  ]) {
    const docs = { body: `{"docs":[{"_id":"w"},{"_id":"v","v":${text}}]}`, headers: JSON_TYPE }
    t.equal((await send('PUT /db/w', { body: text })).status, 400, text)
    t.equal((await send('POST /db/_bulk_docs', docs)).status, 400, text)
  }
  t.equal((await send('GET /db/w')).status, 404)
})

/** Bytes on a connection of their own, and everything that comes until it is closed. */
function exchange(bytes: string | Buffer, end = false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(server.http.port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
    socket.write(bytes, () => {
      if (end) socket.end()
    })
  })
}

const head = (line: string, length: number, more = ''): string =>
  `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.authorization}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`

hostile('a Content-Length that lies', async (t) => {
  const longer = await exchange(`${head('PUT /db/long', 2)}{"a":1}`)
  t.match(longer, /^HTTP\/1\.1 400 /, 'what the length leaves is no JSON; the rest is no request')
  const pipelined = await exchange(`${head('PUT /db/long', 2)}{}rubbish\r\n\r\n`)
  t.match(pipelined, /^HTTP\/1\.1 201 [\s\S]*HTTP\/1\.1 400 /)
  const shorter = await exchange(`${head('PUT /db/short', 50)}{}`, true)
  t.notMatch(shorter, /HTTP\/1\.1 2/)
  const two = await exchange(head('PUT /db/short', 2, 'Content-Length: 3\r\n'))
  t.match(two, /^HTTP\/1\.1 400 /)
  const both = await exchange(
    `${head('PUT /db/short', 2, 'Transfer-Encoding: chunked\r\n')}2\r\n{}\r\n0\r\n\r\n`,
  )
  t.match(both, /^HTTP\/1\.1 400 /)
  t.equal((await send('GET /db/short')).status, 404)
})

hostile('multipart bodies that end early, are told at once and write nothing', async (t) => {
  const document = JSON.stringify({
    _attachments: {
      a: { follows: true, length: 3, content_type: 'x/y' },
      b: { follows: true, length: 3, content_type: 'x/y' },
    },
  })
  const type = 'Content-Type: multipart/related; boundary=x\r\n'
  const first = `--x\r\nContent-Type: application/json\r\n\r\n${document}\r\n`
  for (const body of [
    `${first}--x--`,
    `${first}--x\r\n\r\nAAA\r\n--x--`,
    `${first}--x\r\n\r\nAAA\r\n--x\r\n\r\nBBB`,
    `${first}--x\r\n\r\nAAAA\r\n--x\r\n\r\nBBB\r\n--x--`,
    `${first}--x\r\n\r\nAAA\r\n--x\r\n\r\nBBB\r\n--x\r\n\r\nCCC\r\n--x--`,
    '--x--',
    '',
  ]) {
    const request = head('PUT /db/parts', body.length).replace('Content-Type: application/json\r\n', type)
    const reply = await exchange(request.replace('Host: x\r\n', 'Host: x\r\nConnection: close\r\n') + body)
    t.match(reply, /^HTTP\/1\.1 400 /, JSON.stringify(body.slice(first.length)))
  }
  t.equal((await send('GET /db/parts')).status, 404)
})
