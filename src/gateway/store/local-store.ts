/**
 * What a gateway's database keeps beside its documents, without a place in the update sequence: the clients' `_local`
 * documents and the gateway's own notes, as local documents of the database, apart by the beginning of their ids. Changes
 * of it are made one after the other.
 */
import { Notes, OWN } from '../../channels/notes.ts'
import type { OwnedDatabase } from '../../database/api/database.ts'
import { GatewayError, missing } from '../errors.ts'

const CLIENT = 'doc/'

export interface ClientLocal {
  /** `0-N`. */
  rev: string
  /** Canonical JSON. */
  body: Buffer
}

export class LocalStore extends Notes {
  readonly #database: OwnedDatabase
  #last: Promise<unknown> = Promise.resolve()

  constructor(database: OwnedDatabase) {
    super(database)
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

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => undefined)
    return done
  }
}
