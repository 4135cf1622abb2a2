/**
 * The design documents of databases as what their functions are run from. What holds:
 * - A design document is what its database shows now: it is looked up each time, and only what was made of a revision is kept.
 * - Which of them validate is looked up again when a design document was written.
 */
import { LRUCache } from 'lru-cache'
import { runInTurns, type Steps } from '../base/time-slice.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import { DESIGN_START, designViews } from '../documents/design-views.ts'
import { viewText } from '../documents/document-text.ts'
import { Design } from '../scripting/design.ts'
import type { Scripting } from '../scripting/scripting.ts'
import { functionError } from './script-failure.ts'

const MOST_KEPT = 500

/** What was found, or is being looked for, in a version of a database's design documents. */
interface Found<T> {
  readonly uuid: string
  readonly version: number
  readonly designs: T
}

export class DesignDocuments {
  readonly scripting: Scripting
  /** By database, id and revision. */
  readonly #kept = new LRUCache<string, Design>({ max: MOST_KEPT })
  readonly #validating = new WeakMap<Database, Found<readonly Design[]>>()
  readonly #looking = new WeakMap<Database, Found<Promise<readonly Design[]>>>()

  constructor(scripting: Scripting) {
    this.scripting = scripting
  }

  /** The design document `_design/NAME`. Throws missing, deleted. */
  named(database: Database, name: string): Design {
    return this.of(database, database.get(`${DESIGN_START}${name}`))
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

  /**
   * Those with a `validate_doc_update`, in the order of their ids, as the design documents are now or later: a promise where they have
   * to be read, of which there may be any number. Whoever asks meanwhile waits for the same reading.
   */
  validating(database: Database): readonly Design[] | Promise<readonly Design[]> {
    const known = currentOf(this.#validating, database)
    if (known !== undefined) return known
    const looking = currentOf(this.#looking, database)
    if (looking !== undefined) return looking
    // The version first: what is read behind it may be newer, and is then read again.
    const { uuid, designVersion: version, isFresh } = database
    const reading = runInTurns(this.#validatingSteps(database))
    // What is behind its version is for nobody else.
    if (!isFresh) return reading
    const mine = { uuid, version, designs: reading }
    this.#looking.set(database, mine)
    const end = (designs?: readonly Design[]): void => {
      if (this.#looking.get(database) === mine) this.#looking.delete(database)
      if (designs !== undefined) this.#validating.set(database, { uuid, version, designs })
    }
    reading.then(end, () => end())
    return reading
  }

  *#validatingSteps(database: Database): Steps<readonly Design[]> {
    const designs: Design[] = []
    for (const view of designViews(database)) {
      const design = this.of(database, view)
      if (design.validates) designs.push(design)
      yield
    }
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

function currentOf<T>(all: WeakMap<Database, Found<T>>, database: Database): T | undefined {
  const found = all.get(database)
  return found?.uuid === database.uuid && found.version === database.designVersion ? found.designs : undefined
}
