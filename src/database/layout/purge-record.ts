/**
 * A value of the tree `purge`, keyed by the number of the purge (6 bytes); `n` and `s` are numbers of
 * `byte-codec.ts`: u8 version, 1; n number of revisions; each: s generation, n length and bytes of
 * the id; the rest is the document id, UTF-8.
 */
import { ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import { formatRevision, type Revision } from '../revisions/revision-id.ts'
import { checkVersion, TREES, VALUE_VERSION } from './layout.ts'

/** A document and revisions of it, "N-hex". */
export interface PurgeRecord {
  id: string
  revs: string[]
}

const writer = new ByteWriter()

/** `key` is the document's id in UTF-8. */
export function encodePurge(key: Uint8Array, revisions: readonly Revision[]): Buffer {
  writer.begin()
  writer.u8(VALUE_VERSION)
  writer.number(revisions.length)
  for (const { pos, id } of revisions) {
    writer.signed(pos)
    writer.number(id.length)
    writer.byteString(id)
  }
  writer.bytes(key)
  return writer.take()
}

/** Throws storage_damaged or ByteFormatError for bytes that are no purge. */
export function decodePurge(value: Buffer): PurgeRecord {
  checkVersion(value, TREES.purge)
  const reader = new ByteReader(value)
  reader.skip(1)
  const revs: string[] = []
  for (let left = reader.number(); left > 0; left--) {
    const pos = reader.signed()
    revs.push(formatRevision({ pos, id: reader.byteString(reader.number()) }))
  }
  return { id: value.toString('utf8', reader.skip(0)), revs }
}
