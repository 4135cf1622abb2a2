/**
 * What clients know of the documents that they wrote, and whether a server shows the same. Each document is
 * written by one client, one write at a time, each with a body that no other write has. What holds for a
 * server that loses nothing:
 * - A document is as its last acknowledged write left it, revision and body, or as the one unacknowledged
 *   write after it would have, whole.
 * - The documents of one unacknowledged request are all there or none of them.
 * - A write that was acknowledged before another was sent has the lower sequence, and keeps it.
 */
import type { HttpClient } from './http-client.ts'

/** A document at one time; undefined where it never existed. */
export interface DocumentState {
  /** Undefined while no answer named it. */
  rev: string | undefined
  generation: number
  /** The document without its `_id` and `_rev`, as JSON. */
  body: string
  deleted: boolean
  /** Ticks of this model's clock. */
  sentAt: number
  acknowledgedAt: number
}

interface Entry {
  state: DocumentState | undefined
  /** The write under way, and the request it belongs to. */
  doubt: { state: DocumentState; request: number } | undefined
  /** The sequence that `state` was last seen with. */
  seq: number | undefined
  /** Written since it was last seen. */
  touched: boolean
}

export interface Write {
  id: string
  /** The document as it is sent. */
  document: Record<string, unknown>
}

interface Seen {
  rev: string
  body: string
  deleted: boolean
  seq: number
}

type Members = Record<string, unknown> & { _id: string; _rev: string; _deleted?: boolean }

interface Changes {
  results: { seq: string; id: string; changes: { rev: string }[]; deleted?: boolean; doc: Members }[]
  last_seq: string
  pending: number
}

interface AllDocs {
  total_rows: number
  rows: { id: string; value: { rev: string }; doc: Members }[]
}

export class WrittenDocuments {
  readonly #entries = new Map<string, Entry>()
  readonly #database: string
  #tick = 0
  #requests = 0
  #lastSeq = '0'
  /** Writes that an answer acknowledged. */
  acknowledged = 0
  /** Unacknowledged writes that were found done. */
  found = 0
  /** Unacknowledged writes that were found not done. */
  missing = 0

  constructor(database: string) {
    this.#database = database
  }

  get size(): number {
    return this.#entries.size
  }

  state(id: string): DocumentState | undefined {
    return this.#entries.get(id)?.state
  }

  /**
   * The body of a write is known by `value`, which no other write may have. What is deleted is made anew
   * without a revision, as CouchDB wants it, and goes on from the deletion.
   */
  write(id: string, value: Record<string, unknown>, deleted: boolean): Write {
    const state = this.state(id)
    const head = { _id: id, ...(state === undefined || state.deleted ? {} : { _rev: state.rev }) }
    return { id, document: { ...head, ...(deleted ? { _deleted: true } : {}), ...value } }
  }

  /** To be called before the writes of one request are sent. */
  sent(writes: readonly Write[]): void {
    this.#requests += 1
    this.#tick += 1
    for (const { id, document } of writes) {
      const entry = this.#entries.get(id) ?? {
        state: undefined,
        doubt: undefined,
        seq: undefined,
        touched: true,
      }
      const state: DocumentState = {
        rev: undefined,
        generation: (entry.state?.generation ?? 0) + 1,
        body: bodyOf(document),
        deleted: document['_deleted'] === true,
        sentAt: this.#tick,
        acknowledgedAt: Number.POSITIVE_INFINITY,
      }
      entry.doubt = { state, request: this.#requests }
      entry.touched = true
      this.#entries.set(id, entry)
    }
  }

