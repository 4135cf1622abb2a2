/** Clients that write until their connection breaks. Each has documents of its own. */
import { HttpClient } from './http-client.ts'
import type { Random } from './random.ts'
import type { Write, WrittenDocuments } from './written-documents.ts'

const MOST_IN_BULK = 20
const MOST_TEXT = 3000

interface BulkRow {
  id: string
  rev?: string
  error?: string
}

export class WritingClient {
  readonly #name: string
  readonly #database: string
  readonly #documents: WrittenDocuments
  readonly #random: Random
  readonly #ids: string[] = []
  #writes = 0

  constructor(name: string, database: string, documents: WrittenDocuments, random: Random) {
    this.#name = name
    this.#database = database
    this.#documents = documents
    this.#random = random
  }

  /** Resolves when the connection breaks, rejects with an answer that is no acknowledgement. */
  async writeUntilCut(port: number): Promise<void> {
    const client = new HttpClient(port)
    try {
      for (;;) {
        const writes = this.#request()
        this.#documents.sent(writes)
        if (!(await this.#send(client, writes))) return
      }
    } finally {
      client.close()
    }
  }

  #request(): Write[] {
    const count = this.#random.bool(0.3) ? this.#random.between(2, MOST_IN_BULK) : 1
    const writes = new Map<string, Write>()
    while (writes.size < count) {
      const known = this.#ids.length > 0 && this.#random.bool(0.5) ? this.#random.pick(this.#ids) : undefined
      const id = known ?? `${this.#name}-${this.#ids.length}`
      const state = this.#documents.state(id)
      if (known === undefined) this.#ids.push(id)
      const deleted = state !== undefined && !state.deleted && this.#random.bool(0.2)
      this.#writes += 1
      const text = 'x'.repeat(this.#random.int(MOST_TEXT))
      writes.set(id, this.#documents.write(id, { by: this.#name, number: this.#writes, text }, deleted))
    }
    return [...writes.values()]
  }

  async #send(client: HttpClient, writes: readonly Write[]): Promise<boolean> {
    const [first] = writes
    const single = writes.length === 1
    const path = single
      ? `/${this.#database}/${encodeURIComponent(first!.id)}`
      : `/${this.#database}/_bulk_docs`
    const body = single ? first!.document : { docs: writes.map(({ document }) => document) }
    const reply = await client.send(single ? 'PUT' : 'POST', path, body).catch(() => undefined)
    if (reply === undefined) return false
    if (reply.status >= 300) throw new Error(`${path}: ${reply.status} ${reply.text}`)
    const answer = JSON.parse(reply.text) as BulkRow | BulkRow[]
    for (const row of Array.isArray(answer) ? answer : [answer]) {
      if (row.rev === undefined) throw new Error(`${path}: ${JSON.stringify(row)}`)
      this.#documents.acknowledge(row.id, row.rev)
    }
    return true
  }
}

/** Creates and deletes databases, and knows which there must be. */
export class DatabaseMaker {
  readonly #random: Random
  readonly #known = new Map<string, boolean>()
  #doubt: string | undefined
  #made = 0

  constructor(random: Random) {
    this.#random = random
  }

  async makeUntilCut(port: number): Promise<void> {
    const client = new HttpClient(port)
    try {
      for (;;) {
        const there = [...this.#known].filter(([, exists]) => exists).map(([name]) => name)
        const deletes = there.length > 5 && this.#random.bool()
        const name = deletes ? this.#random.pick(there) : `made/${++this.#made}`
        this.#doubt = name
        const path = `/${encodeURIComponent(name)}`
        const reply = await client.send(deletes ? 'DELETE' : 'PUT', path).catch(() => undefined)
        if (reply === undefined) return
        if (reply.status >= 300) throw new Error(`${path}: ${reply.status} ${reply.text}`)
        this.#known.set(name, !deletes)
      }
    } finally {
      client.close()
    }
  }

  /** Returns what is wrong; the one in doubt is taken as it is found. */
  async compare(client: HttpClient): Promise<string[]> {
    const names = new Set(await client.json<string[]>('GET', '/_all_dbs?start_key="made/"&end_key="made0"'))
    const problems: string[] = []
    if (this.#doubt !== undefined) this.#known.set(this.#doubt, names.has(this.#doubt))
    this.#doubt = undefined
    for (const [name, exists] of this.#known) {
      if (names.delete(name) !== exists) problems.push(`the database ${name} is ${exists ? 'gone' : 'back'}`)
      if (!exists) continue
      const info = await client.json<{ doc_count: number }>('GET', `/${encodeURIComponent(name)}`)
      if (info.doc_count !== 0) problems.push(`the database ${name} has ${info.doc_count} documents`)
    }
    for (const name of names) problems.push(`the database ${name} was never made`)
    return problems
  }
}
