/**
 * A client that gives documents of its own attachments and takes them away, one request at a time, until its
 * connection breaks, and knows what a server that loses nothing shows afterwards: each document as its last
 * acknowledged request left it, or as the one unacknowledged request after that would have, with every byte.
 */
import { createHash } from 'node:crypto'
import { HttpClient } from './http-client.ts'
import type { Random } from './random.ts'
import { patternBytes } from './test-trees.ts'

const NAMES = ['one', 'two', 'three']
/** The first is packed by the server, the second is not. */
const TYPES = ['text/plain', 'application/octet-stream']

/** Bytes as the pattern that makes them. */
interface Content {
  readonly seed: number
  readonly length: number
  readonly type: string
}

interface State {
  readonly generation: number
  /** Undefined where no answer named it. */
  readonly rev: string | undefined
  readonly attachments: ReadonlyMap<string, Content>
}

interface Stub {
  content_type: string
  length: number
  stub: boolean
}

interface Members {
  _rev: string
  _attachments?: Record<string, Stub>
}

const NOTHING: State = { generation: 0, rev: undefined, attachments: new Map() }

function bytesOf({ seed, length }: Content): Buffer {
  return patternBytes(seed, length)
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64')
}

export class AttachingClient {
  readonly #database: string
  readonly #random: Random
  readonly #documents = new Map<string, State>()
  #doubt: { id: string; state: State } | undefined
  #made = 0
  /** Requests that were acknowledged. */
  acknowledged = 0

  constructor(database: string, random: Random) {
    this.#database = database
    this.#random = random
  }

  /** Resolves when the connection breaks, rejects with an answer that is no acknowledgement. */
  async attachUntilCut(port: number): Promise<void> {
    const client = new HttpClient(port)
    try {
      for (;;) if (!(await this.#request(client))) return
    } finally {
      client.close()
    }
  }

  #content(): Content {
    const random = this.#random
    const length = random.pick([0, 9, random.int(3000), random.int(90_000), random.int(400_000)])
    return { seed: random.next(), length, type: random.pick(TYPES) }
  }

  async #request(client: HttpClient): Promise<boolean> {
    const random = this.#random
    const known = [...this.#documents.keys()]
    const id = known.length > 0 && random.bool(0.6) ? random.pick(known) : `attached-${++this.#made}`
    const before = this.#documents.get(id) ?? NOTHING
    const query = before.rev === undefined ? '' : `?rev=${before.rev}`
    const path = `/${this.#database}/${id}`
    const attachments = new Map(before.attachments)
    this.#doubt = { id, state: { generation: before.generation + 1, rev: undefined, attachments } }
    if (before.rev !== undefined && attachments.size > 0 && random.bool(0.2)) {
      const name = random.pick([...attachments.keys()])
      attachments.delete(name)
      return this.#send(client, 'DELETE', `${path}/${name}${query}`)
    }
    if (random.bool(0.6)) {
      const name = random.pick(NAMES)
      const content = this.#content()
      attachments.set(name, content)
      return this.#send(client, 'PUT', `${path}/${name}${query}`, bytesOf(content), content.type)
    }
    attachments.clear()
    for (const name of NAMES) if (random.bool(0.7)) attachments.set(name, this.#content())
    const inline = [...attachments].map(([name, content]) => [
      name,
      { content_type: content.type, data: bytesOf(content).toString('base64') },
    ])
    return this.#send(client, 'PUT', `${path}${query}`, { _attachments: Object.fromEntries(inline) })
  }

  async #send(client: HttpClient, method: string, path: string, body?: unknown, type?: string) {
    const reply = await client.send(method, path, body, type).catch(() => undefined)
    if (reply === undefined) return false
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`)
    const { id, state } = this.#doubt!
    this.#documents.set(id, { ...state, rev: (JSON.parse(reply.text) as { rev: string }).rev })
    this.#doubt = undefined
    this.acknowledged += 1
    return true
  }

  /** Reads all of it back and returns what is wrong. What was in doubt becomes what the server shows. */
  async compare(client: HttpClient): Promise<string[]> {
    const problems: string[] = []
    const doubt = this.#doubt
    this.#doubt = undefined
    if (doubt !== undefined && !this.#documents.has(doubt.id)) this.#documents.set(doubt.id, NOTHING)
    for (const [id, state] of this.#documents) {
      const path = `/${this.#database}/${id}`
      const { status, text } = await client.send('GET', path)
      const found = status === 200 ? (JSON.parse(text) as Members) : undefined
      const generation = found === undefined ? 0 : Number.parseInt(found._rev, 10)
      const isDoubted = doubt?.id === id && generation === doubt.state.generation
      const wanted = isDoubted ? { ...doubt.state, rev: found?._rev } : state
      if (generation !== wanted.generation || found?._rev !== wanted.rev) {
        problems.push(`${path} is ${found?._rev ?? status}, not ${wanted.rev}`)
        continue
      }
      if (found === undefined) this.#documents.delete(id)
      else this.#documents.set(id, wanted)
      await this.#compareContents(client, path, found?._attachments ?? {}, wanted, problems)
    }
    return problems
  }

  async #compareContents(
    client: HttpClient,
    path: string,
    stubs: Record<string, Stub>,
    { attachments }: State,
    problems: string[],
  ): Promise<void> {
    const names = Object.keys(stubs).sort()
    const wanted = [...attachments.keys()].sort()
    if (names.join() !== wanted.join()) problems.push(`${path} has ${names}, not ${wanted}`)
    for (const [name, content] of attachments) {
      const { status, bytes } = await client.bytes('GET', `${path}/${name}`)
      const stub = stubs[name]
      if (stub?.length !== content.length || stub.content_type !== content.type) {
        problems.push(`${path}/${name} is ${JSON.stringify(stub)}, not ${JSON.stringify(content)}`)
      }
      if (status !== 200 || md5(bytes) !== md5(bytesOf(content))) {
        problems.push(`${path}/${name}: ${status}, ${bytes.length} other bytes than ${content.length}`)
      }
    }
  }
}