  acknowledge(id: string, rev: string): void {
    const entry = this.#entries.get(id)!
    this.#tick += 1
    entry.state = { ...entry.doubt!.state, rev, acknowledgedAt: this.#tick }
    entry.doubt = undefined
    entry.seq = undefined
    this.acknowledged += 1
  }

  /** Reads everything that the server shows and returns what is wrong with it. Settles what was in doubt. */
  async compare(client: HttpClient): Promise<string[]> {
    const problems: string[] = []
    const before = this.#lastSeq
    const seen = await this.#seeChanges(client, problems)
    await this.#compareListing(client, seen, problems)
    await this.#compareSince(client, before, seen, problems)
    const touched = [...this.#entries].filter(([, entry]) => entry.touched)
    this.#settle(seen, problems)
    for (const [id, entry] of touched) await this.#compareDocument(client, id, entry.state, problems)
    this.#compareOrder(seen, problems)
    return problems
  }

  async #seeChanges(client: HttpClient, problems: string[]): Promise<Map<string, Seen>> {
    const changes = await client.json<Changes>(
      'GET',
      `/${this.#database}/_changes?include_docs=true&style=all_docs`,
    )
    const seen = new Map<string, Seen>()
    let last = 0
    for (const { seq, id, changes: revs, deleted = false, doc } of changes.results) {
      const number = Number.parseInt(seq, 10)
      if (seen.has(id)) problems.push(`${id} is twice in _changes`)
      if (!(number > last)) problems.push(`${id} has the sequence ${seq} after ${last}`)
      if (revs.length !== 1 || revs[0]!.rev !== doc._rev) problems.push(`${id} has ${revs.length} leaves`)
      if ((doc._deleted === true) !== deleted) problems.push(`${id} is half deleted`)
      last = number
      seen.set(id, { rev: doc._rev, body: bodyOf(doc), deleted, seq: number })
    }
    if (Number.parseInt(changes.last_seq, 10) !== last) problems.push(`last_seq is ${changes.last_seq}`)
    if (changes.pending !== 0) problems.push(`${changes.pending} changes are pending`)
    this.#lastSeq = changes.last_seq
    return seen
  }

  async #compareListing(client: HttpClient, seen: Map<string, Seen>, problems: string[]): Promise<void> {
    const listing = await client.json<AllDocs>('GET', `/${this.#database}/_all_docs?include_docs=true`)
    const info = await client.json<{ doc_count: number; doc_del_count: number; update_seq: string }>(
      'GET',
      `/${this.#database}`,
    )
    const live = [...seen.values()].filter(({ deleted }) => !deleted).length
    const counts = [listing.rows.length, listing.total_rows, info.doc_count]
    if (counts.some((count) => count !== live)) problems.push(`${live} live documents, but ${counts}`)
    if (info.doc_del_count !== seen.size - live) problems.push(`doc_del_count is ${info.doc_del_count}`)
    if (info.update_seq !== this.#lastSeq) problems.push(`update_seq is ${info.update_seq}`)
    let previous = ''
    for (const { id, value, doc } of listing.rows) {
      const change = seen.get(id)
      if (!(id > previous)) problems.push(`${id} is listed after ${previous}`)
      if (change?.rev !== value.rev || doc._rev !== value.rev || change.body !== bodyOf(doc)) {
        problems.push(`${id} is ${JSON.stringify(doc)} in _all_docs, ${JSON.stringify(change)} in _changes`)
      }
      previous = id
    }
  }

  /** A sequence that was given out before goes on exactly where it stood. */
  async #compareSince(
    client: HttpClient,
    since: string,
    seen: Map<string, Seen>,
    problems: string[],
  ): Promise<void> {
    const path = `/${this.#database}/_changes?since=${encodeURIComponent(since)}`
    const { results } = await client.json<Changes>('GET', path)
    const number = Number.parseInt(since, 10)
    const expected = [...seen].filter(([, { seq }]) => seq > number).map(([id]) => id)
    if (expected.join() !== results.map(({ id }) => id).join()) {
      problems.push(`since=${since} gives ${results.length} changes, not ${expected.length}`)
    }
  }

  /** What was in doubt becomes what the server shows. */
  #settle(seen: Map<string, Seen>, problems: string[]): void {
    const requests = new Map<number, boolean>()
    for (const id of seen.keys()) if (!this.#entries.has(id)) problems.push(`${id} was never written`)
    this.#tick += 1
    for (const [id, entry] of this.#entries) {
      const now = seen.get(id)
      const { state, doubt } = entry
      entry.doubt = undefined
      entry.touched = false
      if (doubt !== undefined) {
        const done = now !== undefined && shows(now, doubt.state)
        if ((requests.get(doubt.request) ?? done) !== done) problems.push(`${id}: half of a request was done`)
        requests.set(doubt.request, done)
        if (done) this.found += 1
        else this.missing += 1
        if (done) {
          entry.state = { ...doubt.state, rev: now.rev, acknowledgedAt: this.#tick }
          entry.seq = now.seq
          continue
        }
      }
      const right = now === undefined || state === undefined ? now === state : shows(now, state)
      if (!right) problems.push(`${id} is ${JSON.stringify(now)}, not ${JSON.stringify(state)}`)
      if (entry.seq !== undefined && entry.seq !== now?.seq)
        problems.push(`${id} moved from ${entry.seq} to ${now?.seq}`)
      entry.seq = now?.seq
      if (state === undefined && now === undefined) this.#entries.delete(id)
    }
  }

  async #compareDocument(
    client: HttpClient,
    id: string,
    state: DocumentState | undefined,
    problems: string[],
  ): Promise<void> {
    const path = `/${this.#database}/${encodeURIComponent(id)}`
    const { status, text } = await client.send('GET', path)
    const reason = status === 404 ? (JSON.parse(text) as { reason: string }).reason : ''
    if (state === undefined || state.deleted) {
      const expected = state === undefined ? 'missing' : 'deleted'
      if (reason !== expected) problems.push(`GET ${id}: ${status} ${text}, not ${expected}`)
      if (state === undefined) return
    }
    const document = state.deleted ? (await client.send('GET', `${path}?rev=${state.rev}`)).text : text
    const members = JSON.parse(document) as Members
    if (members._id !== id || members._rev !== state.rev || bodyOf(members) !== state.body) {
      problems.push(`GET ${id}: ${document}, not ${JSON.stringify(state)}`)
    }
  }

  #compareOrder(seen: Map<string, Seen>, problems: string[]): void {
    let latestSent = 0
    for (const id of seen.keys()) {
      const state = this.#entries.get(id)?.state
      if (state === undefined) continue
      if (state.acknowledgedAt < latestSent) problems.push(`${id} has a later sequence than a later write`)
      latestSent = Math.max(latestSent, state.sentAt)
    }
  }
}

function shows(seen: Seen, state: DocumentState): boolean {
  const sameRev =
    state.rev === undefined ? Number.parseInt(seen.rev, 10) === state.generation : seen.rev === state.rev
  return sameRev && seen.deleted === state.deleted && seen.body === state.body
}

function bodyOf(document: Record<string, unknown>): string {
  const { _id, _rev, _deleted, ...body } = document
  return JSON.stringify(body)
}
