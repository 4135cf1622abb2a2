/**
 * What the file of an index knows of itself: records of the tree `meta`, JSON.
 *
 * | key | value |
 * |---|---|
 * | `index` | `{ format, database, signature }`, written once: the database's uuid, and what its rows are made by |
 * | `state` | `IndexState`, written with the rows that it tells of |
 */
import type { IndexDefinition } from './api.ts'
import { META_TREE } from './index-trees.ts'

export const INDEX_FORMAT = 3

export interface IndexRecord {
  readonly format: number
  readonly database: string
  readonly signature: string
}

export interface IndexState {
  /** Number of the last change of the database that is in the rows. */
  readonly updateSeq: number
  /** The same as clients see it: it is of one history of the database. Empty before the first change. */
  readonly sequence: string
  /** Number of the last purge that is. */
  readonly purgeSeq: number
  /**
   * A change as clients see it, or empty. Up to it, in the history that has it, changes are of documents that had no rows
   * before, since no row was there when they were made. Undefined before anything was written: then all are.
   */
  readonly newUpTo: string | undefined
}

const INDEX = Buffer.from('index')
const STATE = Buffer.from('state')

interface Reading {
  get(tree: string, key: Uint8Array): Buffer | undefined
}

interface Writing {
  put(tree: string, key: Uint8Array, value: Uint8Array): void
}

export function recordOf(database: string, { signature }: Pick<IndexDefinition, 'signature'>): IndexRecord {
  return { format: INDEX_FORMAT, database, signature }
}

/** Undefined where none was written, or none can be read. */
export function readIndexRecord(source: Reading): IndexRecord | undefined {
  return parsed(source.get(META_TREE, INDEX)) as IndexRecord | undefined
}

export function writeIndexRecord(tx: Writing, record: IndexRecord): void {
  tx.put(META_TREE, INDEX, Buffer.from(JSON.stringify(record)))
}

/** Undefined before the first rows. */
export function readState(source: Reading): IndexState | undefined {
  return parsed(source.get(META_TREE, STATE)) as IndexState | undefined
}

export function writeState(tx: Writing, state: IndexState): void {
  tx.put(META_TREE, STATE, Buffer.from(JSON.stringify(state)))
}

function parsed(bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
