/**
 * The design documents of databases as what their functions are run from. What holds:
 * - A design document is what its database shows now: it is looked up each time, and only what was made of a revision is kept.
 * - Which of them validate is looked up again when a design document was written.
 */
import { LRUCache } from 'lru-cache'
import type { Database, DocumentView } from '../database/api/database.ts'
import { viewText } from '../documents/document-text.ts'
import { Design } from '../scripting/design.ts'
import type { Scripting } from '../scripting/scripting.ts'
import { functionError } from './script-failure.ts'

const MOST_KEPT = 500
const FIRST_ID = '_design/'
/** Behind every id of a design document. */
const END_ID = '_design0'

interface Validating {
  readonly uuid: string
  readonly version: number
  readonly designs: readonly Design[]
}

export class DesignDocuments {
  readonly scripting: Scripting
  /** By database, id and revision. */
  readonly #kept = new LRUCache<string, Design>({ max: MOST_KEPT })
  readonly #validating = new WeakMap<Database, Validating>()

  constructor(scripting: Scripting) {
    this.scripting = scripting
  }

  /** The design document `_design/NAME`. Throws missing, deleted. */
  named(database: Database, name: string): Design {
    return this.of(database, database.get(`${FIRST_ID}${name}`))
  }

  /** What a revision of a design document is. */
  of(database: Database, view: DocumentView): Design {
    const key = `${database.uuid} ${view.rev} ${view.id}`
    let design = this.#kept.get(key)
    if (design === undefined) {
      design = new Design(viewText(view), database.name)
      this.#kept.set(key, design)
    }
    return design
  }

  /** Those with a `validate_doc_update`, in the order of their ids. */
  validating(database: Database): readonly Design[] {
    // The version first: what is read behind it may be newer, and is then read again.
    const { uuid, designVersion: version, isFresh } = database
    const known = this.#validating.get(database)
    if (known?.uuid === uuid && known.version === version) return known.designs
    const designs: Design[] = []
    for (const row of database.allDocs({ startKey: FIRST_ID, endKey: END_ID, inclusiveEnd: false }).rows) {
      const design = this.of(database, row.document())
      if (design.validates) designs.push(design)
    }
    if (isFresh) this.#validating.set(database, { uuid, version, designs })
    return designs
  }

  /** Whether the maps and reduces of a design document that comes in are functions. Rejects with compilation_error. */
  async compile(database: Database, body: Uint8Array): Promise<void> {
    try {
      await this.scripting.compile(new Design(body, database.name))
    } catch (error) {
      throw functionError(error)
    }
  }
}
