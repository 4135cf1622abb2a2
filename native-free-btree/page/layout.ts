import type { Compare } from '../callbacks.ts'
/**
 * Nodes as bytes, searched without being decoded. A page is
 *
 *   0  u8   kind: 1 leaf, 2 inner
 *   1  u8   flags: bit 0, the offsets in the slots are four bytes wide instead of two
 *   2  u16  number of cells, n
 *   4  u32  length of the page (in memory nobody looks at it)
 *   8  u16  prefix: the keys share at least so many bytes at their beginning
 *   10 u16  zero
 *   12      n slots in key order: the offset of a cell; its head, the four bytes of its key behind the prefix,
 *           zeros where the key has ended
 *           the cells
 *
 * A search looks at the heads, which lie side by side, and at the cells only where heads are equal: a cell is a
 * miss of the processor's caches. Trees with a comparator of their own do not use them.
 *
 * A cell is: varint key length; varint tag; key; payload. In a leaf the tag is 2 * length of the value, with
 * the value behind it, or 1 + 2 * 16 with a reference behind it. In an inner node the tag is 2 * length of
 * the payload, which is a child's pointer: position u48, length u32, hash u64, count u48, bytes u48, then the
 * reduction. The key of an inner cell is a lower bound of the child's keys and above all keys to its left;
 * that of the first cell is not looked at, and has no part in the prefix.
 *
 * Cells lie in any order, and no byte is between them. The same layout serves in memory for nodes that change:
 * there cells may lie anywhere behind the slots, with gaps.
 */
import { varintLength, writeVarint } from '../disk/bytes.ts'
import { NODE_HEADER_BYTES, NODE_INNER, NODE_LEAF, NODE_WIDE, POINTER_BYTES } from '../format.ts'

/** Where the parts of one cell lie; filled by `readCell`, reused to spare garbage. */
export class CellView {
  start = 0
  keyStart = 0
  keyEnd = 0
  payloadStart = 0
  end = 0
  isReference = false
}

export function cellCount(page: Uint8Array): number {
  return page[2]! | (page[3]! << 8)
}

export function isLeaf(page: Uint8Array): boolean {
  return page[0] === NODE_LEAF
}

/** Bytes of a slot. */
export function slotWidth(page: Uint8Array): number {
  return (page[1]! & NODE_WIDE) === 0 ? 6 : 8
}

export function cellOffset(page: Uint8Array, index: number): number {
  if ((page[1]! & NODE_WIDE) === 0) {
    const at = NODE_HEADER_BYTES + index * 6
    return page[at]! | (page[at + 1]! << 8)
  }
  const at = NODE_HEADER_BYTES + index * 8
  return (page[at]! | (page[at + 1]! << 8) | (page[at + 2]! << 16)) + page[at + 3]! * 0x1000000
}

/** Sets the offset in a slot; the head stays. */
export function setSlot(page: Uint8Array, index: number, offset: number): void {
  if ((page[1]! & NODE_WIDE) === 0) {
    const at = NODE_HEADER_BYTES + index * 6
    page[at] = offset
    page[at + 1] = offset >>> 8
    return
  }
  const at = NODE_HEADER_BYTES + index * 8
  page[at] = offset
  page[at + 1] = offset >>> 8
  page[at + 2] = offset >>> 16
  page[at + 3] = offset >>> 24
}

/** Bytes that the keys of a page share, as far as its heads know. */
export function prefixLength(page: Uint8Array): number {
  return page[8]! | (page[9]! << 8)
}

export function setPrefixLength(page: Uint8Array, length: number): void {
  page[8] = length
  page[9] = length >>> 8
}

