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
 * The cells are laid out as cell.ts says. In a leaf a payload is a value or a reference to one, in an inner node a child's
 * pointer (pointer.ts). The key of an inner cell is a lower bound of the child's keys and above all keys to its left;
 * that of the first cell is not looked at, and has no part in the prefix.
 *
 * Cells lie in any order, and no byte is between them. The same layout serves in memory for nodes that change:
 * there cells may lie anywhere behind the slots, with gaps.
 */
import { copyBytes } from '../disk/bytes.ts'
import { NODE_HEADER_BYTES, NODE_INNER, NODE_LEAF, NODE_WIDE } from '../format.ts'
import { CellView, readCell } from './cell.ts'

const scratch = new CellView()

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
export function headBefore(page: Uint8Array, slotEnd: number): number {
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

/** The key of cell `index`: a view into the page. */
export function cellKey(page: Buffer, index: number): Buffer {
  readCell(page, cellOffset(page, index), scratch)
  return page.subarray(scratch.keyStart, scratch.keyEnd)
}

/** Copies a page whose cells begin at `top` into a larger one, the cells to its end. Returns how far they moved. */
export function copyPage(from: Buffer, top: number, to: Buffer): number {
  const shift = to.length - from.length
  copyBytes(from, 0, to, 0, slotsEnd(from))
  copyBytes(from, top, to, top + shift, from.length - top)
  if (shift === 0) return 0
  const cells = cellCount(from)
  for (let i = 0; i < cells; i++) setSlot(to, i, cellOffset(from, i) + shift)
  return shift
}

/** Why a page that came from the disk cannot be used, or undefined. Its hash has been verified already. */
export function pageDefect(page: Buffer): string | undefined {
  if (page.length < NODE_HEADER_BYTES) return 'shorter than its header'
  if (page[0] !== NODE_LEAF && page[0] !== NODE_INNER) return `of unknown kind ${page[0]}`
  if (page.readUInt32LE(4) !== page.length) return 'not of the length that it names'
  if (NODE_HEADER_BYTES + cellCount(page) * slotWidth(page) > page.length) return 'too short for its slots'
  return undefined
}
