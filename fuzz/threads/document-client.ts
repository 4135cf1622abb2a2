/** A client that writes and reads documents which others write too, over connections that it changes now and then. */
import type { Random } from '../../test/support/random.ts'
import type { DocumentHistory, Write } from './history.ts'
import {
  type ChangeRow,
  ChangesView,
  type Info,
  type ListedRow,
  type SharedDatabase,
} from './shared-database.ts'
import { Client, parsed, shown, type Traffic } from './traffic.ts'

const MOST_IN_BULK = 4
const LOOKING = 3
const PROBES = 40
const PADS = [0, 0, 10, 500, 5000, 70_000]
/** A body is that old at most, so that writers in contention do not all come too late. */
const STALE_WRITES = 0.1

interface Document {
  readonly _rev: string
  readonly value?: string
}

interface BulkRow {
  readonly id: string
  readonly rev?: string
  readonly error?: string
}

export interface ChangesBody {
  readonly results: readonly ChangeRow[]
  readonly last_seq: string
}

export class DocumentClient {
  readonly #name: string
  readonly #traffic: Traffic
  readonly #client: Client
  /** Look at what was acknowledged, mostly by another front than the one that took it. */
  readonly #looking: readonly Client[]
  readonly #databases: readonly SharedDatabase[]
  readonly #views: ReadonlyMap<SharedDatabase, ChangesView>
  readonly #stale = new Map<DocumentHistory, string>()
  #writes = 0
  acknowledged = 0
  reads = 0

  constructor(name: string, traffic: Traffic, databases: readonly SharedDatabase[]) {
    this.#name = name
    this.#traffic = traffic
    this.#client = new Client(traffic)
    this.#looking = Array.from({ length: LOOKING }, () => new Client(traffic))
    this.#databases = databases
    this.#views = new Map(databases.map((database) => [database, new ChangesView(database)]))
  }

  close(): void {
    this.#client.close()
    for (const client of this.#looking) client.close()
  }

  async work(random: Random): Promise<void> {
    while (!this.#traffic.over) {
      this.#client.maybeRenew(random)
      for (const client of this.#looking) client.maybeRenew(random)
      const database = random.pick(this.#databases)
      const kind = random.int(100)
      if (kind < 30) await this.#write(random, database)
      else if (kind < 40) await this.#bulk(random, database)
      else if (kind < 70) await this.read(database, random.pick([...database.documents.keys()]))
      else if (kind < 78) await this.list(database)
      else if (kind < 86) await this.#listKeys(random, database)
      else if (kind < 90) await this.#bulkGet(random, database)
      else if (kind < 94) await this.changes(database)
      else await this.#follow(database)
    }
  }

  /** Writes one document after the other, while nobody else does: each answer and the look at it are close together. */
  async probe(random: Random): Promise<void> {
    for (let count = 0; count < PROBES; count++) await this.#write(random, random.pick(this.#databases))
  }

  async read(database: SharedDatabase, id: string, client = this.#client): Promise<void> {
    const history = database.document(id)
    const { floor } = history
    const reply = await client.json<Document & { reason: string }>('GET', `/${database.name}/${id}`)
    if (reply === undefined) return
    const where = `GET by ${this.#name}`
    if (reply.status === 404) history.observeAbsent(floor, `${where} (${reply.body.reason})`)
    else if (reply.status !== 200) throw new Error(`${where} of ${id}: ${reply.text}`)
    else history.observe(floor, { rev: reply.body._rev, deleted: false, value: reply.body.value }, where)
    this.reads += 1
  }

  /** What is to be written over what, noted as sent. */
  #next(random: Random, history: DocumentHistory): { write: Write; document: Record<string, unknown> } {
    const { floor } = history
    const stale = this.#stale.get(history)
    const parent =
      random.bool(STALE_WRITES) && stale !== undefined ? stale : floor.deleted ? undefined : floor.rev
    if (floor.rev !== undefined && !floor.deleted) this.#stale.set(history, floor.rev)
    const deleted = parent !== undefined && random.bool(0.2)
    this.#writes += 1
    const value = `${this.#name}-${this.#writes}`
    const write = history.send({ value, deleted, parent })
    const pad = 'x'.repeat(random.pick(PADS))
    const document = { value, pad, ...(deleted && { _deleted: true }), ...(parent && { _rev: parent }) }
    return { write, document }
  }

  async #write(random: Random, database: SharedDatabase): Promise<void> {
    const id = random.pick([...database.documents.keys()])
    const history = database.document(id)
    const path = `/${database.name}/${id}`
    const { floor } = history
    if (floor.rev !== undefined && !floor.deleted && random.bool(0.15)) {
      const write = history.send({ value: undefined, deleted: true, parent: floor.rev })
      await this.#settle(history, write, 'DELETE', `${path}?rev=${floor.rev}`)
    } else {
      const { write, document } = this.#next(random, history)
      await this.#settle(history, write, 'PUT', path, document)
    }
    // At once: a front that is behind is so for a moment only.
    await this.read(database, id, random.pick(this.#looking))
  }

  async #settle(history: DocumentHistory, write: Write, method: string, path: string, body?: unknown) {
    const reply = await this.#client.json<{ rev: string }>(method, path, { body })
    if (reply === undefined) history.lose(write)
    else if (reply.status === 409) this.#refused(history, write)
    else if (reply.status === 404 && method === 'DELETE') {
      // As CouchDB does, a deletion first looks whether there is a document at all.
      history.observeAbsent(write.floor, `DELETE by ${this.#name}`)
      this.#refused(history, write)
    } else if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.text}`)
    else this.#acknowledged(history, write, reply.body.rev)
  }

  #refused(history: DocumentHistory, write: Write): void {
    history.refuse(write)
    this.#traffic.refused += 1
  }

  #acknowledged(history: DocumentHistory, write: Write, rev: string): void {
    history.acknowledge(write, rev)
    this.acknowledged += 1
  }

  async #bulk(random: Random, database: SharedDatabase): Promise<void> {
    const ids = random.shuffle([...database.documents.keys()]).slice(0, random.between(2, MOST_IN_BULK))
    const sent = ids.map((id) => ({
      id,
      history: database.document(id),
      ...this.#next(random, database.document(id)),
    }))
    const docs = sent.map(({ id, document }) => ({ _id: id, ...document }))
    const reply = await this.#client.json<BulkRow[]>('POST', `/${database.name}/_bulk_docs`, {
      body: { docs },
    })
    if (reply !== undefined && reply.status !== 201) throw new Error(`_bulk_docs: ${reply.text}`)
    for (const { id, history, write } of sent) {
      const row = reply?.body.find((each) => each.id === id)
      if (reply === undefined) history.lose(write)
      else if (row?.rev !== undefined) this.#acknowledged(history, write, row.rev)
      else if (row?.error === 'conflict') this.#refused(history, write)
      else throw new Error(`_bulk_docs: ${id}: ${reply.text}`)
    }
  }

  async list(database: SharedDatabase): Promise<void> {
    const floors = database.floors()
    const path = `/${database.name}/_all_docs?include_docs=true`
    const reply = await this.#client.json<{ rows: ListedRow[] }>('GET', path)
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`${path}: ${reply.text}`)
    database.observeListing(floors, reply.body.rows, `_all_docs by ${this.#name}`)
    this.reads += 1
  }

  async #listKeys(random: Random, database: SharedDatabase): Promise<void> {
    const keys = random.shuffle([...database.documents.keys()]).slice(0, 3)
    const floors = database.floors()
    const path = `/${database.name}/_all_docs?include_docs=true`
    const reply = await this.#client.json<{ rows: ListedRow[] }>('POST', path, { body: { keys } })
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`${path}: ${reply.text}`)
    database.observeListing(floors, reply.body.rows, `_all_docs of keys by ${this.#name}`, keys)
    this.reads += 1
  }

