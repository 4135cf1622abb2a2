/**
 * A node that differs from what the file holds. Invariants:
 * - It is changed only while nobody else can see it (tree.ts says when); otherwise it is copied first.
 * - `children[i]` is set for every child that is, or was when it was linked, in memory; the cell's payload is
 *   then stale and the child's own pointer counts. Otherwise the payload holds the child's pointer.
 * - Once `pointer` is set the node is in the file, durably; its page is released and must not be looked at.
 */
import type { ByteWriter } from './bytes.ts'
import { NODE_HEADER_BYTES, NODE_INNER, NODE_LEAF, NODE_WIDE, POINTER_BYTES } from './format.ts'
import {
  CellView,
  cellCount,
  cellLength,
  cellOffset,
  encodePointer,
  isLeaf,
  type NodePointer,
  readCell,
  setCellCount,
  setSlot,
  slotWidth,
  writeCell,
} from './page.ts'
import { referenceLength } from './reference.ts'

const EMPTY = Buffer.alloc(0)
const PLACEHOLDER = Buffer.alloc(POINTER_BYTES)
const view = new CellView()
const other = new CellView()

/** Bytes of objects counted for each node in memory beside its page. */
const NODE_OVERHEAD_BYTES = 250

/** A page of the file, held by nobody else, and where its cells begin. There is no gap between them. */
export interface OwnPage {
  page: Buffer
  top: number
}

export class MutableNode {
  readonly leaf: boolean
  page: Buffer
  /** Cells lie from here to the end of the page. */
  top: number
  /** Bytes of removed cells among them. */
  garbage = 0
  children: (MutableNode | undefined)[] | undefined
  epoch: number
  /** The node above in the tree as it is now; a leaf's is known only from its descent to its change. */
  parent: MutableNode | undefined
  /** Cells of a leaf went to or came from another since it was last found by a descent, or it was unlinked. */
  moved = false
  /** Entries below, and the bytes of their keys and values. */
  count = 0
  bytes = 0
  /** The reducer's summary of the entries below; undefined until it is asked for. */
  reduction: Uint8Array | undefined
  pointer: NodePointer | undefined
  /** Where the node lies in the group that is being committed. */
  pending: NodePointer | undefined

  private constructor(leaf: boolean, page: Buffer, epoch: number) {
    this.leaf = leaf
    this.page = page
    this.top = page.length
    this.children = leaf ? undefined : []
    this.epoch = epoch
  }

  /** A node without cells, whose page has `capacity` bytes. */
  static empty(leaf: boolean, capacity: number, epoch: number): MutableNode {
    const page = Buffer.allocUnsafeSlow(capacity)
    page[0] = leaf ? NODE_LEAF : NODE_INNER
    page[1] = capacity > 0xffff ? NODE_WIDE : 0
    setCellCount(page, 0)
    return new MutableNode(leaf, page, epoch)
  }

  /** A leaf that takes a page over which nobody else sees any more. */
  static fromOwnPage(own: OwnPage, count: number, bytes: number, epoch: number): MutableNode {
    const node = new MutableNode(true, own.page, epoch)
    node.top = own.top
    node.count = count
    node.bytes = bytes
    return node
  }

  /** A changeable copy of a page of the file. */
  static fromPage(page: Buffer, count: number, bytes: number, epoch: number): MutableNode {
    const cells = cellCount(page)
    const node = MutableNode.empty(isLeaf(page), page.length + Math.max(page.length >>> 2, 256), epoch)
    if (slotWidth(page) === slotWidth(node.page)) {
      const slotsEnd = NODE_HEADER_BYTES + cells * slotWidth(page)
      const shift = node.page.length - page.length
      page.copy(node.page, slotsEnd + shift, slotsEnd)
      for (let i = 0; i < cells; i++) setSlot(node.page, i, cellOffset(page, i) + shift)
      setCellCount(node.page, cells)
      node.top = slotsEnd + shift
    } else {
      for (let i = 0; i < cells; i++) {
        readCell(page, cellOffset(page, i), view)
        node.#place(i, page, view.start, view.end - view.start)
      }
    }
    if (node.children !== undefined) node.children = new Array<undefined>(cells).fill(undefined)
    node.count = count
    node.bytes = bytes
    return node
  }

  /** A copy that may be changed in `epoch`; the children are shared. */
  clone(epoch: number): MutableNode {
    const page = Buffer.allocUnsafeSlow(this.page.length)
    this.page.copy(page)
    const copy = new MutableNode(this.leaf, page, epoch)
    copy.top = this.top
    copy.garbage = this.garbage
    copy.children = this.children?.slice()
    copy.count = this.count
    copy.bytes = this.bytes
    copy.reduction = this.reduction
    this.parent = undefined
    if (copy.children !== undefined) {
      for (const child of copy.children) if (child !== undefined && !child.leaf) child.parent = copy
    }
    return copy
  }

  get cells(): number {
    return cellCount(this.page)
  }

  /** Bytes of memory that the node takes. */
  get memoryBytes(): number {
    return this.page.length + NODE_OVERHEAD_BYTES + (this.children?.length ?? 0) * 8
  }

