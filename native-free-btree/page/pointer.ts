/**
 * A node's pointer, the payload that its parent has for it: position u48, length u32, hash u64, count u48, bytes u48, then
 * the reduction.
 */
import { POINTER_BYTES } from '../format.ts'
import { CellView, readCell } from './cell.ts'
import { cellOffset } from './layout.ts'

const scratch = new CellView()
const COUNT_AT = 18
const BYTES_AT = 24
/** Of the two highest bytes of a u48. */
const HIGH_SCALE = 2 ** 32

/** Where a node lies in the file and what its entries add up to. */
export interface NodePointer {
  position: number
  length: number
  hash: bigint
  count: number
  bytes: number
  reduction: Uint8Array | undefined
}

/** Decodes a child's pointer; with `hasReduction` the bytes behind the fixed part are its reduction. */
export function readPointer(page: Buffer, index: number, hasReduction: boolean): NodePointer {
  readCell(page, cellOffset(page, index), scratch)
  const at = scratch.payloadStart
  return {
    position: page.readUIntLE(at, 6),
    length: page.readUInt32LE(at + 6),
    hash: page.readBigUInt64LE(at + 10),
    count: page.readUIntLE(at + COUNT_AT, 6),
    bytes: page.readUIntLE(at + BYTES_AT, 6),
    reduction: hasReduction ? Buffer.from(page.subarray(at + POINTER_BYTES, scratch.end)) : undefined,
  }
}

/** How many entries a child has, without the rest of its pointer. */
export function countBelow(page: Buffer, index: number): number {
  readCell(page, cellOffset(page, index), scratch)
  const at = scratch.payloadStart + COUNT_AT
  return page.readUInt32LE(at) + page.readUInt16LE(at + 4) * HIGH_SCALE
}

/** Bytes of the entries below a child, without the rest of its pointer. */
export function bytesBelow(page: Buffer, index: number): number {
  readCell(page, cellOffset(page, index), scratch)
  return page.readUIntLE(scratch.payloadStart + BYTES_AT, 6)
}

/** A child's reduction, without the rest of its pointer: a view of the page. */
export function reductionBelow(page: Buffer, index: number): Buffer {
  readCell(page, cellOffset(page, index), scratch)
  return page.subarray(scratch.payloadStart + POINTER_BYTES, scratch.end)
}

/** Bytes that a pointer takes. */
export function pointerBytes({ reduction }: NodePointer): number {
  return POINTER_BYTES + (reduction?.length ?? 0)
}

export function encodePointer(pointer: NodePointer): Buffer {
  const bytes = Buffer.allocUnsafe(pointerBytes(pointer))
  writePointer(bytes, 0, pointer)
  return bytes
}

/** Writes a pointer at `at`. */
export function writePointer(target: Buffer, at: number, pointer: NodePointer): void {
  target.writeUIntLE(pointer.position, at, 6)
  target.writeUInt32LE(pointer.length, at + 6)
  target.writeBigUInt64LE(pointer.hash, at + 10)
  target.writeUIntLE(pointer.count, at + 18, 6)
  target.writeUIntLE(pointer.bytes, at + 24, 6)
  if (pointer.reduction !== undefined) target.set(pointer.reduction, at + POINTER_BYTES)
}