/** Four bytes of `bytes` from `from` on as a number, zeros from `end` on. */
export function headOf(bytes: Uint8Array, from: number, end: number): number {
  if (from + 4 <= end) {
    return (
      ((bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!) >>> 0
    )
  }
  let head = 0
  for (let i = from; i < from + 4; i++) head = head * 256 + (i < end ? bytes[i]! : 0)
  return head
}

/** The head in the slot whose end is `slotEnd`. */
function headBefore(page: Uint8Array, slotEnd: number): number {
  return (
    ((page[slotEnd - 4]! << 24) |
      (page[slotEnd - 3]! << 16) |
      (page[slotEnd - 2]! << 8) |
      page[slotEnd - 1]!) >>>
    0
  )
}

export function headAt(page: Uint8Array, index: number): number {
  return headBefore(page, NODE_HEADER_BYTES + (index + 1) * slotWidth(page))
}

export function setHead(page: Uint8Array, index: number, head: number): void {
  const end = NODE_HEADER_BYTES + (index + 1) * slotWidth(page)
  page[end - 4] = head >>> 24
  page[end - 3] = head >>> 16
  page[end - 2] = head >>> 8
  page[end - 1] = head
}

/** Where the slots of a page end. */
export function slotsEnd(page: Uint8Array): number {
  return NODE_HEADER_BYTES + cellCount(page) * slotWidth(page)
}

export function setCellCount(page: Uint8Array, count: number): void {
  page[2] = count
  page[3] = count >>> 8
}

/** Reads the cell at `offset` of `bytes`, a page or a record. */
export function readCell(bytes: Uint8Array, offset: number, into: CellView): CellView {
  let at = offset
  let byte = bytes[at++]!
  let keyLength = byte & 127
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = bytes[at++]!
    keyLength += (byte & 127) * scale
  }
  byte = bytes[at++]!
  let tag = byte & 127
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = bytes[at++]!
    tag += (byte & 127) * scale
  }
  into.start = offset
  into.keyStart = at
  into.keyEnd = at + keyLength
  into.payloadStart = at + keyLength
  into.isReference = (tag & 1) === 1
  into.end = at + keyLength + Math.floor(tag / 2)
  return into
}

const scratch = new CellView()

/** The key of cell `index`: a view into the page. */
export function cellKey(page: Buffer, index: number): Buffer {
  readCell(page, cellOffset(page, index), scratch)
  return page.subarray(scratch.keyStart, scratch.keyEnd)
}

/** Bytewise order of the key of the cell at `offset` against bytes `start` to `end` of `key`. */
export function compareCellKey(
  page: Uint8Array,
  offset: number,
  key: Uint8Array,
  start = 0,
  end = key.length,
): number {
  let at = offset
  let byte = page[at++]!
  let length = byte & 127
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = page[at++]!
    length += (byte & 127) * scale
  }
  while (page[at++]! >= 128);
  const keyLength = end - start
  const shared = Math.min(length, keyLength)
  for (let i = 0; i < shared; i++) {
    const difference = page[at + i]! - key[start + i]!
    if (difference !== 0) return difference
  }
  return length - keyLength
}

/**
 * Order of the key of cell `index` against the key that lies in `key` from `start` to `end`.
 * `compare` undefined means bytewise order.
 */
export function orderOfCell(
  page: Buffer,
  index: number,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  return compare === undefined
    ? compareCellKey(page, cellOffset(page, index), key, start, end)
    : compare(cellKey(page, index), partOf(key, start, end))
}

function partOf(key: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === key.length ? key : key.subarray(start, end)
}

/**
 * Order of the prefix of the page's keys, as cell `index` has it, against as many bytes of the key in `key`
 * from `start` to `end`.
 */
function orderOfPrefix(page: Uint8Array, index: number, key: Uint8Array, start: number, end: number): number {
  const prefix = prefixLength(page)
  if (prefix === 0) return 0
  readCell(page, cellOffset(page, index), scratch)
  const at = scratch.keyStart
  const length = end - start
  const shared = Math.min(length, prefix)
  for (let i = 0; i < shared; i++) {
    const difference = page[at + i]! - key[start + i]!
    if (difference !== 0) return difference
  }
  return prefix - shared
}