  /** Bytes that the node would take in the file, without the reductions of its children. */
  get size(): number {
    const cells = this.cells
    return NODE_HEADER_BYTES + cells * slotWidth(this.page) + this.page.length - this.top - this.garbage
  }

  /** Inserts the cell at `source[start, start + length)` before cell `index`. */
  insertCell(index: number, source: Uint8Array, start: number, length: number): void {
    const slotsEnd = NODE_HEADER_BYTES + (this.cells + 1) * slotWidth(this.page)
    if (this.top - length < slotsEnd) this.#makeRoom(length)
    this.#place(index, source, start, length)
  }

  #place(index: number, source: Uint8Array, start: number, length: number): void {
    const page = this.page
    const cells = cellCount(page)
    const width = slotWidth(page)
    this.top -= length
    copyBytes(source, start, page, this.top, length)
    const slot = NODE_HEADER_BYTES + index * width
    if (index < cells) page.copyWithin(slot + width, slot, NODE_HEADER_BYTES + cells * width)
    setSlot(page, index, this.top)
    setCellCount(page, cells + 1)
  }

  removeCell(index: number): void {
    const page = this.page
    const cells = cellCount(page)
    const width = slotWidth(page)
    readCell(page, cellOffset(page, index), view)
    this.garbage += view.end - view.start
    const slot = NODE_HEADER_BYTES + index * width
    page.copyWithin(slot, slot + width, NODE_HEADER_BYTES + cells * width)
    setCellCount(page, cells - 1)
  }

  replaceCell(index: number, source: Uint8Array, start: number, length: number): void {
    const page = this.page
    readCell(page, cellOffset(page, index), view)
    const old = view.end - view.start
    if (length <= old) {
      copyBytes(source, start, page, view.start, length)
      this.garbage += old - length
      return
    }
    this.removeCell(index)
    this.insertCell(index, source, start, length)
  }

  /** Moves the cells together, into a larger page when they would not fit otherwise. */
  #makeRoom(extra: number): void {
    const old = this.page
    const needed = this.size + extra + 4
    if (needed + 64 > old.length) {
      const capacity = Math.ceil(needed * 1.4) + 64
      const page = Buffer.allocUnsafeSlow(capacity)
      page[0] = old[0]!
      page[1] = capacity > 0xffff ? NODE_WIDE : 0
      this.#gather(old, page)
      return
    }
    if (scratch.length < old.length) scratch = Buffer.allocUnsafeSlow(old.length)
    old.copy(scratch)
    this.#gather(scratch, old)
  }

  /** Fills `page`, whose flags are set, with the cells of `from`, which lie in it as they lie in `this.page`. */
  #gather(from: Buffer, page: Buffer): void {
    const cells = cellCount(from)
    let top = page.length
    for (let i = cells - 1; i >= 0; i--) {
      readCell(from, cellOffset(from, i), other)
      top -= other.end - other.start
      copyBytes(from, other.start, page, top, other.end - other.start)
      setSlot(page, i, top)
    }
    setCellCount(page, cells)
    this.page = page
    this.top = top
    this.garbage = 0
  }

  /** Inserts a child before child `index`, or behind the last. */
  insertChild(index: number, key: Uint8Array, child: MutableNode): void {
    const cell = Buffer.allocUnsafe(cellLength(key.length, POINTER_BYTES))
    writeCell(cell, 0, key, PLACEHOLDER, false)
    this.insertCell(index, cell, 0, cell.length)
    this.children!.splice(index, 0, child)
    child.parent = this
  }

  removeChild(index: number): void {
    this.removeCell(index)
    this.children!.splice(index, 1)
  }

  /** What child `index` adds up to. */
  childSummary(index: number): { count: number; bytes: number } {
    const child = this.children![index]
    if (child !== undefined) return child
    readCell(this.page, cellOffset(this.page, index), view)
    return {
      count: this.page.readUIntLE(view.payloadStart + 18, 6),
      bytes: this.page.readUIntLE(view.payloadStart + 24, 6),
    }
  }

  /** Bytes that child `index` takes, or would take, in the file. */
  childSize(index: number): number {
    const child = this.children![index]
    if (child !== undefined) return child.pointer === undefined ? child.size : child.pointer.length
    readCell(this.page, cellOffset(this.page, index), view)
    return this.page.readUInt32LE(view.payloadStart + 6)
  }

  /** Moves the cells from `from` on into a new node and returns it. */
  splitOff(from: number): MutableNode {
    const cells = this.cells
    const right = MutableNode.empty(this.leaf, Math.max(this.page.length, 1024), this.epoch)
    for (let i = from; i < cells; i++) right.appendFrom(this, i, undefined)
    for (let i = from; i < cells; i++) {
      readCell(this.page, cellOffset(this.page, i), view)
      this.garbage += view.end - view.start
    }
    setCellCount(this.page, from)
    if (this.children !== undefined) this.children.length = from
    this.count -= right.count
    this.bytes -= right.bytes
    this.reduction = undefined
    return right
  }

  /** Appends cell `index` of `source`, under another key when one is given, and counts what it holds. */
  appendFrom(source: MutableNode, index: number, key: Uint8Array | undefined): void {
    readCell(source.page, cellOffset(source.page, index), other)
    if (this.leaf) {
      this.count += 1
      this.bytes += leafCellBytes(source.page, other)
      this.insertCell(this.cells, source.page, other.start, other.end - other.start)
      return
    }
    const summary = source.childSummary(index)
    this.count += summary.count
    this.bytes += summary.bytes
    readCell(source.page, cellOffset(source.page, index), other)
    if (key === undefined) {
      this.insertCell(this.cells, source.page, other.start, other.end - other.start)
    } else {
      const payload = source.page.subarray(other.payloadStart, other.end)
      const cell = Buffer.allocUnsafe(cellLength(key.length, payload.length))
      writeCell(cell, 0, key, payload, false)
      this.insertCell(this.cells, cell, 0, cell.length)
    }
    const child = source.children![index]
    this.children!.push(child)
    if (child !== undefined && (!child.leaf || child.parent === source)) child.parent = this
  }

  /** Appends the page to `target` as it goes into the file: nothing between the cells. */
  serialize(target: ByteWriter): void {
    const page = this.page
    const cells = cellCount(page)
    if (this.leaf && this.garbage === 0 && this.#appendWhole(target)) return
    const pointers = this.leaf ? undefined : this.#childPointers(cells)
    let length = 0
    for (let i = 0; i < cells; i++) {
      readCell(page, cellOffset(page, i), view)
      if (pointers === undefined) length += view.end - view.start
      else length += cellLength(i === 0 ? 0 : view.keyEnd - view.keyStart, pointers[i]!.length)
    }
    const narrow = NODE_HEADER_BYTES + cells * 2 + length
    const wide = narrow > 0xffff
    const total = wide ? narrow + cells * 2 : narrow
    target.reserve(total)
    const start = target.length
    const out = target.bytes.subarray(start, start + total)
    out[0] = page[0]!
    out[1] = wide ? NODE_WIDE : 0
    setCellCount(out, cells)
    out.writeUInt32LE(total, 4)
    let at = NODE_HEADER_BYTES + cells * (wide ? 4 : 2)
    for (let i = 0; i < cells; i++) {
      setSlot(out, i, at)
      readCell(page, cellOffset(page, i), view)
      if (pointers === undefined) {
        page.copy(out, at, view.start, view.end)
        at += view.end - view.start
      } else {
        // The first key of an inner node is never looked at: it is left out.
        const key = i === 0 ? EMPTY : page.subarray(view.keyStart, view.keyEnd)
        at = writeCell(out, at, key, pointers[i]!, false)
      }
    }
    target.length += total
  }

  /** A leaf without gaps is copied as it lies, only its slots are moved; false when they would change width. */
  #appendWhole(target: ByteWriter): boolean {
    const page = this.page
    const cells = cellCount(page)
    const width = slotWidth(page)
    const slotsEnd = NODE_HEADER_BYTES + cells * width
    const total = slotsEnd + page.length - this.top
    if (total > 0xffff !== (width === 4)) return false
    target.reserve(total)
    const out = target.bytes
    const start = target.length
    page.copy(out, start + slotsEnd, this.top)
    out[start] = page[0]!
    out[start + 1] = page[1]!
    out[start + 2] = page[2]!
    out[start + 3] = page[3]!
    out.writeUInt32LE(total, start + 4)
    const shift = this.top - slotsEnd
    for (let i = 0; i < cells; i++) {
      const offset = cellOffset(page, i) - shift
      const at = start + NODE_HEADER_BYTES + i * width
      out[at] = offset
      out[at + 1] = offset >>> 8
      if (width === 2) continue
      out[at + 2] = offset >>> 16
      out[at + 3] = offset >>> 24
    }
    target.length += total
    return true
  }

  #childPointers(cells: number): Buffer[] {
    const pointers: Buffer[] = []
    for (let i = 0; i < cells; i++) {
      const child = this.children![i]
      if (child === undefined) {
        readCell(this.page, cellOffset(this.page, i), view)
        pointers.push(this.page.subarray(view.payloadStart, view.end))
      } else {
        pointers.push(encodePointer((child.pointer ?? child.pending)!))
      }
    }
    return pointers
  }

  /** The node is in the file: nothing of it is needed in memory. */
  release(pointer: NodePointer): void {
    this.pointer = pointer
    this.pending = undefined
    this.page = EMPTY
    this.children = undefined
    this.parent = undefined
  }
}

/** Where a page is set aside while its cells are moved together. */
let scratch = Buffer.allocUnsafeSlow(16 * 1024)

/** Most cells are short: they are copied without leaving JavaScript. */
function copyBytes(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (length > 160) target.set(source.subarray(from, from + length), to)
  else for (let i = 0; i < length; i++) target[to + i] = source[from + i]!
}

/** Bytes of the key and the value of a leaf's cell, out of line or not. */
export function leafCellBytes(page: Buffer, cell: CellView): number {
  const keyBytes = cell.keyEnd - cell.keyStart
  return cell.isReference
    ? keyBytes + referenceLength(page, cell.payloadStart)
    : keyBytes + cell.end - cell.payloadStart
}
