/**
 * A value of the tree `id`. What listings and the summaries need is in front; the revision tree, which can be
 * long, is decoded only when it is asked for.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | u8 | flags: 1 deleted (no leaf is live); 2 a live design document with a `validate_doc_update`; others 0 |
 * | u48 | number of the last change |
 * | u48 | bytes of the leaves' bodies as they are stored |
 * | u48 | bytes of the leaves' bodies as JSON |
 * | revision | the winner |
 * | 16 bytes | reference of the winner's body |
 * | the rest | the revision tree: `document-revisions.ts` |
 */
import type { Reference } from '../../native-free-btree/index.ts'
import { ByteReader, ByteWriter, REFERENCE_BYTES } from './bytes.ts'
import { DocumentRevisions } from './document-revisions.ts'
import { checkVersion, type IdSummary, TREES, VALUE_VERSION } from './layout.ts'
import type { Revision } from './revision-id.ts'

const DELETED = 1
const VALIDATES = 2
const FLAGS_AT = 1
const ACTIVE_AT = 8
const EXTERNAL_AT = 14
const WINNER_AT = 20

export interface DocumentInfo {
  /** Number of the last change. */
  seq: number
  deleted: boolean
  winner: Revision
  /** The winner's body. */
  reference: Reference
  revisions(): DocumentRevisions
}

/** `bytesOf` gives the length of the body behind a reference. */
export function encodeInfo(
  seq: number,
  revisions: DocumentRevisions,
  bytesOf: (reference: Reference) => number,
): Buffer {
  const leaves = revisions.leaves()
  const { revision, stored } = leaves[0]!
  const bytes = leaves.reduce((sum, leaf) => sum + bytesOf(leaf.stored.reference), 0)
  const validates = stored.validates && !stored.deleted
  return new ByteWriter()
    .u8(VALUE_VERSION)
    .u8((stored.deleted ? DELETED : 0) | (validates ? VALIDATES : 0))
    .u48(seq)
    .u48(bytes)
    .u48(bytes)
    .revision(revision)
    .bytes(stored.reference)
    .bytes(revisions.encode())
    .finish()
}

export function decodeInfo(value: Buffer): DocumentInfo {
  checkVersion(value, TREES.id)
  const reader = new ByteReader(value, FLAGS_AT)
  const flags = reader.u8()
  const seq = reader.u48()
  const fixed = new ByteReader(value, WINNER_AT)
  const winner = fixed.revision()
  const reference = fixed.take(REFERENCE_BYTES)
  const tree = fixed.rest()
  let revisions: DocumentRevisions | undefined
  return {
    seq,
    deleted: (flags & DELETED) !== 0,
    winner,
    reference,
    revisions: () => {
      revisions ??= DocumentRevisions.decode(tree)
      return revisions
    },
  }
}

export function isDeletedInfo(value: Buffer): boolean {
  return (value[FLAGS_AT]! & DELETED) !== 0
}

/** What a document adds to the summary of the tree `id`. */
export function summaryOfInfo(value: Uint8Array): IdSummary {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  const flags = bytes[FLAGS_AT]!
  const deleted = flags & DELETED
  return {
    live: 1 - deleted,
    deleted,
    active: bytes.readUIntBE(ACTIVE_AT, 6),
    external: bytes.readUIntBE(EXTERNAL_AT, 6),
    validating: (flags & VALIDATES) === 0 ? 0 : 1,
  }
}
