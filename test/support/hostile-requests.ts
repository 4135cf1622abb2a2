/**
 * Requests that cost a server far more than they cost their client: texts that unpack to a thousand times their length,
 * patterns that explode, floods of log-ins, documents of very many parts. Each is to be answered or refused while others
 * are served.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { HttpClient } from './http-client.ts'
import { ADMIN } from './server-process.ts'

export interface HostileRequest {
  readonly what: string
  /** Resolves with the status; 0 where nobody waits for an answer. */
  run(): Promise<number>
  /** What a sound server answers. */
  readonly status: number
}

const MEBIBYTE = 1024 * 1024
const UNPACKED_BYTES = 255 * MEBIBYTE
const JSON_TYPE = 'application/json'
const AUTHORIZATION = `Basic ${Buffer.from(ADMIN).toString('base64')}`
/** About as many as a document may have. */
const ATTACHMENTS = 7_500
const TOO_MANY_ATTACHMENTS = 50_000
const LEAVES = 20_000
/** As many as one document may be asked for, and too many. */
const REVISIONS = 65_000
const TOO_MANY_REVISIONS = 100_000
const FLOOD = 600
/** How long a client of the flood waits until it goes. */
const PATIENCE_MS = 1500

const hex = (n: number): string => String(n).padStart(32, '0')

/** One member of gzip behind the other unpacks to one text. */
function bomb(head: string, elements: string): Buffer {
  return Buffer.concat([gzipSync(head), gzipSync(Buffer.alloc(UNPACKED_BYTES, elements), { level: 9 })])
}

