/**
 * What is known of a document in a database with channels whose documents stay as CouchDB has them: what the sync function said
 * of each of its leaves, and the state that follows. It stands in a file of its own, beside the index that is made of the
 * states, and follows from the database: see `channel-indexer.ts`.
 */
import { hash } from 'node:crypto'
import type { DocumentState, SyncOutput } from './document-state.ts'
import type { Notes } from './notes.ts'
import {
  outputOf,
  type StoredOutput,
  type StoredState,
  stateOf,
  storedOutput,
  storedState,
} from './stored-state.ts'

export interface RecordedLeaf {
  readonly rev: string
  readonly output: SyncOutput
}

export interface DocumentRecord {
  /** Of the change that it was made of. */
  readonly seq: number
  /** Hash of the function that said so. */
  readonly sync: string
  /** Whether the winner is. */
  readonly deleted: boolean
  /** The winner first. */
  readonly leaves: readonly RecordedLeaf[]
  readonly state: DocumentState
}

type Stored = [
  seq: number,
  sync: string,
  deleted: 0 | 1,
  leaves: [rev: string, output: StoredOutput][],
  state: StoredState,
]

export const RECORDS = 'record/'
const MOST_PLAIN = 256

/** The name of the note of a document. */
export function recordName(id: string): string {
  return RECORDS + (id.length <= MOST_PLAIN ? `n${id}` : `h${hash('sha256', id, 'hex')}`)
}

export function recordText({ seq, sync, deleted, leaves, state }: DocumentRecord): string {
  const stored: Stored = [
    seq,
    sync,
    deleted ? 1 : 0,
    leaves.map(({ rev, output }) => [rev, storedOutput(output)]),
    storedState(state),
  ]
  return JSON.stringify(stored)
}

/** Undefined where nothing is known of the document. */
export function recordOf(notes: Notes, id: string): DocumentRecord | undefined {
  const stored = notes.note(recordName(id)) as Stored | undefined
  if (stored === undefined) return undefined
  const [seq, sync, deleted, leaves, state] = stored
  return {
    seq,
    sync,
    deleted: deleted === 1,
    leaves: leaves.map(([rev, output]) => ({ rev, output: outputOf(output) })),
    state: stateOf(state),
  }
}
