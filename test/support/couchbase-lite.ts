/**
 * A replica that speaks with a gateway as Couchbase Lite 1 does: pulls by WebSocket or by longpoll and `_bulk_get`, pushes by
 * `_revs_diff`, `_bulk_docs` and, where there are attachments, `multipart/related`, and keeps its place in `_local`.
 */
import { createHash, randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { boundaryOf, MultipartReader } from '../../src/documents/multipart-reader.ts'

export interface LiteDocument {
  /** Newest first. */
  history: string[]
  body: Record<string, unknown>
  attachments: Map<string, Buffer>
}

interface Row {
  seq: unknown
  id: string
  deleted?: boolean
  removed?: string[]
  changes: { rev: string }[]
}

interface PulledDocument {
  _id: string
  _rev: string
  _deleted?: boolean
  _removed?: boolean
  _revisions: { start: number; ids: string[] }
  _attachments?: Record<string, { data?: string; follows?: boolean; stub?: boolean }>
}

const CHANGES = { style: 'all_docs', heartbeat: 30_000 }

export class CouchbaseLite {
  readonly documents = new Map<string, LiteDocument>()
  /** All ids that were ever told. */
  readonly heardOf = new Set<string>()
  readonly #url: string
  readonly #authorization: string
  readonly #checkpoint: string
  readonly #dirty = new Set<string>()
  readonly #stop = new AbortController()
  #since: unknown = 0
  #checkpointRev: string | undefined
  #working: Promise<void> = Promise.resolve()

  /** `url` is the database's; `credentials` `name:password`; `checkpoint` names its place. */
  constructor(url: string, credentials: string, checkpoint: string) {
    this.#url = url
    this.#authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    this.#checkpoint = checkpoint
  }

  get since(): string {
    return String(this.#since)
  }

  /** A local edit. Undefined deletes. */
  edit(
    id: string,
    body: Record<string, unknown> | undefined,
    attachments: Record<string, Buffer> = {},
  ): void {
    const history = this.documents.get(id)?.history ?? []
    const rev = `${history.length + 1}-${randomBytes(16).toString('hex')}`
    this.documents.set(id, {
      history: [rev, ...history],
      body: body ?? { _deleted: true },
      attachments: new Map(Object.entries(attachments)),
    })
    this.#dirty.add(id)
  }

  /** Begins where it was. */
  async begin(): Promise<void> {
    const { status, json } = await this.#ask('GET', `/_local/${this.#checkpoint}`)
    if (status === 404) return
    this.#since = json.lastSequence
    this.#checkpointRev = json._rev
  }

  async #ask(method: string, path: string, body?: unknown, signal: AbortSignal | null = null) {
    const options = { signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await this.#send(method, path, options)
    const text = await answer.text()
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) }
  }

  #send(method: string, path: string, options: RequestInit) {
    const headers = { authorization: this.#authorization, 'content-type': 'application/json' }
    return fetch(this.#url + path, { method, ...options, headers: { ...headers, ...options.headers } })
  }

  /** Pulls until it is stopped. */
  follow(feed: 'websocket' | 'longpoll'): void {
    if (feed === 'websocket') this.#followBySocket()
    else this.#working = this.#followByLongpoll()
  }

  /** Takes in what has come, and no more. Rejects as the pull did. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#working
  }

  #followBySocket(): void {
    const socket = new WebSocket(`${this.#url.replace('http', 'ws')}/_changes?feed=websocket`, {
      headers: { authorization: this.#authorization },
    })
    this.#stop.signal.addEventListener('abort', () => socket.close())
    socket.on('open', () => socket.send(JSON.stringify({ ...CHANGES, since: this.#since })))
    socket.on('message', (data: Buffer) => {
      if (data.length === 0) return
      const rows = JSON.parse(data.toString()) as Row[]
      this.#working = this.#working.then(() => this.#take(rows))
    })
  }

  async #followByLongpoll(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const options = { ...CHANGES, feed: 'longpoll', since: String(this.#since) }
        const { json } = await this.#ask('POST', '/_changes', options, this.#stop.signal)
        await this.#take(json.results)
        this.#since = json.last_seq
      } catch (error) {
        if (!this.#stop.signal.aborted) throw error
      }
    }
  }

  async #take(rows: readonly Row[]): Promise<void> {
    if (rows.length === 0 || this.#stop.signal.aborted) return
    const docs: { id: string; rev: string; atts_since?: string[] }[] = []
    for (const { id, removed, changes } of rows) {
      if (id.startsWith('_user/')) continue
      this.heardOf.add(id)
      const known = this.documents.get(id)
      if (removed !== undefined) this.documents.delete(id)
      else
        for (const { rev } of changes) {
          if (known?.history.includes(rev)) continue
          docs.push({ id, rev, ...(known === undefined ? {} : { atts_since: known.history.slice(0, 1) }) })
        }
    }
    if (docs.length > 0) await this.#fetch(docs)
    this.#since = rows.at(-1)!.seq
    const place = { lastSequence: this.#since, _rev: this.#checkpointRev }
    const { status, json } = await this.#ask('PUT', `/_local/${this.#checkpoint}`, place)
    if (status !== 201) throw new Error(`no checkpoint: ${JSON.stringify(json)}`)
    this.#checkpointRev = json.rev
  }

  async #fetch(docs: readonly object[]): Promise<void> {
    const answer = await this.#send('POST', '/_bulk_get?revs=true&attachments=true', {
      body: JSON.stringify({ docs }),
      headers: { accept: 'multipart/mixed' },
    })
    for (const part of await partsOf(
      answer.headers.get('content-type')!,
      Buffer.from(await answer.arrayBuffer()),
    )) {
      const isNested = part.type.startsWith('multipart/related')
      const [first, ...following] = isNested ? await partsOf(part.type, part.body) : [part]
      if (first!.type.includes('error=')) throw new Error(first!.body.toString())
      this.#put(JSON.parse(first!.body.toString()), new Map(following.map(({ name, body }) => [name, body])))
    }
  }

  #put(document: PulledDocument, following: ReadonlyMap<string, Buffer>): void {
    const { _id: id, _rev, _revisions, _attachments = {}, _removed, ...body } = document
    if (_removed) return
    const known = this.documents.get(id)
    const attachments = new Map<string, Buffer>()
    for (const [name, { data, follows }] of Object.entries(_attachments)) {
      const bytes = data === undefined ? (follows ? following : known?.attachments)?.get(name) : undefined
      attachments.set(name, data === undefined ? bytes! : Buffer.from(data, 'base64'))
    }
    const history = _revisions.ids.map((each, at) => `${_revisions.start - at}-${each}`)
    this.documents.set(id, { history, body, attachments })
  }

  /** Resolves with what was refused, by the id. */
  async push(): Promise<Map<string, number>> {
    const ids = [...this.#dirty]
    this.#dirty.clear()
    const asked = Object.fromEntries(ids.map((id) => [id, [this.documents.get(id)!.history[0]]]))
    const { json: missing } = await this.#ask('POST', '/_revs_diff', asked)
    const refused = new Map<string, number>()
    const inBulk: object[] = []
    for (const id of ids.filter((each) => missing[each] !== undefined)) {
      const { attachments } = this.documents.get(id)!
      if (attachments.size === 0) inBulk.push(this.#sent(id))
      else {
        const status = await this.#pushInParts(id)
        if (status !== 201) refused.set(id, status)
      }
    }
    const { json: rows } = await this.#ask('POST', '/_bulk_docs', { new_edits: false, docs: inBulk })
    for (const { id, status } of rows) if (status !== undefined) refused.set(id, status)
    return refused
  }

  #sent(id: string): Record<string, unknown> {
    const { history, body } = this.documents.get(id)!
    const ids = history.map((rev) => rev.split('-')[1])
    return { ...body, _id: id, _rev: history[0], _revisions: { start: history.length, ids } }
  }

  async #pushInParts(id: string): Promise<number> {
    const { attachments } = this.documents.get(id)!
    const told = [...attachments].map(([name, bytes]) => [
      name,
      {
        follows: true,
        content_type: 'application/octet-stream',
        length: bytes.length,
        digest: `sha1-${createHash('sha1').update(bytes).digest('base64')}`,
      },
    ])
    const document = JSON.stringify({ ...this.#sent(id), _attachments: Object.fromEntries(told) })
    const boundary = randomBytes(12).toString('hex')
    const pieces: (string | Buffer)[] = [
      `--${boundary}\r\nContent-Type: application/json\r\n\r\n${document}\r\n`,
      ...[...attachments.values()].flatMap((bytes) => [`--${boundary}\r\n\r\n`, bytes, '\r\n']),
      `--${boundary}--`,
    ]
    const answer = await this.#send('PUT', `/${encodeURIComponent(id)}?new_edits=false`, {
      body: Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))),
      headers: { 'content-type': `multipart/related; boundary="${boundary}"` },
    })
    await answer.arrayBuffer()
    return answer.status
  }
}

async function partsOf(type: string, body: Buffer): Promise<{ type: string; name: string; body: Buffer }[]> {
  async function* source(): AsyncGenerator<Buffer> {
    yield body
  }
  const reader = new MultipartReader(source(), boundaryOf(type))
  const parts = []
  for (let part = await reader.nextPart(); part !== undefined; part = await reader.nextPart()) {
    const chunks: Buffer[] = []
    for await (const chunk of part.body) chunks.push(chunk)
    const name = /filename="(.*)"/.exec(part.headers.get('content-disposition') ?? '')?.[1] ?? ''
    parts.push({ type: part.headers.get('content-type') ?? '', name, body: Buffer.concat(chunks) })
  }
  return parts
}
