/**
 * Notes that are kept beside the documents of a database, without a place in its update sequence: local documents of it, apart
 * from those of clients by the beginning of their ids.
 */
import type { Database, DocumentEdit } from '../database/api/database.ts'

/** What the ids of notes begin with, behind `_local/`. */
export const OWN = 'own/'

const LOCAL = '_local/'
const NOTHING = Buffer.alloc(0)

/** What writes a note, or takes it away, in one transaction with other edits. `text` is JSON. */
export function noteEdit(name: string, text: string | undefined): DocumentEdit {
  const body = text === undefined ? NOTHING : Buffer.from(text)
  return { id: `${LOCAL}${OWN}${name}`, deleted: text === undefined, body, term: NOTHING }
}

/** The notes of a database, read in any thread. */
export class Notes {
  readonly #database: Pick<Database, 'getLocal' | 'localDocs' | 'update'>

  constructor(database: Pick<Database, 'getLocal' | 'localDocs' | 'update'>) {
    this.#database = database
  }

  /** Of a note; undefined where there is none. */
  note(name: string): unknown {
    const found = this.#database.getLocal(OWN + name)
    return found && JSON.parse(found.body.toString())
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
}
