/**
 * What a document's rows are keyed by, kept so that they can be taken away when the document changes. A value of the tree `ids`:
 * of each tree of rows, in order, the number of rows and of each row, by the row's number, the length of the sort key and its bytes. Numbers are of
 * `byte-codec.ts`; trees without rows at the end are left out.
 */
import { ByteReader, ByteWriter } from '../base/byte-codec.ts'

const writer = new ByteWriter()

/** Of a document that has one row, in the first tree. */
export function encodeOneRow(key: Uint8Array): Buffer {
  const { length } = key
  if (length >= 0x80) return encodeDocumentRows([[key]])!
  const bytes = Buffer.allocUnsafe(length + 2)
  bytes[0] = 1
  bytes[1] = length
  bytes.set(key, 2)
  return bytes
}

/** By tree. Undefined where there is no row. */
export function encodeDocumentRows(trees: readonly (readonly Uint8Array[])[]): Buffer | undefined {
  let last = trees.length
  while (last > 0 && trees[last - 1]!.length === 0) last -= 1
  if (last === 0) return undefined
  writer.begin()
  for (let tree = 0; tree < last; tree++) {
    const keys = trees[tree]!
    writer.number(keys.length)
    for (const key of keys) {
      writer.number(key.length)
      writer.bytes(key)
    }
  }
  return writer.take()
}

/** Views of the bytes. Throws ByteFormatError. */
export function decodeDocumentRows(bytes: Uint8Array): Uint8Array[][] {
  const reader = new ByteReader(bytes)
  const trees: Uint8Array[][] = []
  while (!reader.atEnd) {
    const keys: Uint8Array[] = []
    for (let left = reader.number(); left > 0; left--) keys.push(reader.bytes(reader.number()))
    trees.push(keys)
  }
  return trees
}
