/**
 * Clients of a server that is being recorded. Every request has its number in the URL. On one database documents are
 * written, alone and in bulk, deleted, and given attachments; others are made, filled, deleted and made again.
 */

import { HttpClient } from '../../test/support/http-client.ts'
import type { Random } from '../../test/support/random.ts'
import { patternBytes } from '../../test/support/test-trees.ts'
import type { RecordedRequests } from './recorded-requests.ts'

const LASTING = 'lasting'
const CHANGING = ['changing', 'parts/one', 'parts/deep/two', 'other/three']
const WRITERS = 3

interface Row {
  id: string
  rev?: string
}

/** One client, which has documents of its own and goes on with them after a restart. */
class Writer {
  readonly #name: string
  readonly #requests: RecordedRequests
  readonly #random: Random
  readonly #revs = new Map<string, string>()
  #made = 0

  constructor(name: string, requests: RecordedRequests, random: Random) {
    this.#name = name
    this.#requests = requests
    this.#random = random
  }

  forget(): void {
    this.#revs.clear()
  }

  async write(client: HttpClient, database: string): Promise<void> {
    const random = this.#random
    if (random.bool(0.15)) return this.#attach(client, database)
    const number = this.#requests.nextNumber()
    const count = random.bool(0.3) ? random.between(2, 12) : 1
    const docs = new Map<string, Record<string, unknown>>()
    while (docs.size < count) {
      const id =
        this.#revs.size > 0 && random.bool(0.4)
          ? random.pick([...this.#revs.keys()])
          : `${this.#name}-${++this.#made}`
      const rev = this.#revs.get(id)
      const isDeletion = rev !== undefined && random.bool(0.2)
      const text = 'x'.repeat(random.pick([0, 10, random.int(3000)]))
      const body = isDeletion ? { n: number } : { n: number, text }
      if (docs.has(id)) continue
      docs.set(id, { _id: id, ...(rev === undefined ? {} : { _rev: rev }), _deleted: isDeletion, ...body })
      this.#requests.writes(database, id, {
        number,
        body: isDeletion ? undefined : JSON.stringify(body),
        attachment: undefined,
      })
    }
    const rows = await client.json<Row[]>('POST', `${pathOf(database)}/_bulk_docs?number=${number}`, {
      docs: [...docs.values()],
    })
    for (const { id, rev } of rows) {
      if (rev === undefined) throw new Error(`${id} was refused`)
      // What is deleted stays so.
      if (docs.get(id)!['_deleted'] === true) this.#revs.delete(id)
      else this.#revs.set(id, rev)
    }
  }

  /** A document with its attachment, inline: long ones go to the file in pieces before the commit. */
  async #attach(client: HttpClient, database: string): Promise<void> {
    const random = this.#random
    const number = this.#requests.nextNumber()
    const id = `${this.#name}-${++this.#made}`
    const bytes = patternBytes(random.next(), random.pick([10, 3000, random.int(200_000)]))
    const body = { n: number }
    this.#requests.writes(database, id, { number, body: JSON.stringify(body), attachment: bytes })
    const file = { content_type: 'application/octet-stream', data: bytes.toString('base64') }
    await client.json('PUT', `${pathOf(database)}/${id}?number=${number}`, {
      ...body,
      _attachments: { file },
    })
  }
}

function pathOf(database: string): string {
  return `/${encodeURIComponent(database)}`
}

export class RecordedLoad {
  readonly #requests: RecordedRequests
  readonly #random: Random
  readonly #writers: readonly Writer[]
  readonly #changing: Writer
  readonly #existing = new Set<string>()

  constructor(requests: RecordedRequests, random: Random) {
    this.#requests = requests
    this.#random = random
    this.#writers = Array.from(
      { length: WRITERS },
      (_, number) => new Writer(`w${number}`, requests, random.fork()),
    )
    this.#changing = new Writer('c', requests, random.fork())
  }

  /** Sends so many requests with each client, and waits for all answers. */
  async run(port: number, rounds: number): Promise<void> {
    const clients = Array.from({ length: WRITERS + 1 }, () => new HttpClient(port))
    try {
      if (!this.#existing.has(LASTING)) await this.#changeExistence(clients[0]!, LASTING)
      await Promise.all([
        ...this.#writers.map(async (writer, index) => {
          for (let i = 0; i < rounds; i++) await writer.write(clients[index]!, LASTING)
        }),
        this.#makeAndDelete(clients[WRITERS]!, rounds),
      ])
    } finally {
      for (const client of clients) client.close()
    }
  }

  async #changeExistence(client: HttpClient, name: string): Promise<void> {
    const number = this.#requests.nextNumber()
    const exists = this.#existing.has(name)
    this.#requests.changesExistence(name, number)
    await client.json(exists ? 'DELETE' : 'PUT', `${pathOf(name)}?number=${number}`)
    if (exists) this.#existing.delete(name)
    else this.#existing.add(name)
  }

  async #makeAndDelete(client: HttpClient, rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      const name = this.#random.pick(CHANGING)
      if (!this.#existing.has(name) || this.#random.bool(0.4)) await this.#changeExistence(client, name)
      else {
        // Its documents are new ones each time: those of an earlier database of the name may be deleted with it.
        this.#changing.forget()
        await this.#changing.write(client, name)
      }
    }
  }
}