/** Fills the database `hostile` of a server, and makes the requests for it. All bodies are made here, none while they run. */
export async function hostileRequests(port: number): Promise<HostileRequest[]> {
  const admin = new HttpClient(port)
  await fill(admin)
  admin.close()
  const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `a${n}`)
  const inline = (count: number) => names(count).map((name) => [name, { content_type: 'x/y', data: '' }])
  const stub = {
    stub: true,
    content_type: 'x/y',
    revpos: 1,
    digest: 'md5-1B2M2Y8AsgTpgAmY7PhCfg==',
    length: 0,
  }
  const many = (attachments: unknown[], rest: object = {}): string =>
    JSON.stringify({ ...rest, _attachments: Object.fromEntries(attachments as [string, object][]) })
  const leaves = Array.from({ length: LEAVES }, (_, n) => ({
    _id: 'leaves',
    _rev: `2-${hex(n)}`,
    _revisions: { start: 2, ids: [hex(n), hex(0)] },
  }))
  const diff = (count: number): string =>
    JSON.stringify({ leaves: Array.from({ length: count }, (_, n) => `3-${hex(n)}`) })
  const doubling = JSON.stringify(
    Array.from({ length: 40 }, () => ({ op: 'copy', from: '/a', path: '/a/-' })),
  )
  const stubs = names(ATTACHMENTS).map((name) => [name, stub])
  const packed = { 'content-encoding': 'gzip' }
  const session = (head: string, elements: string) => post(port, '/_session', bomb(head, elements), packed)
  const asAdmin = { authorization: AUTHORIZATION }
  const database = (path: string, body: string | Buffer, headers = {}) =>
    post(port, `/hostile/${path}`, body, { ...asAdmin, ...headers })
  const selector = (text: string) => database('_changes?filter=_selector', text)
  const bulk = database('_bulk_docs', bomb('{"docs":[', '{},'), packed)
  const put = (body: string) => (): Promise<number> => send(port, 'PUT', '/hostile/many', body, asAdmin)
  return [
    { what: 'numbers that unpack to 255 MB, at _session', run: session('[', '0,'), status: 413 },
    { what: 'objects that unpack to 255 MB, at _session', run: session('[', '{},'), status: 413 },
    { what: 'documents that unpack to 255 MB, at _bulk_docs', run: bulk, status: 413 },
    { what: `${FLOOD} wrong passwords of clients that go`, run: () => flood(port), status: 0 },
    {
      what: 'a pattern that explodes',
      run: selector('{"selector":{"t":{"$regex":"^(a+)+$"}}}'),
      status: 200,
    },
    {
      what: 'a selector over a document of two million levels',
      run: selector('{"selector":{"deep":{"$elemMatch":{"x":1}}}}'),
      status: 200,
    },
    {
      what: 'a patch that doubles a document 40 times',
      run: () =>
        send(port, 'PATCH', '/hostile/patched', doubling, {
          ...asAdmin,
          'content-type': 'application/json-patch+json',
        }),
      status: 400,
    },
    {
      what: '200 requests that are closed before their bodies',
      run: () => closedEarly(port, 200),
      status: 0,
    },
    {
      what: `${TOO_MANY_ATTACHMENTS} attachments`,
      run: put(many(inline(TOO_MANY_ATTACHMENTS))),
      status: 413,
    },
    { what: `${ATTACHMENTS} attachments`, run: put(many(inline(ATTACHMENTS))), status: 201 },
    {
      what: `${ATTACHMENTS} attachments as stubs`,
      run: async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/hostile/_all_docs?key="many"`, {
          headers: asAdmin,
        })
        const { rows } = (await answer.json()) as { rows: { value: { rev: string } }[] }
        return put(many(stubs, { _rev: rows[0]!.value.rev }))()
      },
      status: 201,
    },
    {
      what: `${ATTACHMENTS} attachments, all read`,
      run: () => send(port, 'GET', '/hostile/many?attachments=true', undefined, asAdmin),
      status: 200,
    },
    {
      what: `${LEAVES} leaves of one document`,
      run: database('_bulk_docs', JSON.stringify({ new_edits: false, docs: leaves })),
      status: 201,
    },
    { what: `_revs_diff of ${REVISIONS}`, run: database('_revs_diff', diff(REVISIONS)), status: 200 },
    {
      what: `_revs_diff of ${TOO_MANY_REVISIONS}`,
      run: database('_revs_diff', diff(TOO_MANY_REVISIONS)),
      status: 413,
    },
  ]
}

async function fill(admin: HttpClient): Promise<void> {
  await admin.json('PUT', '/hostile')
  const docs = Array.from({ length: 200 }, (_, n) => ({ _id: `t${n}`, t: `${'a'.repeat(39)}!` }))
  await admin.json('POST', '/hostile/_bulk_docs', { docs })
  const levels = 2_000_000
  await admin.json('PUT', '/hostile/deep', `{"deep":${'['.repeat(levels)}${']'.repeat(levels)}}`)
  await admin.json('PUT', '/hostile/patched', { a: [1] })
}

/** Resolves with the status once the answer has come whole. */
async function send(
  port: number,
  method: string,
  path: string,
  body: string | Buffer | undefined,
  headers: Record<string, string>,
): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: { 'content-type': JSON_TYPE, ...headers },
  })
  if (answer.body !== null) for await (const _ of answer.body);
  return answer.status
}

function post(port: number, path: string, body: string | Buffer, headers: Record<string, string>) {
  return () => send(port, 'POST', path, body, headers)
}

/** Sends the head of a request, waits, and closes the connection. */
async function abandon(port: number, head: string, waitMs: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(head)
  await sleep(waitMs)
  socket.destroy()
}

async function flood(port: number): Promise<number> {
  const clients = Array.from({ length: FLOOD }, (_, n) => {
    // A name that nobody has costs a hash too, and is not locked for the address, which is others' as well.
    const wrong = Buffer.from(`nobody:wrong${n}`).toString('base64')
    const head = `GET /_all_dbs HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${wrong}\r\n\r\n`
    return abandon(port, head, PATIENCE_MS)
  })
  await Promise.all(clients)
  return 0
}

async function closedEarly(port: number, count: number): Promise<number> {
  const lines = ['PUT /hostile/x', 'POST /hostile/_all_docs', 'POST /hostile/_changes']
  const clients = Array.from({ length: count }, (_, n) => {
    const line = `${lines[n % lines.length]} HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTHORIZATION}\r\n`
    return abandon(port, `${line}Content-Type: ${JSON_TYPE}\r\nContent-Length: 1000\r\n\r\n`, 1)
  })
  await Promise.all(clients)
  return 0
}
