/**
 * A node that differs from what the file holds. Invariants:
 * - It is changed only while its `epoch` is its tree's; a node that a snapshot or a checkpoint can see has an
 *   older one and is copied first.
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

export class MutableNode {
  readonly leaf: boolean
  page: Buffer
  /** Cells lie from here to the end of the page. */
  top: number
  /** Bytes of removed cells among them. */
  garbage = 0
  children: (MutableNode | undefined)[] | undefined
  epoch: number
  /** Entries below, and the bytes of their keys and values. */
  count = 0
  bytes = 0
  /** The reducer's summary of the entries below; undefined until it is asked for. */
  reduction: Uint8Array | undefined
  pointer: NodePointer | undefined
  /** Where the node lies in the group that is being committed. */
  pending: NodePointer | undefined

  constructor(leaf: boolean, capacity: number, epoch: number) {
    this.leaf = leaf
    this.page = Buffer.allocUnsafeSlow(capacity)
    this.page[0] = leaf ? NODE_LEAF : NODE_INNER
    this.page[1] = capacity > 0xffff ? NODE_WIDE : 0
    setCellCount(this.page, 0)
    this.top = capacity
    this.children = leaf ? undefined : []
    this.epoch = epoch
  }

  /** A changeable copy of a page of the file. */
  static fromPage(page: Buffer, count: number, bytes: number, epoch: number): MutableNode {
    const cells = cellCount(page)
    const node = new MutableNode(isLeaf(page), page.length + Math.max(page.length >>> 2, 256), epoch)
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
    const copy = new MutableNode(this.leaf, this.page.length, epoch)
    this.page.copy(copy.page)
    copy.top = this.top
    copy.garbage = this.garbage
    copy.children = this.children?.slice()
    copy.count = this.count
    copy.bytes = this.bytes
    copy.reduction = this.reduction
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
    for (let i = 0, to = this.top, from = start; i < length; i++) page[to++] = source[from++]!
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
      for (let i = 0, to = view.start, from = start; i < length; i++) page[to++] = source[from++]!
      this.garbage += old - length
      return
    }
    this.removeCell(index)
    this.insertCell(index, source, start, length)
  }

  /** Moves the cells together, into a larger page when they would not fit otherwise. */
  #makeRoom(extra: number): void {
    const old = this.page
    const cells = cellCount(old)
    const needed = this.size + extra + 4
    const capacity = needed + 64 <= old.length ? old.length : Math.ceil(needed * 1.4) + 64
    const page = Buffer.allocUnsafeSlow(capacity)
    page[0] = old[0]!
    page[1] = capacity > 0xffff ? NODE_WIDE : 0
    let top = capacity
    for (let i = cells - 1; i >= 0; i--) {
      readCell(old, cellOffset(old, i), other)
      top -= other.end - other.start
      old.copy(page, top, other.start, other.end)
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
    const right = new MutableNode(this.leaf, Math.max(this.page.length, 1024), this.epoch)
    for (let i = from; i < cells; i++) right.appendFrom(this, i, undefined)
    for (let i = cells - 1; i >= from; i--) {
      if (this.leaf) this.removeCell(i)
      else this.removeChild(i)
    }
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
    this.children!.push(source.children![index])
  }

  /** Appends the page to `target` as it goes into the file: cells in order, nothing between them. */
  serialize(target: ByteWriter): void {
    const page = this.page
    const cells = cellCount(page)
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
  }
}

/** Bytes of the key and the value of a leaf's cell, out of line or not. */
export function leafCellBytes(page: Buffer, cell: CellView): number {
  const keyBytes = cell.keyEnd - cell.keyStart
  return cell.isReference
    ? keyBytes + referenceLength(page, cell.payloadStart)
    : keyBytes + cell.end - cell.payloadStart
}
