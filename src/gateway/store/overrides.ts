/**
 * What a resynchronisation has found: what the present sync function says of leaves that were written under another one. A
 * revision cannot be written twice, so this stands beside the documents, one note a document, and goes before what their
 * records say. A note is of certain revisions, so that it says nothing of what is written after it.
 */

import type { DocumentState, SyncOutput } from '../../channels/document-state.ts'
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

const NOTES = 'resync/'

type Stored = [rev: string, output: StoredOutput, state: StoredState | null][]

export class Overrides {
  readonly #local: LocalStore
  readonly #byId = new Map<string, ReadonlyMap<string, Override>>()

  constructor(local: LocalStore) {
    this.#local = local
  }

  async load(): Promise<void> {
    this.#byId.clear()
    for (const [name, value] of this.#local.notes(NOTES)) {
      this.#byId.set(name.slice(NOTES.length), read(value as Stored))
    }
  }

  /** The revision as it is to be read. */
  apply(revision: RecordedRevision): RecordedRevision {
    if (this.#byId.size === 0) return revision
    const found = this.#byId.get(revision.view.id)?.get(revision.view.rev)
    if (found === undefined) return revision
    const { output, state = revision.record.state } = found
    return { ...revision, record: { ...revision.record, output, state } }
  }

  /** `more` is written with it. */
  async set(
    id: string,
    overrides: ReadonlyMap<string, Override>,
    more: readonly DocumentEdit[],
  ): Promise<void> {
    await this.#local.change([noteEdit(NOTES + id, JSON.stringify(written(overrides))), ...more])
    this.#byId.set(id, overrides)
  }

  async forget(id: string): Promise<void> {
    if (!this.#byId.delete(id)) return
    await this.#local.removeNote(NOTES + id)
  }
}

function written(overrides: ReadonlyMap<string, Override>): Stored {
  return [...overrides].map(([rev, { output, state }]) => [
    rev,
    storedOutput(output),
    state === undefined ? null : storedState(state),
  ])
}

function read(stored: Stored): Map<string, Override> {
  return new Map(
    stored.map(([rev, output, state]) => [
      rev,
      { output: outputOf(output), state: state === null ? undefined : stateOf(state) },
    ]),
  )
}
