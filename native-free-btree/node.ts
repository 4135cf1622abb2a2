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
  headAt,
  headOf,
  isLeaf,
  type NodePointer,
  prefixLength,
  readCell,
  setCellCount,
  setHead,
  setPrefixLength,
  setSlot,
  slotWidth,
  writeCell,
} from './page.ts'
import { referenceLength } from './reference.ts'

const EMPTY = Buffer.alloc(0)
const PLACEHOLDER = Buffer.alloc(POINTER_BYTES)
const view = new CellView()
const other = new CellView()
const placed = new CellView()

/** What the header of a page has room for. */
const MAX_PREFIX = 0xffff

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
    page.fill(0, 8, NODE_HEADER_BYTES)
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
      page.copy(node.page, 8, 8, slotsEnd)
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
    readCell(page, this.top, placed)
    this.#fitPrefix(index, cells)
    const slot = NODE_HEADER_BYTES + index * width
    if (index < cells) page.copyWithin(slot + width, slot, NODE_HEADER_BYTES + cells * width)
    setSlot(page, index, this.top)
    setHead(page, index, headOf(page, placed.keyStart + prefixLength(page), placed.keyEnd))
    setCellCount(page, cells + 1)
  }

  /** Shortens the prefix to what the key in `placed`, which will be cell `index`, has of it. */
  #fitPrefix(index: number, cells: number): void {
    const page = this.page
    const first = this.leaf ? 0 : 1
    if (cells < first) return
    // Of a single key nobody knows yet what others will share with it.
    const prefix = cells === first + 1 ? MAX_PREFIX : prefixLength(page)
    if (cells === first || prefix === 0) return
    // A neighbour: the search that led here has looked at it.
    readCell(page, cellOffset(page, Math.max(first, Math.min(index, cells - 1))), view)
    const shared = sharedBytes(page, view, placed, prefix)
    if (shared !== prefixLength(page)) this.#setPrefix(shared)
  }

  /** Makes all heads anew, for keys that share `prefix` bytes. */
  #setPrefix(prefix: number): void {
    const page = this.page
    setPrefixLength(page, prefix)
    const cells = cellCount(page)
    for (let i = this.leaf ? 0 : 1; i < cells; i++) {
      readCell(page, cellOffset(page, i), view)
      setHead(page, i, headOf(page, view.keyStart + prefix, view.keyEnd))
    }
  }

  /** Lengthens the prefix as far as the keys in order allow. */
  #growPrefix(): void {
    const page = this.page
    const first = this.leaf ? 0 : 1
    const last = cellCount(page) - 1
    if (last <= first) return
    readCell(page, cellOffset(page, first), view)
    readCell(page, cellOffset(page, last), other)
    const shared = sharedBytes(page, view, other, MAX_PREFIX)
    if (shared > prefixLength(page)) this.#setPrefix(shared)
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
    const needed = this.size + extra + slotWidth(old)
    if (needed > old.length || (extra > 0 && needed + 64 > old.length)) {
      const capacity = Math.ceil(needed * 1.4) + 64
      const page = Buffer.allocUnsafeSlow(capacity)
      old.copy(page, 0, 0, NODE_HEADER_BYTES)
      page[1] = capacity > 0xffff ? NODE_WIDE : 0
      this.#gather(old, page)
      return
    }
    if (scratch.length < old.length) scratch = Buffer.allocUnsafeSlow(old.length)
    old.copy(scratch)
    this.#gather(scratch, old)
  }

  /**
   * Moves the cells together where they are. Readers may be looking on: they ask a slot for its cell each time,
   * and no slot changes its place.
   */
  closeGaps(): void {
    if (this.garbage > 0) this.#makeRoom(0)
  }

  /** Fills `page`, whose header is set, with the cells of `from`, which lie in it as they lie in `this.page`. */
  #gather(from: Buffer, page: Buffer): void {
    const cells = cellCount(from)
    let top = page.length
    for (let i = cells - 1; i >= 0; i--) {
      readCell(from, cellOffset(from, i), other)
      top -= other.end - other.start
      copyBytes(from, other.start, page, top, other.end - other.start)
      setSlot(page, i, top)
      setHead(page, i, headAt(from, i))
    }
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
    this.#growPrefix()
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
    const narrow = NODE_HEADER_BYTES + cells * 6 + length
    const wide = narrow > 0xffff
    const total = wide ? narrow + cells * 2 : narrow
    target.reserve(total)
    const start = target.length
    const out = target.bytes.subarray(start, start + total)
    out[0] = page[0]!
    out[1] = wide ? NODE_WIDE : 0
    setCellCount(out, cells)
    out.writeUInt32LE(total, 4)
    setPrefixLength(out, prefixLength(page))
    out[10] = 0
    out[11] = 0
    let at = NODE_HEADER_BYTES + cells * slotWidth(out)
    for (let i = 0; i < cells; i++) {
      setSlot(out, i, at)
      setHead(out, i, i === 0 && !this.leaf ? 0 : headAt(page, i))
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
    if (total > 0xffff !== (page[1] === NODE_WIDE)) return false
    target.reserve(total)
    const out = target.bytes
    const start = target.length
    page.copy(out, start, 0, slotsEnd)
    page.copy(out, start + slotsEnd, this.top)
    out.writeUInt32LE(total, start + 4)
    const shift = this.top - slotsEnd
    for (let i = 0; i < cells; i++) {
      const offset = cellOffset(page, i) - shift
      const at = start + NODE_HEADER_BYTES + i * width
      out[at] = offset
      out[at + 1] = offset >>> 8
      if (width === 6) continue
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

/** Bytes that two keys of a page share at their beginning, `most` at most. */
function sharedBytes(page: Uint8Array, a: CellView, b: CellView, most: number): number {
  const end = Math.min(a.keyEnd - a.keyStart, b.keyEnd - b.keyStart, most)
  let shared = 0
  while (shared < end && page[a.keyStart + shared] === page[b.keyStart + shared]) shared += 1
  return shared
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
