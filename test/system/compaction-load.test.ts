/**
 * Ten compactions in a row, in the real workers, while eight clients write, eight read and one follows the
 * continuous feed: no answer may be wrong, and at the end everything is as the writers were told.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache } from '../../native-free-btree/index.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

t.setTimeout(240_000)

const WRITERS = 8
const READERS = 8
const COMPACTIONS = 10
const DOCUMENTS = 40

/** What a writer was told last of a document that is its own. */
interface Known {
  rev: string
  deleted: boolean
  number: number
  attachment: string | undefined
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')
const generation = (rev: string): number => Number.parseInt(rev, 10)

class Load {
  readonly #server: TestServer
  readonly known = new Map<string, Known>()
  readonly wrong: string[] = []
  running = true
  writes = 0
  reads = 0

  constructor(server: TestServer) {
    this.#server = server
  }

  async request(method: string, path: string, body?: string | Uint8Array, type = 'application/json') {
    return fetch(`${this.#server.http.url}/a/${path}`, {
      method,
      headers: { authorization: this.#server.authorization, 'content-type': type },
      ...(body === undefined ? {} : { body }),
    })
  }

  async write(writer: number, random: Random): Promise<void> {
    while (this.running) {
      const id = `w${writer}-${random.int(DOCUMENTS)}`
      const before = this.known.get(id)
      const rev = before === undefined || before.deleted ? '' : `?rev=${before.rev}`
      const number = (before?.number ?? 0) + 1
      const kind = random.int(10)
      let response: Response
      let next: Omit<Known, 'rev'>
      if (kind === 0 && rev !== '') {
        response = await this.request('DELETE', `${id}${rev}`)
        next = { deleted: true, number, attachment: undefined }
      } else if (kind === 1 && rev !== '') {
        const bytes = random.bytes(random.pick([10, 1000, 70_000, 300_000]))
        response = await this.request('PUT', `${id}/x${rev}`, bytes, 'image/png')
        next = { deleted: false, number: before!.number, attachment: md5(bytes) }
      } else {
        const stub = rev !== '' && before?.attachment !== undefined && random.bool()
        const _attachments = stub ? { x: { stub: true } } : undefined
        const text = JSON.stringify({ number, text: 'x'.repeat(random.int(2000)), _attachments })
        response = await this.request('PUT', `${id}${rev}`, text)
        next = { deleted: false, number, attachment: stub ? before?.attachment : undefined }
      }
      const answer = (await response.json()) as { rev: string }
      if (response.status > 202) this.wrong.push(`${id}: ${response.status} ${JSON.stringify(answer)}`)
      else this.known.set(id, { ...next, rev: answer.rev })
      this.writes += 1
    }
  }

  async read(random: Random): Promise<void> {
    while (this.running) {
      const ids = [...this.known.keys()]
      if (ids.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        continue
      }
      const id = random.pick(ids)
      const before = this.known.get(id)!
      const response = await this.request('GET', id)
      const body = (await response.json()) as { _rev: string; number: number; _attachments?: object }
      this.reads += 1
      if (response.status === 404) {
        const after = this.known.get(id)!
        // A deletion that is not answered yet may have happened.
        if (!before.deleted && after.rev === before.rev) await this.#mustComeBack(id, before)
        continue
      }
      if (response.status !== 200) this.wrong.push(`GET ${id}: ${response.status} ${JSON.stringify(body)}`)
      else if (generation(body._rev) < generation(before.rev))
        this.wrong.push(`${id} went back to ${body._rev}`)
      else if (body._rev === before.rev && body.number !== before.number)
        this.wrong.push(`${id} is ${body.number}`)
      if (body._attachments !== undefined) await this.#readAttachment(id)
    }
  }

  /** The writer's next answer tells that it had deleted the document, or wrote it since. */
  async #mustComeBack(id: string, before: Known): Promise<void> {
    while (this.running && this.known.get(id)!.rev === before.rev) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #readAttachment(id: string): Promise<void> {
    const response = await this.request('GET', `${id}/x`)
    const bytes = new Uint8Array(await response.arrayBuffer())
    const etag = response.headers.get('etag')
    if (response.status === 200 && etag !== `"${md5(bytes)}"`) this.wrong.push(`${id}/x is not ${etag}`)
    else if (response.status !== 200 && response.status !== 404)
      this.wrong.push(`${id}/x: ${response.status}`)
  }
}

/** Rows of the continuous feed until `last` comes. */
async function follow(load: Load, last: string): Promise<{ id: string; seq: number; rev: string }[]> {
  const response = await load.request('GET', '_changes?feed=continuous&heartbeat=1000')
  const rows: { id: string; seq: number; rev: string }[] = []
  let text = ''
  for await (const chunk of response.body!) {
    text += Buffer.from(chunk).toString()
    const lines = text.split('\n')
    text = lines.pop()!
    for (const line of lines.filter((each) => each !== '')) {
      const { id, seq, changes } = JSON.parse(line) as { id: string; seq: string; changes: { rev: string }[] }
      rows.push({ id, seq: Number.parseInt(seq, 10), rev: changes[0]!.rev })
      if (id === last) return rows
    }
  }
  throw new Error('the feed ended')
}

t.test('ten compactions under mixed load', async (t) => {
  const random = new Random(propertySeed(t))
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await server.server.databases.create('a')
  const load = new Load(server)
  const feed = follow(load, 'sentinel')
  const clients = [
    ...Array.from({ length: WRITERS }, (_, writer) => load.write(writer, random.fork())),
    ...Array.from({ length: READERS }, () => load.read(random.fork())),
  ]
  await new Promise((resolve) => setTimeout(resolve, 300))
  for (let i = 0; i < COMPACTIONS; i++) {
    await server.server.compactions.start('a')
    await server.server.compactions.ended('a')
  }
  load.running = false
  await Promise.all(clients)
  const outcomes = server.server.tasks.history().map(({ status, error }) => error ?? status)
  t.same(
    outcomes,
    Array.from({ length: COMPACTIONS }, () => 'completed'),
  )
  t.same(load.wrong, [])
  t.comment(`${load.writes} writes, ${load.reads} reads`)
  await load.request('PUT', 'sentinel', '{}')
  const rows = await feed
  for (const [i, { seq }] of rows.entries())
    if (i > 0 && seq <= rows[i - 1]!.seq) t.fail(`${seq} came too late`)
  const lastSeen = new Map(rows.map(({ id, rev }) => [id, rev]))
  const changes = (await (await load.request('GET', '_changes')).json()) as {
    results: { id: string; changes: { rev: string }[]; deleted?: boolean }[]
  }
  const listed = new Map(changes.results.map((row) => [row.id, row]))
  t.same(
    changes.results.map(({ id }) => id),
    [...lastSeenOrder(rows)],
    'the order of changes is that of the feed',
  )
  for (const [id, { rev, deleted, number, attachment }] of load.known) {
    if (lastSeen.get(id) !== rev) t.fail(`the feed shows ${id} as ${lastSeen.get(id)}, not ${rev}`)
    const row = listed.get(id)
    if (row?.changes[0]?.rev !== rev || (row.deleted === true) !== deleted) t.fail(`${id} in _changes`)
    if (deleted) continue
    const body = (await (await load.request('GET', id)).json()) as { _rev: string; number: number }
    if (body._rev !== rev || body.number !== number) t.fail(`${id} is ${JSON.stringify(body)}`)
    if (attachment === undefined) continue
    const bytes = new Uint8Array(await (await load.request('GET', `${id}/x`)).arrayBuffer())
    if (md5(bytes) !== attachment) t.fail(`${id}/x`)
  }
  await server.server.databases.stop(0)
  const path = join(server.folder, 'databases', 'a.davenport')
  const store = await openStore(path, { readOnly: true, trees: TREE_OPTIONS, cache: new PageCache(1e6) })
  t.same((await store.check()).problems, [])
  await store.close()
})

/** Ids by their last row. */
function lastSeenOrder(rows: readonly { id: string }[]): Set<string> {
  const order = new Set<string>()
  for (const { id } of rows) {
    order.delete(id)
    order.add(id)
  }
  return order
}
