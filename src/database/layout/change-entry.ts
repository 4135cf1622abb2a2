/**
 * A value of the tree `seq`, keyed by the number of the change: all that a row of `_changes` shows, and the
 * winner's body, so that neither needs the tree `id`. `n` and `s` are numbers of `byte-codec.ts`.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | n | number of leaves, at least 1, best first |
 * | each | u8, 1 when deleted, 2 (of the first) with attachments; s generation; n length and bytes of the id |
 * | 16 bytes | reference of the winner's body |
 * | the rest | document id, UTF-8 |
 */
import type { Reference } from '../../../native-free-btree/index.ts'
import { ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { Revision } from '../revisions/revision-id.ts'
import { checkVersion, TREES, VALUE_VERSION } from './layout.ts'
import { REFERENCE_BYTES } from './stored-body.ts'

const DELETED = 1
const ATTACHMENTS = 2

export interface LeafSummary {
  revision: Revision
  deleted: boolean
}

export interface ChangeEntry {
  id: string
  /** Every leaf, the winner first. */
  leaves: LeafSummary[]
  /** The winner's body. */
  reference: Reference
  /** Whether the winner has any: the tree `id` tells which. */
  attachments: boolean
}

const writer = new ByteWriter()

/** `key` is the document's id in UTF-8. */
export function encodeChangeEntry(
  key: Uint8Array,
  leaves: readonly LeafSummary[],
  reference: Reference,
  attachments: boolean,
): Buffer {
  writer.begin()
  writer.u8(VALUE_VERSION)
  writer.number(leaves.length)
  let flags = attachments ? ATTACHMENTS : 0
  for (const { revision, deleted } of leaves) {
    writer.u8(flags | (deleted ? DELETED : 0))
    flags = 0
    writer.signed(revision.pos)
    writer.number(revision.id.length)
    writer.byteString(revision.id)
  }
  writer.bytes(reference)
  writer.bytes(key)
  return writer.take()
}

function decodeLeaf(reader: ByteReader): LeafSummary {
  const deleted = (reader.u8() & DELETED) !== 0
  const pos = reader.signed()
  return { revision: { pos, id: reader.byteString(reader.number()) }, deleted }
}

/** The entry with another reference of the same length. */
export function withReference(value: Buffer, reference: Reference): Buffer {
  const before = decodeChangeEntry(value).reference
  const copy = Buffer.from(value)
  copy.set(reference, before.byteOffset - value.byteOffset)
  return copy
}

/** Where the parts of an entry lie, and its numbers: filled by `placeChange`, used again for many. */
export class ChangePlace {
  leafCount = 0
  /** Of the winner. */
  pos = 0
  revisionStart = 0
  revisionEnd = 0
  deleted = false
  attachments = false
  referenceStart = 0
  /** The document's id goes from here to the end. */
  idStart = 0
}

const placeReader = new ByteReader(Buffer.alloc(0))

/** Says where the parts of the entry from `start` to `end` of `bytes` lie, and makes no object. Throws as `decodeChangeEntry`. */
export function placeChange(bytes: Buffer, start: number, end: number, into: ChangePlace): void {
  if (bytes[start] !== VALUE_VERSION) checkVersion(bytes.subarray(start, end), TREES.seq)
  const reader = placeReader
  reader.moveTo(bytes, start + 1, end)
  const count = reader.number()
  if (count === 0) throw noRevision()
  into.leafCount = count
  const flags = reader.u8()
  into.deleted = (flags & DELETED) !== 0
  into.attachments = (flags & ATTACHMENTS) !== 0
  into.pos = reader.signed()
  const idBytes = reader.number()
  into.revisionStart = reader.skip(idBytes)
  into.revisionEnd = into.revisionStart + idBytes
  for (let i = 1; i < count; i++) {
    reader.skip(1)
    reader.number()
    reader.skip(reader.number())
  }
  into.referenceStart = reader.skip(REFERENCE_BYTES)
  into.idStart = reader.position
}

function noRevision(): DatabaseError {
  return new DatabaseError('storageDamaged', 'a change without a revision')
}

/** `reference` is a view. Throws storage_damaged or ByteFormatError for bytes that are no entry. */
export function decodeChangeEntry(value: Buffer): ChangeEntry {
  checkVersion(value, TREES.seq)
  const reader = new ByteReader(value)
  reader.skip(1)
  const count = reader.number()
  if (count === 0) throw noRevision()
  const attachments = (value[reader.skip(0)]! & ATTACHMENTS) !== 0
  const leaves: LeafSummary[] = []
  while (leaves.length < count) leaves.push(decodeLeaf(reader))
  const reference = reader.bytes(REFERENCE_BYTES)
  return { id: value.toString('utf8', reader.skip(0)), leaves, reference, attachments }
}
