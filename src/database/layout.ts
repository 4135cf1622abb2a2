/**
 * Which trees a database's file holds, and what their keys are. Layout version 1. Integers are big-endian,
 * so that they sort. The first byte of every value of the first three trees is the
 * version of its own format (1), so that later ones may live beside it.
 *
 * | tree | key | value | summary |
 * |---|---|---|---|
 * | `id` | document id, UTF-8 (at most 65,536 bytes) | document info: `document-info.ts` | counts and sizes, below |
 * | `seq` | number of the change, 6 bytes | change entry: `change-entry.ts` | none: entries are counted |
 * | `local` | id without `_local/`, UTF-8 | u8 version, 6-byte revision number, canonical JSON of the body | none |
 * | `meta` | name of a record, ASCII | `meta-records.ts` | none |
 *
 * Bodies (canonical JSON, without the `_` members) are appended to the store once and named by references;
 * neither tree holds a body. Every document has exactly one entry in `id` and one in `seq`, deleted or not.
 *
 * Summary of `id`, 30 bytes, five integers of 6 bytes: live documents, deleted documents, bytes of stored
 * bodies of leaf revisions (active), bytes of uncompressed JSON of leaf revisions (external), live design
 * documents with a `validate_doc_update`. Active and external are equal until bodies are compressed or carry
 * attachments; a body that two leaves share counts twice.
 */
import type { Reducer } from '../../native-free-btree/index.ts'
import { DatabaseError } from '../base/errors.ts'

export const LAYOUT_VERSION = 1
/** First byte of a value. */
export const VALUE_VERSION = 1

export const TREES = { id: 'id', seq: 'seq', local: 'local', meta: 'meta' } as const

export const LOCAL_PREFIX = '_local/'
export const DESIGN_PREFIX = '_design/'

/** The engine's longest key. */
export const MAX_ID_BYTES = 65_536

/** Throws illegal_docid when the id is longer than a key may be. */
export function idKey(id: string): Buffer {
  const key = Buffer.from(id)
  if (key.length > MAX_ID_BYTES) throw new DatabaseError('illegalDocumentId', 'Document id is too long')
  return key
}

export const SEQ_BYTES = 6

export function seqKey(seqNumber: number): Buffer {
  const key = Buffer.allocUnsafe(SEQ_BYTES)
  key.writeUIntBE(seqNumber, 0, SEQ_BYTES)
  return key
}

export function seqOfKey(key: Buffer): number {
  return key.readUIntBE(0, SEQ_BYTES)
}

/** Throws storage_damaged when the value's version is not one that this code reads. */
export function checkVersion(value: Uint8Array, tree: string): void {
  if (value[0] !== VALUE_VERSION) {
    throw new DatabaseError('storageDamaged', `a value of version ${value[0]} in the tree ${tree}`)
  }
}

export interface IdSummary {
  live: number
  deleted: number
  active: number
  external: number
  /** Live design documents with a `validate_doc_update`. */
  validating: number
}

const FIELD_BYTES = 6
const FIELDS = ['live', 'deleted', 'active', 'external', 'validating'] as const
export const SUMMARY_BYTES = FIELD_BYTES * FIELDS.length

export function readSummary(reduction: Uint8Array | undefined): IdSummary {
  const summary: IdSummary = { live: 0, deleted: 0, active: 0, external: 0, validating: 0 }
  if (reduction === undefined || reduction.length === 0) return summary
  const bytes = Buffer.from(reduction.buffer, reduction.byteOffset, reduction.length)
  for (const [at, field] of FIELDS.entries()) summary[field] = bytes.readUIntBE(at * FIELD_BYTES, FIELD_BYTES)
  return summary
}

export function writeSummary(summary: IdSummary): Buffer {
  const bytes = Buffer.allocUnsafe(SUMMARY_BYTES)
  for (const [at, field] of FIELDS.entries()) bytes.writeUIntBE(summary[field], at * FIELD_BYTES, FIELD_BYTES)
  return bytes
}

/** The reducer of the tree `id`, for a `map` that reads a document info's fixed part. */
export function idReducer(map: (value: Uint8Array) => IdSummary): Reducer {
  return {
    name: 'documents',
    version: 1,
    maxBytes: SUMMARY_BYTES,
    map: (_key, value) => writeSummary(map(value)),
    combine(parts) {
      const sum = readSummary(undefined)
      for (const part of parts) {
        const summary = readSummary(part)
        for (const field of FIELDS) sum[field] += summary[field]
      }
      return writeSummary(sum)
    },
  }
}
