/**
 * A request whose client closed before its body came was waited for without end, when its database had to be opened
 * first: a request that is closed already never says so again. The lease of its database was never given back, and
 * after as many of them as databases may be open, no other could be opened. Here every kind of request is closed at
 * every stage; then no lease, no snapshot and no descriptor may be left.
 */
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { Store } from '../../native-free-btree/index.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const stores = new Set<Store>()
const server = await startTestServer({
  // Fewer than there are databases, so that most requests must wait for theirs to be opened.
  config: { DAVENPORT_COUCHDB__MAX_DBS_OPEN: '3' },
  limits: { feedTimeoutMs: 60_000 },
  onStore: (store) => stores.add(store),
})
t.teardown(() => server.stop())

/** Leases that are held. */
let leases = 0
const registry = server.server.databases
const { lease, leaseOpen } = registry
const counted = <T extends { release(): void }>(given: T): T => {
  leases += 1
  const { release } = given
  let held = true
  given.release = () => {
    if (held) leases -= 1
    held = false
    release.call(given)
  }
  return given
}
registry.lease = async (name) => counted(await lease.call(registry, name))
registry.leaseOpen = (name) => {
  const given = leaseOpen.call(registry, name)
  return given && counted(given)
}

const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length

/** Snapshots that are open. Stores that were closed have none. */
function snapshots(): number {
  let open = 0
  for (const store of stores) {
    try {
      open += store.stats().openSnapshots
    } catch {
      stores.delete(store)
    }
  }
  return open
}

interface Kind {
  line: string
  body?: string
  type?: string
}

const DATABASES = ['a', 'b', 'c', 'd', 'e']
const MULTIPART =
  '--x\r\nContent-Type: application/json\r\n\r\n' +
  '{"_attachments":{"f":{"follows":true,"length":9,"content_type":"x/y"}}}\r\n--x\r\n\r\n123456789\r\n--x--'
const FORM =
  '--x\r\nContent-Disposition: form-data; name="_doc"\r\n\r\n{}\r\n' +
  '--x\r\nContent-Disposition: form-data; name="_attachments"; filename="f"\r\n\r\n123456789\r\n--x--'
const FEED = 'since=now&heartbeat=60000'

/** `DB` stands for a database. */
const KINDS: readonly Kind[] = [
  { line: 'GET /DB' },
  { line: 'GET /DB/doc' },
  { line: 'GET /DB/doc?attachments=true' },
  { line: 'GET /DB/doc/file' },
  { line: 'HEAD /DB/doc/file' },
  { line: 'GET /DB/_all_docs?include_docs=true' },
  { line: 'GET /DB/_changes?include_docs=true' },
  { line: `GET /DB/_changes?feed=longpoll&${FEED}` },
  { line: `GET /DB/_changes?feed=continuous&${FEED}` },
  { line: `GET /DB/_changes?feed=eventsource&${FEED}` },
  { line: `POST /DB/_changes?feed=continuous&filter=_doc_ids&${FEED}`, body: '{"doc_ids":["doc"]}' },
  { line: 'POST /DB/_changes?include_docs=true', body: '{}' },
  { line: 'GET /_db_updates?feed=continuous&heartbeat=60000' },
  { line: 'GET /_backup/DB' },
  { line: 'GET /_dbs_info' },
  { line: 'POST /_dbs_info', body: '{"keys":["a","b"]}' },
  { line: 'POST /_session', body: '{"name":"admin","password":"secret"}' },
  { line: 'POST /_replicate', body: '{"source":"a"}' },
  { line: 'PUT /DB/new', body: '{"a":1}' },
  { line: 'PUT /DB/new?batch=ok', body: '{"a":1}' },
  { line: 'PUT /DB/parts', body: MULTIPART, type: 'multipart/related; boundary=x' },
  { line: 'POST /DB/form', body: FORM, type: 'multipart/form-data; boundary=x' },
  { line: 'PUT /DB/att/file', body: 'x'.repeat(1000), type: 'text/plain' },
  { line: 'PATCH /DB/doc', body: '{"b":2}', type: 'application/merge-patch+json' },
  { line: 'PUT /DB/_local/one', body: '{"a":1}' },
  { line: 'POST /DB', body: '{"a":1}' },
  { line: 'POST /DB/_bulk_docs', body: '{"docs":[{"a":1},{"b":2}]}' },
  { line: 'POST /DB/_bulk_get', body: '{"docs":[{"id":"doc"}]}' },
  { line: 'POST /DB/_all_docs?include_docs=true', body: '{"keys":["doc"]}' },
  { line: 'POST /DB/_all_docs/queries', body: '{"queries":[{"include_docs":true},{"limit":3}]}' },
  { line: 'POST /DB/_design_docs', body: '{"limit":3}' },
  { line: 'POST /DB/_local_docs', body: '{"limit":3}' },
  { line: 'POST /DB/_revs_diff', body: '{"doc":["1-a"]}' },
  { line: 'POST /DB/_missing_revs', body: '{"doc":["1-a"]}' },
  { line: 'POST /DB/_purge', body: '{"none":["1-a"]}' },
  { line: 'PUT /DB/_security', body: '{"admins":{}}' },
  { line: 'PUT /DB/_revs_limit', body: '1000' },
  { line: 'PUT /DB/_purged_infos_limit', body: '1000' },
  { line: 'POST /DB/_ensure_full_commit', body: '{}' },
  { line: 'DELETE /DB/none' },
]

