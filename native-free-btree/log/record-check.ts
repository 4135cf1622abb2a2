/**
 * The last look at a group's records before they are written: a group that could not be read back must not reach the
 * file, since everything behind it would be lost with it. It walks the records as replay does and touches no value, so it
 * costs little beside the sync.
 */
import { invariant } from '../errors.ts'
import {
  BLOCK_HEADER_BYTES,
  GROUP_ALIGNMENT,
  GROUP_HEADER_BYTES,
  MAX_KEY_BYTES,
  RECORD_CHECKPOINT,
  RECORD_DELETE,
  RECORD_INDEX,
  RECORD_NODE,
  RECORD_PUT,
  RECORD_TREE,
  RECORD_VALUE,
  VALUE_HEADER_BYTES,
} from '../format.ts'
import { CellView, readCell } from '../page/cell.ts'

const view = new CellView()
/** Where the number read last ends. */
let behind = 0

/** Throws INVARIANT unless `group` is its header, so many records, and less than one step of zeros. */
export function assertRecords(group: Buffer, recordCount: number): void {
  let at = GROUP_HEADER_BYTES
  for (let left = recordCount; left > 0; left--) {
    invariant(at < group.length, 'a group that ends before its records do')
    at = recordEnd(group, at)
  }
  const padding = group.length - at
  invariant(
    padding >= 0 && padding < GROUP_ALIGNMENT,
    `a group of ${group.length} bytes with records up to ${at}`,
  )
  for (; at < group.length; at++) invariant(group[at] === 0, 'a group with bytes behind its records')
}

/** The offset behind the record at `start`; beyond the group where its fields make no sense. */
function recordEnd(group: Buffer, start: number): number {
  const type = group[start]!
  switch (type) {
    case RECORD_PUT: {
      const id = varint(group, start + 1)
      invariant(id > 0 && behind < group.length, 'a put without a tree')
      readCell(group, behind, view)
      invariant(view.keyEnd - view.keyStart <= MAX_KEY_BYTES, 'a put with too long a key')
      return view.end
    }
    case RECORD_DELETE: {
      const id = varint(group, start + 1)
      invariant(id > 0 && behind < group.length, 'a deletion without a tree')
      const length = varint(group, behind)
      invariant(length <= MAX_KEY_BYTES, 'a deletion with too long a key')
      return behind + length
    }
    case RECORD_VALUE:
    case RECORD_INDEX:
      return start + VALUE_HEADER_BYTES + lengthAt(group, start + 1)
    case RECORD_NODE:
    case RECORD_CHECKPOINT:
    case RECORD_TREE:
      return start + BLOCK_HEADER_BYTES + lengthAt(group, start + 1)
    default:
      return invariant(false, `a record of type ${type}`) as never
  }
}

function lengthAt(group: Buffer, at: number): number {
  invariant(at + 4 <= group.length, 'a record that is cut off')
  return group.readUInt32LE(at)
}

function varint(group: Buffer, start: number): number {
  let at = start
  let value = 0
  for (let scale = 1; scale < 2 ** 49; scale *= 128) {
    const byte = group[at++] ?? 0
    value += (byte & 127) * scale
    if (byte < 128) break
  }
  behind = at
  return value
}
