/**
 * A value of the tree `seq`, keyed by the number of the change: all that a row of `_changes` shows, and the
 * winner's body, so that neither needs the tree `id`.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | u8 | flags: 1 the document is deleted; others 0 |
 * | revision | the winner |
 * | 16 bytes | reference of the winner's body |
 * | varint | number of the other leaves, best first |
 * | each | u8, 1 when deleted; revision |
 * | the rest | document id, UTF-8 |
 */
import type { Reference } from '../../native-free-btree/index.ts'
import { ByteReader, ByteWriter, REFERENCE_BYTES } from './bytes.ts'
import { checkVersion, TREES, VALUE_VERSION } from './layout.ts'
import type { Revision } from './revision-id.ts'

const DELETED = 1

export interface LeafSummary {
  revision: Revision
  deleted: boolean
}

export interface ChangeEntry {
  id: string
  /** Every leaf, the winner first. */
  leaves: LeafSummary[]
  reference: Reference
}

export function encodeChangeEntry(entry: ChangeEntry): Buffer {
  const [winner, ...others] = entry.leaves
  const writer = new ByteWriter()
    .u8(VALUE_VERSION)
    .u8(winner!.deleted ? DELETED : 0)
    .revision(winner!.revision)
    .bytes(entry.reference)
    .varint(others.length)
  for (const leaf of others) writer.u8(leaf.deleted ? DELETED : 0).revision(leaf.revision)
  return writer.bytes(Buffer.from(entry.id)).finish()
}

export function decodeChangeEntry(value: Buffer): ChangeEntry {
  checkVersion(value, TREES.seq)
  const reader = new ByteReader(value, 1)
  const deleted = (reader.u8() & DELETED) !== 0
  const leaves: LeafSummary[] = [{ revision: reader.revision(), deleted }]
  const reference = reader.take(REFERENCE_BYTES)
  for (let left = reader.varint(); left > 0; left -= 1) {
    const other = (reader.u8() & DELETED) !== 0
    leaves.push({ revision: reader.revision(), deleted: other })
  }
  return { id: reader.rest().toString(), leaves, reference }
}