/** The first slot from `from` on whose head is not below `head`, or, with `above`, is above it. */
function headBound(page: Uint8Array, from: number, head: number, above: boolean): number {
  const width = slotWidth(page)
  let low = from
  let high = cellCount(page)
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = headBefore(page, NODE_HEADER_BYTES + (middle + 1) * width)
    if (other < head || (above && other === head)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The first cell from `from` on whose key is not below the key in `key` from `start` to `end`, or, with `above`, is
 * above it; `cellCount(page)` when there is none. `compare` undefined means bytewise order.
 */
function cellBound(
  page: Buffer,
  from: number,
  key: Uint8Array,
  compare: Compare | undefined,
  start: number,
  end: number,
  above: boolean,
): number {
  const cells = cellCount(page)
  if (from >= cells) return cells
  let low = from
  let high = cells
  if (compare === undefined) {
    const head = headOf(key, start + prefixLength(page), end)
    low = headBound(page, from, head, false)
    const order = orderOfPrefix(page, Math.min(low, cells - 1), key, start, end)
    if (order !== 0) return order > 0 ? from : cells
    if (low === cells || headAt(page, low) !== head) return low
    // Heads seldom repeat: the first is mostly the only one to be looked at.
    const first = compareCellKey(page, cellOffset(page, low), key, start, end)
    if (first > 0 || (first === 0 && !above)) return low
    low += 1
    high = headBound(page, low, head, true)
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = orderOfCell(page, middle, key, compare, start, end)
    if (order < 0 || (above && order === 0)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The first cell whose key is not below the key in `key` from `start` to `end` (`cellCount(page)` when there is
 * none). `compare` undefined means bytewise order.
 */
export function lowerBound(
  page: Buffer,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  return cellBound(page, 0, key, compare, start, end, false)
}

/** Whether cell `index` exists and has exactly this key. */
export function cellHasKey(
  page: Buffer,
  index: number,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): boolean {
  if (index >= cellCount(page)) return false
  return orderOfCell(page, index, key, compare, start, end) === 0
}

/** The child of an inner page whose range holds the key in `key` from `start` to `end`. */
export function childIndex(
  page: Buffer,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  return cellBound(page, 1, key, compare, start, end, true) - 1
}

/** A copy of bytes `start` to `end` of a page. Short ones, the most, are copied without leaving JavaScript. */
export function copyOf(page: Buffer, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  if (length > 96) page.copy(copy, 0, start, end)
  else for (let i = 0; i < length; i++) copy[i] = page[start + i]!
  return copy
}

/** Length of a cell with a key and a payload of these lengths. */
export function cellLength(keyLength: number, payloadLength: number): number {
  return varintLength(keyLength) + varintLength(payloadLength * 2) + keyLength + payloadLength
}

/** Writes a cell and returns the offset behind it. */
export function writeCell(
  target: Uint8Array,
  offset: number,
  key: Uint8Array,
  payload: Uint8Array,
  isReference: boolean,
): number {
  let at = writeVarint(target, offset, key.length)
  at = writeVarint(target, at, payload.length * 2 + (isReference ? 1 : 0))
  at = copyInto(target, at, key)
  return copyInto(target, at, payload)
}

/** Short pieces, the most, are copied without leaving JavaScript. Returns the offset behind the copy. */
function copyInto(target: Uint8Array, offset: number, source: Uint8Array): number {
  const length = source.length
  if (length > 96) target.set(source, offset)
  else for (let i = 0; i < length; i++) target[offset + i] = source[i]!
  return offset + length
}

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
    count: page.readUIntLE(at + 18, 6),
    bytes: page.readUIntLE(at + 24, 6),
    reduction: hasReduction ? Buffer.from(page.subarray(at + POINTER_BYTES, scratch.end)) : undefined,
  }
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

/** Why a page that came from the disk cannot be used, or undefined. Its hash has been verified already. */
export function pageDefect(page: Buffer): string | undefined {
  if (page.length < NODE_HEADER_BYTES) return 'shorter than its header'
  if (page[0] !== NODE_LEAF && page[0] !== NODE_INNER) return `of unknown kind ${page[0]}`
  if (page.readUInt32LE(4) !== page.length) return 'not of the length that it names'
  if (NODE_HEADER_BYTES + cellCount(page) * slotWidth(page) > page.length) return 'too short for its slots'
  return undefined
}
