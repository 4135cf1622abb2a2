/** Databases that are replicated, over real sockets: requests, whole trees to compare, and a proxy that fails on purpose. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Reply {
  status: number
  body: Record<string, unknown>
}

/** `url` has credentials. */
export async function call(url: string, method: string, path: string, body?: unknown): Promise<Reply> {
  const at = new URL(url)
  const authorization = `Basic ${Buffer.from(`${at.username}:${at.password}`).toString('base64')}`
  const answer = await fetch(`${at.origin}${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

/** Every leaf of every document with its path, its body and what its attachments are, in one digest. */
export async function treesDigest(url: string, database: string): Promise<string> {
  const leaves = await allLeaves(url, database)
  return createHash('sha256').update(JSON.stringify(leaves)).digest('hex')
}

export async function allLeaves(url: string, database: string): Promise<[string, unknown][]> {
  const { body } = await call(url, 'GET', `/${database}/_changes?style=all_docs`)
  const rows = body['results'] as { id: string; changes: { rev: string }[] }[]
  const wanted = rows.flatMap(({ id, changes }) => changes.map(({ rev }) => ({ id, rev })))
  const found = await call(url, 'POST', `/${database}/_bulk_get?revs=true&att_encoding_info=true`, {
    docs: wanted,
  })
  const results = found.body['results'] as { id: string; docs: { ok?: Record<string, unknown> }[] }[]
  const leaves = results.flatMap(({ id, docs }) =>
    docs.map((doc): [string, unknown] => [`${id} ${String(doc.ok?.['_rev'])}`, sorted(doc)]),
  )
  return leaves.sort(([a], [b]) => (a < b ? -1 : 1))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, each]) => [name, sorted(each)]),
  )
}

/** What a proxy does to a request. */
export type Fault =
  | 'none'
  | 'drop'
  | 'cut'
  | 'truncated'
  | 'twice'
  | 'delay'
  | { status: number; retryAfter?: string }

/** One of each kind; none of them lets anybody wait for long. */
export const FAULTS: readonly Fault[] = [
  'drop',
  'cut',
  'truncated',
  'twice',
  'delay',
  { status: 500 },
  { status: 503, retryAfter: '0' },
  { status: 429, retryAfter: '0' },
]

export interface FaultyProxy {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Ids and revisions of documents that reached the server behind it, as often as they did. */
  readonly sent: string[]
  readonly requests: { method: string; path: string; fault: Fault }[]
  stop(): Promise<void>
}

const DELAY_MS = 30

/** In front of `port`, which may change; `faultOf` says what happens to each request. */
export async function startFaultyProxy(
  port: number | (() => number),
  faultOf: (method: string, path: string) => Fault,
): Promise<FaultyProxy> {
  const sent: string[] = []
  const requests: FaultyProxy['requests'] = []
  const server = createServer((incoming, answer) => {
    const { method = 'GET', url = '/' } = incoming
    const fault = faultOf(method, url)
    requests.push({ method, path: url, fault })
    incoming.on('error', () => undefined)
    answer.on('error', () => undefined)
    if (fault === 'drop') {
      incoming.socket.destroy()
      return
    }
    if (typeof fault === 'object') {
      incoming.resume()
      if (fault.retryAfter !== undefined) answer.setHeader('retry-after', fault.retryAfter)
      answer.writeHead(fault.status, { 'content-type': 'application/json' })
      answer.end('{"error":"made_up","reason":"on purpose"}')
      return
    }
    void forward(incoming, answer, typeof port === 'number' ? port : port(), fault, sent)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    requests,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function forward(
  incoming: IncomingMessage,
  answer: ServerResponse,
  port: number,
  fault: Fault,
  sent: string[],
): Promise<void> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
  } catch {
    return
  }
  const body = Buffer.concat(chunks)
  note(incoming, body, sent)
  if (fault === 'delay') await new Promise((resolve) => setTimeout(resolve, DELAY_MS))
  const ask = (): Promise<{ head: IncomingMessage; bytes: Buffer }> =>
    new Promise((resolve, reject) => {
      const { method, url, headers } = incoming
      const outgoing = request({ host: '127.0.0.1', port, method, path: url, headers }, (head) => {
        const received: Buffer[] = []
        head.on('data', (chunk: Buffer) => received.push(chunk))
        head.on('end', () => resolve({ head, bytes: Buffer.concat(received) }))
        head.on('error', reject)
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  try {
    if (fault === 'twice') await ask()
    const { head, bytes } = await ask()
    const {
      'transfer-encoding': _coding,
      'content-length': _length,
      connection: _connection,
      ...headers
    } = head.headers
    // What is cut is said to be whole; what is truncated ends where its length says.
    const length = fault === 'truncated' ? Math.floor(bytes.length / 2) : bytes.length
    answer.writeHead(head.statusCode ?? 500, { ...headers, 'content-length': length })
    if (fault === 'cut') {
      answer.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => answer.socket?.destroy())
      return
    }
    answer.end(bytes.subarray(0, length))
  } catch {
    answer.destroy()
  }
}

function note({ method, url = '' }: IncomingMessage, body: Buffer, sent: string[]): void {
  const [path = ''] = url.split('?', 1)
  if (method === 'POST' && path.endsWith('/_bulk_docs')) {
    const { docs } = JSON.parse(body.toString()) as { docs: { _id: string; _rev: string }[] }
    for (const { _id, _rev } of docs) sent.push(`${_id} ${_rev}`)
  } else if (method === 'PUT' && url.includes('new_edits=false')) {
    const rev = /"_rev":"([^"]+)"/.exec(body.toString('latin1'))?.[1]
    sent.push(`${decodeURIComponent(path.split('/').at(-1)!)} ${rev}`)
  }
}
