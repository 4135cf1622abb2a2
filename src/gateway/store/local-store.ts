/**
 * What a gateway's database keeps beside its documents, without a place in the update sequence: the clients' `_local`
 * documents and the gateway's own notes, as local documents of the database, apart by the beginning of their ids. Changes
 * of it are made one after the other.
 */
import type { DocumentEdit, OwnedDatabase } from '../../database/api/database.ts'
import { GatewayError, missing } from '../errors.ts'

const CLIENT = 'doc/'
const OWN = 'own/'

export interface ClientLocal {
  /** `0-N`. */
  rev: string
  /** Canonical JSON. */
  body: Buffer
}

const LOCAL = '_local/'
const NOTHING = Buffer.alloc(0)

/** What writes a note, or takes it away, in one transaction with other edits. `text` is JSON. */
export function noteEdit(name: string, text: string | undefined): DocumentEdit {
  const body = text === undefined ? NOTHING : Buffer.from(text)
  return { id: `${LOCAL}${OWN}${name}`, deleted: text === undefined, body, term: NOTHING }
}

export class LocalStore {
  readonly #database: OwnedDatabase
  #last: Promise<unknown> = Promise.resolve()

  constructor(database: OwnedDatabase) {
    this.#database = database
  }

  /** Throws 404. */
  get(name: string): ClientLocal {
    const found = this.#database.getLocal(CLIENT + name)
    if (found === undefined) throw missing()
    return found
  }

  /** Resolves with the new revision. Rejects with 404, 409. */
  put(name: string, body: Uint8Array, rev: string | undefined): Promise<string> {
    return this.#inTurn(async () => {
      this.#require(name, rev)
      return this.#database.putLocal(CLIENT + name, body, rev)
    })
  }

  /** Rejects with 404, 409. */
  delete(name: string, rev: string | undefined): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#database.getLocal(CLIENT + name) === undefined && rev === undefined) throw missing()
      this.#require(name, rev)
      await this.#database.deleteLocal(CLIENT + name, rev)
    })
  }

  #require(name: string, rev: string | undefined): void {
    const found = this.#database.getLocal(CLIENT + name)
    if (found === undefined && rev !== undefined) throw missing('No previous revision to replace')
    if (found?.rev !== rev) throw new GatewayError(409, 'Document update conflict')
  }

  /** Of a note of the gateway; undefined where there is none. */
  note(name: string): unknown {
    const found = this.#database.getLocal(OWN + name)
    return found && JSON.parse(found.body.toString())
  }

  async setNote(name: string, value: unknown): Promise<void> {
    await this.#inTurn(() =>
      this.#database.putLocal(OWN + name, Buffer.from(JSON.stringify(value)), undefined),
    )
  }

  async removeNote(name: string): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#database.getLocal(OWN + name) !== undefined)
        await this.#database.deleteLocal(OWN + name, undefined)
    })
  }

  /** Writes notes and takes them away, all or none. Rejects as the database does. */
  async change(edits: readonly DocumentEdit[]): Promise<void> {
    if (edits.length === 0) return
    const results = await this.#database.update(edits, { newEdits: false })
    for (const result of results) if (!result.ok) throw result.refusal
  }

  /** Notes whose names begin so, as they are now, in order; from that with `first` behind the prefix on. */
  *notes(prefix: string, first = ''): Generator<[name: string, value: unknown]> {
    const startKey = OWN + prefix
    const rows = this.#database.localDocs({ startKey: startKey + first, endKey: `${startKey}\u{10ffff}` })
    for (const { id, body } of rows) yield [id.slice(OWN.length), JSON.parse(body.toString())]
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => undefined)
    return done
  }
}