const half = (body: Buffer): Buffer => body.subarray(0, body.length >> 1)
const sized = (body: Buffer): string => `Content-Length: ${body.length}\r\n`
const CHUNKED = 'Transfer-Encoding: chunked\r\n'

/** What is sent of a request: more headers, and what follows them. */
const STAGES: Readonly<Record<string, (body: Buffer) => [headers: string, sent: Buffer]>> = {
  'after the head': (body) => [sized(body), Buffer.alloc(0)],
  'within the body': (body) => [sized(body), half(body)],
  'before the first chunk': () => [CHUNKED, Buffer.from('10')],
  'within a chunk': (body) => [
    CHUNKED,
    Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), half(body)]),
  ],
  'before the last chunk': (body) => [
    CHUNKED,
    Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]),
  ],
  'within gzip': (body) => {
    const packed = gzipSync(body)
    return [`Content-Encoding: gzip\r\n${sized(packed)}`, half(packed)]
  },
  'after the body': (body) => [sized(body), body],
}

const ENDS: Readonly<Record<string, (socket: Socket) => unknown>> = {
  closed: (socket) => socket.destroy(),
  ended: (socket) => socket.end(),
  reset: (socket) => socket.resetAndDestroy(),
}

let requests = 0

function headOf({ line, type }: Kind, headers: string): string {
  requests += 1
  const target = line.replace('DB', DATABASES[requests % DATABASES.length]!)
  return (
    `${target} HTTP/1.1\r\nHost: x\r\nReferer: http://x/\r\nAuthorization: ${server.authorization}\r\n` +
    `Content-Type: ${type ?? 'application/json'}\r\n${headers}\r\n`
  )
}

async function connected(): Promise<Socket> {
  const socket = connect(server.http.port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** A feed of a client that only ended its side goes on: it is cut off. */
async function over(socket: Socket): Promise<void> {
  const timer = setTimeout(() => socket.destroy(), 20)
  socket.resume()
  if (!socket.closed) await once(socket, 'close').catch(() => undefined)
  clearTimeout(timer)
}

async function closeAt(kind: Kind, headers: string, sent: Buffer, end: string): Promise<void> {
  const socket = await connected()
  const bytes = Buffer.concat([Buffer.from(headOf(kind, headers)), sent])
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
  ENDS[end]!(socket)
  await over(socket)
}

async function closeInAnswer(kind: Kind, end: string): Promise<void> {
  const socket = await connected()
  const body = Buffer.from(kind.body ?? '')
  socket.write(Buffer.concat([Buffer.from(headOf(kind, sized(body))), body]))
  await Promise.race([once(socket, 'data'), once(socket, 'close')])
  ENDS[end]!(socket)
  await over(socket)
}

async function settled(t: Test, what: string): Promise<void> {
  await until(`no leases ${what}`, () => leases === 0)
  await until(`no snapshots ${what}`, () => snapshots() === 0)
  t.pass(what)
}

t.test('closed requests leave nothing behind', async (t) => {
  await ask(server, 'GET /_up')
  const before = await descriptors()
  const docs = Array.from({ length: 300 }, (_, i) => ({ _id: `d${i}`, text: 'x'.repeat(4000) }))
  const file = { content_type: 'x/y', data: Buffer.alloc(1_000_000, 7).toString('base64') }
  for (const name of DATABASES) {
    await ask(server, `PUT /${name}`)
    await ask(server, `PUT /${name}/doc`, { json: { _attachments: { file } } })
    await ask(server, `POST /${name}/_bulk_docs`, { json: { docs } })
  }
  for (const [stage, make] of Object.entries(STAGES)) {
    for (const end of Object.keys(ENDS)) {
      const all = KINDS.filter(({ body }) => body !== undefined || stage.startsWith('after'))
      await Promise.all(all.map((kind) => closeAt(kind, ...make(Buffer.from(kind.body ?? '')), end)))
      await settled(t, `${end} ${stage}`)
    }
  }
  for (const end of Object.keys(ENDS)) {
    await Promise.all(KINDS.map((kind) => closeInAnswer(kind, end)))
    await settled(t, `${end} within the answer`)
  }
  for (const name of DATABASES) t.equal((await ask(server, `DELETE /${name}`)).status, 200)
  await until('as many descriptors as before', async () => (await descriptors()) <= before)
  t.notMatch(server.lines.join('\n'), /request failed|broken off/)
})
