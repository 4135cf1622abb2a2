/**
 * What resynchronisations have found: what a later sync function says of revisions that were written under another one. A
 * revision cannot be written twice, so this stands beside the documents, one note a document, and goes before what their
 * records say. A note is of certain revisions, so that it says nothing of what is written after it.
 */
import { LRUCache } from 'lru-cache'
import { type DocumentState, EMPTY_STATE, type SyncOutput } from '../../channels/document-state.ts'
import { noteEdit } from '../../channels/notes.ts'
import {
  outputOf,
  type StoredOutput,
  type StoredState,
  stateOf,
  storedOutput,
  storedState,
} from '../../channels/stored-state.ts'
import type { DocumentEdit } from '../../database/api/database.ts'
import type { LocalStore } from './local-store.ts'
import type { RecordedRevision } from './revision-record.ts'

export interface Override {
  output: SyncOutput
  /** Of the leaf that was written last only. */
  state: DocumentState | undefined
}

/** Of one document. */
export interface DocumentOverrides {
  byRevision: ReadonlyMap<string, Override>
  /** The number of the resynchronisation that found it. */
  run: number
  /** The document's state before that. */
  before: DocumentState
}

const NOTES = 'resync/'
/** Documents whose overrides, or that they have none, are kept in memory. */
const MOST_KEPT = 10_000
const NONE: DocumentOverrides = { byRevision: new Map(), run: 0, before: EMPTY_STATE }

type StoredOverride = [rev: string, output: StoredOutput, state: StoredState | null]

type Stored = { run: number; before: StoredState; revisions: StoredOverride[] }

export class Overrides {
  readonly #local: LocalStore
  readonly #kept = new LRUCache<string, DocumentOverrides>({ max: MOST_KEPT })
  /** There may be some. */
  #hasAny = false

  constructor(local: LocalStore) {
    this.#local = local
  }

  load(): void {
    this.#kept.clear()
    const notes = this.#local.notes(NOTES)
    this.#hasAny = notes.next().done !== true
    notes.return(undefined)
  }

  /** Undefined where there are none. */
  of(id: string): DocumentOverrides | undefined {
    if (!this.#hasAny) return undefined
    let found = this.#kept.get(id)
    if (found === undefined) {
      const stored = this.#local.note(NOTES + id)
      found = stored === undefined ? NONE : read(stored as Stored | StoredOverride[])
      this.#kept.set(id, found)
    }
    return found === NONE ? undefined : found
  }

  /** The revision as it is to be read. */
  apply(revision: RecordedRevision): RecordedRevision {
    const found = this.of(revision.view.id)?.byRevision.get(revision.view.rev)
    if (found === undefined) return revision
    const { output, state = revision.record.state } = found
    return { ...revision, record: { ...revision.record, output, state } }
  }

  /** What writes them, in the place of those that the document has; `written` is to be called when it is durable. */
  edit(id: string, overrides: DocumentOverrides): { edit: DocumentEdit; written(): void } {
    return {
      edit: noteEdit(NOTES + id, JSON.stringify(written(overrides))),
      written: () => {
        this.#hasAny = true
        this.#kept.set(id, overrides)
      },
    }
  }

  async forget(id: string): Promise<void> {
    if (this.of(id) === undefined) return
    await this.#local.removeNote(NOTES + id)
    this.#kept.delete(id)
  }
}

function written({ byRevision, run, before }: DocumentOverrides): Stored {
  const revisions = [...byRevision].map(
    ([rev, { output, state }]): StoredOverride => [
      rev,
      storedOutput(output),
      state === undefined ? null : storedState(state),
    ],
  )
  return { run, before: storedState(before), revisions }
}

/** A list alone is what a version before wrote, of resynchronisations that all count as ended. */
function read(stored: Stored | StoredOverride[]): DocumentOverrides {
  const { run, before, revisions } = Array.isArray(stored)
    ? { run: 0, before: undefined, revisions: stored }
    : stored
  const byRevision = new Map(
    revisions.map(([rev, output, state]) => [
      rev,
      { output: outputOf(output), state: state === null ? undefined : stateOf(state) },
    ]),
  )
  return { byRevision, run, before: before === undefined ? EMPTY_STATE : stateOf(before) }
}
