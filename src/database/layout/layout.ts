/**
 * Which trees a database's file holds, and what their keys are. Layout version 1. Integers are big-endian,
 * so that they sort. The first byte of every value of all trees but `meta` is the
 * version of its own format (1), so that later ones may live beside it.
 *
 * | tree | key | value | summary |
 * |---|---|---|---|
 * | `id` | document id, UTF-8 (at most 65,536 bytes) | document info: `document-info.ts` | counts and sizes, below |
 * | `seq` | number of the change, 6 bytes | change entry: `change-entry.ts` | none: entries are counted |
 * | `purge` | number of the purge, 6 bytes | a purge that is remembered: `purge.ts` | none |
 * | `local` | id without `_local/`, UTF-8 | u8 version, 6-byte revision number, canonical JSON of the body | none |
 * | `expiry` | due time, 6 bytes, and number of the change, 6 bytes | document id: `expiry.ts` | none |
 * | `attachments` | SHA-256 of an attachment's stored bytes | u8 version, reference of the bytes: `attachment-content.ts` | none |
 * | `meta` | name of a record, ASCII | `meta-records.ts` | none |
 *
 * What a revision keeps of its attachments is in `attachments.ts`.
 *
 * Bodies (canonical JSON, without the `_` members, packed or not: `stored-text.ts`) are appended to the store once and
 * named by references; neither tree holds a body. Every document has exactly one entry in `id` and one in `seq`, deleted or not.
 *
 * Summary of `id`, 30 bytes, five integers of 6 bytes: live documents, deleted documents, bytes of stored
 * bodies and attachments of leaf revisions (active), bytes of uncompressed JSON and attachments of leaf
 * revisions (external), live design documents with a `validate_doc_update`. A body or attachment that two
 * leaves share counts twice.
 */
import type { Reducer } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'

export const LAYOUT_VERSION = 1
/** First byte of a value. */
export const VALUE_VERSION = 1

export const TREES = {
  id: 'id',
  seq: 'seq',
  purge: 'purge',
  local: 'local',
  meta: 'meta',
  attachments: 'attachments',
  expiry: 'expiry',
} as const

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

const onceKey = Buffer.allocUnsafeSlow(SEQ_BYTES)

/** The same in memory that is used again by the next call. */
export function seqKeyOnce(seqNumber: number): Buffer {
  writeField(onceKey, 0, seqNumber)
  return onceKey
}

export function seqOfKey(key: Uint8Array): number {
  return seqAt(key, 0)
}

/** Of the key that begins at `start` of `bytes`. */
export function seqAt(bytes: Uint8Array, start: number): number {
  return readField(bytes, start)
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
const FIELDS = 5
export const SUMMARY_BYTES = FIELD_BYTES * FIELDS
const HIGH = 0x1_0000_0000

/** An integer of 6 bytes, as values and summaries have them; plain arithmetic, for it runs for every entry of every node that is written. */
export function readField(bytes: Uint8Array, at: number): number {
  const high = bytes[at]! * 0x100 + bytes[at + 1]!
  const low = (bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!
  return high * HIGH + (low >>> 0)
}

/** Writes one. */
export function writeField(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / HIGH)
  const low = value >>> 0
  bytes[at] = high >>> 8
  bytes[at + 1] = high
  bytes[at + 2] = low >>> 24
  bytes[at + 3] = low >>> 16
  bytes[at + 4] = low >>> 8
  bytes[at + 5] = low
}

const EMPTY_SUMMARY: Readonly<IdSummary> = { live: 0, deleted: 0, active: 0, external: 0, validating: 0 }

/** Of no entries: all zero. */
export function readSummary(reduction: Uint8Array | undefined): Readonly<IdSummary> {
  if (reduction === undefined || reduction.length === 0) return EMPTY_SUMMARY
  return {
    live: readField(reduction, 0),
    deleted: readField(reduction, FIELD_BYTES),
    active: readField(reduction, 2 * FIELD_BYTES),
    external: readField(reduction, 3 * FIELD_BYTES),
    validating: readField(reduction, 4 * FIELD_BYTES),
  }
}

function addUp(parts: readonly Uint8Array[]): Uint8Array {
  const sum = new Uint8Array(SUMMARY_BYTES)
  for (let at = 0; at < SUMMARY_BYTES; at += FIELD_BYTES) {
    let total = 0
    for (const part of parts) total += readField(part, at)
    writeField(sum, at, total)
  }
  return sum
}

/** For the engine, which copies what it is given at once. */
const given = new Uint8Array(SUMMARY_BYTES)

/** The same of parts that lie in `bytes`, one after the other in `bounds`; good until the next one. */
function addUpAll(bytes: Uint8Array, bounds: Uint32Array): Uint8Array {
  const sum = given
  for (let at = 0; at < SUMMARY_BYTES; at += FIELD_BYTES) {
    let total = 0
    for (let i = 0; i < bounds.length; i += 2) total += readField(bytes, bounds[i]! + at)
    writeField(sum, at, total)
  }
  return sum
}

/** Adds what one document, whose value begins at `at` of `bytes`, adds to the summary. */
export type AddDocument = (bytes: Uint8Array, at: number, sum: IdSummary) => void

function summaryBytes(
  { live, deleted, active, external, validating }: IdSummary,
  bytes: Uint8Array,
): Uint8Array {
  writeField(bytes, 0, live)
  writeField(bytes, FIELD_BYTES, deleted)
  writeField(bytes, 2 * FIELD_BYTES, active)
  writeField(bytes, 3 * FIELD_BYTES, external)
  writeField(bytes, 4 * FIELD_BYTES, validating)
  return bytes
}

/** The reducer of the tree `id`. */
export function idReducer(add: AddDocument): Reducer {
  const sum: IdSummary = { live: 0, deleted: 0, active: 0, external: 0, validating: 0 }
  const forget = (): void => {
    sum.live = 0
    sum.deleted = 0
    sum.active = 0
    sum.external = 0
    sum.validating = 0
  }
  return {
    name: 'documents',
    version: 1,
    maxBytes: SUMMARY_BYTES,
    map: (_key, value) => {
      forget()
      add(value, 0, sum)
      return summaryBytes(sum, new Uint8Array(SUMMARY_BYTES))
    },
    combine: addUp,
    combineAll: addUpAll,
    mapAll: (bytes, bounds) => {
      forget()
      for (let i = 2; i < bounds.length; i += 4) add(bytes, bounds[i]!, sum)
      return summaryBytes(sum, given)
    },
  }
}