  async #bulkGet(random: Random, database: SharedDatabase): Promise<void> {
    const ids = random.shuffle([...database.documents.keys()]).slice(0, 3)
    const floors = database.floors()
    const path = `/${database.name}/_bulk_get`
    const body = { docs: ids.map((id) => ({ id })) }
    type Found = { id: string; docs: { ok?: Document & { _deleted?: boolean } }[] }
    const reply = await this.#client.json<{ results: Found[] }>('POST', path, { body })
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`${path}: ${reply.text}`)
    const where = `_bulk_get by ${this.#name}`
    for (const { id, docs } of reply.body.results) {
      const history = database.document(id)
      const ok = docs[0]?.ok
      if (ok === undefined) history.observeAbsent(floors.get(id)!, where)
      else
        history.observe(
          floors.get(id)!,
          { rev: ok._rev, deleted: ok._deleted === true, value: ok.value },
          where,
        )
    }
    this.reads += 1
  }

  /** All changes from the beginning. */
  async changes(database: SharedDatabase): Promise<void> {
    await this.#takeChanges(database, new ChangesView(database), `_changes by ${this.#name}`)
  }

  /** Those since the last time. */
  async #follow(database: SharedDatabase): Promise<void> {
    await this.#takeChanges(database, this.#views.get(database)!, `_changes on from before by ${this.#name}`)
  }

  async #takeChanges(database: SharedDatabase, view: ChangesView, where: string): Promise<void> {
    const floors = database.floors()
    const path = `/${database.name}/_changes?include_docs=true&since=${view.since}`
    const reply = await this.#client.ask('GET', path)
    if (reply === undefined) return
    if (reply.status !== 200) throw new Error(`${path}: ${shown(reply)}`)
    const body = parsed<ChangesBody>(reply)
    for (const row of body.results) view.take(row, where)
    view.reach(body.last_seq, where)
    view.requireWhole(floors, where)
    this.reads += 1
  }

  /** While nothing is written. */
  async count(database: SharedDatabase): Promise<void> {
    const reply = await this.#client.json<Info>('GET', `/${database.name}`)
    if (reply !== undefined) database.observeResting(reply.body)
  }
}
