/**
 * Requests that once stopped the server, one after another, each beside a client that asks for something small. What the
 * client waits and what memory stays is printed, and is to be far from what it was: seconds to minutes, and gigabytes.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { besideHostile } from '../support/hostile-run.ts'
import { HttpClient } from '../support/http-client.ts'
import { ADMIN, processMemory, startServerProcess } from '../support/server-process.ts'

const MEBIBYTE = 1024 * 1024
/** A machine that is busy with other tests makes the client wait too. */
const MOST_WAIT_MS = 3000
/** Beyond what the server had before its first hostile request. */
const MOST_KEPT_BYTES = 150 * MEBIBYTE
const REST_MS = 500

const folder = await mkdtemp(join(tmpdir(), 'davenport-hostile-'))
const server = startServerProcess({ dataDir: folder })
t.teardown(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})
const port = await server.port
const admin = new HttpClient(port)
const authorization = `Basic ${Buffer.from(ADMIN).toString('base64')}`

const bomb = (elements: string): Buffer => gzipSync(Buffer.alloc(255 * MEBIBYTE, elements), { level: 9 })
const hex = (i: number): string => String(i).padStart(32, '0')

async function post(path: string, body: Buffer | string, headers: Record<string, string> = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  })
  await answer.arrayBuffer()
  return answer.status
}

async function abandonedHead(head: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`${head} HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n`)
  socket.write('Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n')
  socket.on('error', () => {})
  await sleep(1)
  socket.destroy()
}

async function wrongPassword(i: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  const wrong = Buffer.from(`admin:wrong${i}`).toString('base64')
  socket.write(`GET /_all_dbs HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${wrong}\r\n\r\n`)
  await sleep(300)
  socket.destroy()
}

async function fill(): Promise<void> {
  await admin.json('PUT', '/db')
  const texts = Array.from({ length: 200 }, (_, i) => ({ _id: `t${i}`, t: `${'a'.repeat(39)}!` }))
  await admin.json('POST', '/db/_bulk_docs', { docs: texts })
  await admin.send('PUT', '/db/deep', `{"deep":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`)
  await admin.json('PUT', '/db/patched', { a: [1] })
}

const stubs = Object.fromEntries(
  Array.from({ length: 14_000 }, (_, i) => [
    `a${i}`,
    { stub: true, content_type: 'text/plain', revpos: 1, digest: 'md5-1B2M2Y8AsgTpgAmY7PhCfg==', length: 0 },
  ]),
)
const inline = Object.fromEntries(Object.keys(stubs).map((name) => [name, { content_type: 'x/y', data: '' }]))
const selector = (pattern: string) => JSON.stringify({ selector: { t: { $regex: pattern } } })
const leaves = Array.from({ length: 20_000 }, (_, i) => ({
  _id: 'leaves',
  _rev: `2-${hex(i)}`,
  _revisions: { start: 2, ids: [hex(i), hex(0)] },
}))
const unknown = { leaves: Array.from({ length: 100_000 }, (_, i) => `3-${hex(i)}`) }
const doubling = JSON.stringify(Array.from({ length: 18 }, () => ({ op: 'copy', from: '/a', path: '/a/-' })))

const REQUESTS: [what: string, run: () => Promise<unknown>][] = [
  ['a bomb of numbers at _session', () => post('/_session', bomb('0,'), { 'content-encoding': 'gzip' })],
  ['a bomb of objects at _session', () => post('/_session', bomb('{},'), { 'content-encoding': 'gzip' })],
  [
    '600 wrong passwords of clients that go',
    () => Promise.all(Array.from({ length: 600 }, (_, i) => wrongPassword(i))),
  ],
  [
    'a regular expression that explodes',
    () => post('/db/_changes?filter=_selector', selector('^(a+)+$'), { authorization }),
  ],
  [
    'a selector over a document of two million levels',
    () =>
      post('/db/_changes?filter=_selector', '{"selector":{"deep":{"$elemMatch":{"x":1}}}}', {
        authorization,
      }),
  ],
  [
    'a patch that doubles 18 times',
    () => admin.send('PATCH', '/db/patched', doubling, 'application/json-patch+json'),
  ],
  [
    '200 requests that are closed before their body',
    () =>
      Promise.all(
        Array.from({ length: 200 }, (_, i) => abandonedHead(i % 2 ? 'PUT /db/x' : 'POST /db/_all_docs')),
      ),
  ],
  ['14,000 attachments, inline', () => admin.send('PUT', '/db/many', { _attachments: inline })],
  [
    '14,000 attachments as stubs',
    async () => {
      const { _rev } = await admin.json<{ _rev: string }>('GET', '/db/many')
      return admin.send('PUT', '/db/many', { _rev, _attachments: stubs })
    },
  ],
  ['14,000 attachments, all read', () => admin.send('GET', '/db/many?attachments=true')],
  [
    '20,000 leaves of one document',
    () => admin.send('POST', '/db/_bulk_docs', { new_edits: false, docs: leaves }),
  ],
  ['a _revs_diff of 100,000', () => admin.send('POST', '/db/_revs_diff', unknown)],
]

t.test('another client is served meanwhile', { timeout: 600_000 }, async (t) => {
  await fill()
  const before = (await processMemory(server)).residentBytes
  for (const [what, run] of REQUESTS) {
    const { tookMs, longestWaitMs, answers } = await besideHostile(port, run)
    await sleep(REST_MS)
    const { residentBytes } = await processMemory(server)
    const kept = Math.round((residentBytes - before) / MEBIBYTE)
    t.comment(
      `${what}: ${Math.round(tookMs)} ms, waited ${Math.round(longestWaitMs)} ms at most, ${kept} MB more`,
    )
    t.ok(longestWaitMs < MOST_WAIT_MS, `${what}: another client waited ${Math.round(longestWaitMs)} ms`)
    t.ok(answers > 0)
  }
  const { residentBytes } = await processMemory(server)
  t.ok(
    residentBytes - before < MOST_KEPT_BYTES,
    `${Math.round((residentBytes - before) / MEBIBYTE)} MB were kept`,
  )
  t.equal((await admin.send('GET', '/db')).status, 200)
})
