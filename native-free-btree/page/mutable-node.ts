/**
 * A node that differs from what the file holds. Invariants:
 * - It is changed only while nobody else can see it (changeable-nodes.ts says when); otherwise it is copied first.
 * - `children[i]` is set for every child that is, or was when it was linked, in memory; the cell's payload is
 *   then stale and the child's own pointer counts. Otherwise the payload holds the child's pointer.
 * - Once `pointer` is set the node is in the file, durably; its page is released and must not be looked at.
 */
import { type ByteWriter, copyBytes } from '../disk/bytes.ts'
import { NODE_HEADER_BYTES, NODE_INNER, NODE_LEAF, NODE_WIDE, POINTER_BYTES } from '../format.ts'
import { CellView, cellLength, leafCellBytes, readCell, writeCell } from './cell.ts'
import { CellPage } from './cell-page.ts'
import { cellCount, cellOffset, headAt, isLeaf, setCellCount, setHead, setSlot, slotWidth } from './layout.ts'
import { ChangingOrigin, copyOfPage, type KeptPage, PATCH_SHARE, type PagePlace } from './origin.ts'
import { encodePointer, type NodePointer, pointerBytes, writePointer } from './pointer.ts'
import { pagePool } from './pool.ts'

const EMPTY = Buffer.alloc(0)
/** A settled page moves to a smaller one when it is longer than this many times what it takes in the file. */
const KEPT_SLACK = 2
/** What a page takes in the file counts as this much at least: moving shorter ones saves too little. */
const KEPT_BYTES = 512
/** A settled page gets its cells moved together when the gaps between them are more than this share of it. */
const KEPT_GAPS = 0.25
/** A child's pointer until the child lies in the file, as long as the longest. */
const PLACEHOLDER = Buffer.alloc(POINTER_BYTES + 1024)
const view = new CellView()
const other = new CellView()

/** Room for the cell of a child's pointer: its fixed part, its key and its reduction. */
const SETTLED_CELL_BYTES = 128

/** Bytes of objects counted for each node in memory beside its page: its own, its page's memory's, its origin's, its pointers. */
const NODE_OVERHEAD_BYTES = 900

export class MutableNode extends CellPage {
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
    super(leaf, page)
    this.children = leaf ? undefined : []
    this.epoch = epoch
  }

  /** A node without cells, whose page has `capacity` bytes. */
  static empty(leaf: boolean, capacity: number, epoch: number): MutableNode {
    const page = pagePool.take(capacity)
    page[0] = leaf ? NODE_LEAF : NODE_INNER
    page[1] = capacity > 0xffff ? NODE_WIDE : 0
    setCellCount(page, 0)
    page.fill(0, 8, NODE_HEADER_BYTES)
    return new MutableNode(leaf, page, epoch)
  }

  /** A node on a page that its owner gives up and nobody else sees; `place` is where that page lies in the file. */
  static fromOwnPage(own: KeptPage, place: PagePlace, epoch: number): MutableNode {
    const node = new MutableNode(isLeaf(own.page), own.page, epoch)
    node.top = own.top
    node.garbage = own.garbage
    node.origin = ChangingOrigin.of(own, place)
    if (!node.leaf) node.children = new Array<undefined>(node.cells).fill(undefined)
    return node
  }

  /** A node on a copy of a page, of at least `bytes` bytes; `place` is where that page lies in the file. */
  static fromPage(kept: KeptPage, place: PagePlace, epoch: number, bytes: number): MutableNode {
    return MutableNode.fromOwnPage(copyOfPage(kept, pagePool.take(bytes)), place, epoch)
  }

  /** A copy that may be changed in `epoch`; the children are shared. */
  clone(epoch: number): MutableNode {
    const copy = new MutableNode(this.leaf, this.page, epoch)
    copy.top = this.top
    copy.garbage = this.garbage
    copy.origin = this.origin?.clone()
    copy.copyTo(this.page.length)
    copy.children = this.children?.slice()
    copy.forgetWritten()
    copy.count = this.count
    copy.bytes = this.bytes
    copy.reduction = this.reduction
    this.parent = undefined
    if (copy.children !== undefined) {
      for (const child of copy.children) if (child !== undefined && !child.leaf) child.parent = copy
    }
    return copy
  }

  /**
   * Puts the pointers of children that lie in the file into the cells, and forgets the children: nodes that are changed in
   * checkpoint after checkpoint would come to hold every child that was ever changed.
   */
  forgetWritten(): void {
    const { children } = this
    if (children === undefined) return
    let written = 0
    for (const child of children) if (child?.pointer !== undefined) written += 1
    if (written === 0) return
    this.#giveUpPatch(written)
    for (let i = 0; i < children.length; i++) {
      const pointer = children[i]?.pointer
      if (pointer === undefined) continue
      readCell(this.page, cellOffset(this.page, i), view)
      if (view.end - view.payloadStart === pointerBytes(pointer)) this.#setPointer(i, pointer)
      else this.replacePayload(i, encodePointer(pointer), false)
      children[i] = undefined
    }
  }

  /** Bytes of memory that the node takes. */
  get memoryBytes(): number {
    return this.page.length + NODE_OVERHEAD_BYTES + (this.children?.length ?? 0) * 8
  }

  /** Inserts a child before child `index`, or behind the last. */
  insertChild(index: number, key: Uint8Array, child: MutableNode): void {
    const placeholder = PLACEHOLDER.subarray(0, this.#pointerBytesBeside(index))
    const cell = Buffer.allocUnsafe(cellLength(key.length, placeholder.length))
    writeCell(cell, 0, key, placeholder, false)
    this.insertCell(index, cell, 0, cell.length)
    this.children!.splice(index, 0, child)
    child.parent = this
  }

  /** Bytes of the pointer before place `index`: most reductions of a tree are as long as others, and then none has to be moved. */
  #pointerBytesBeside(index: number): number {
    if (index === 0) return POINTER_BYTES
    readCell(this.page, cellOffset(this.page, index - 1), view)
    return Math.min(view.end - view.payloadStart, PLACEHOLDER.length)
  }

  removeChild(index: number): void {
    this.removeCell(index)
    // The next one becomes the first and loses its key, which no patch can say.
    if (index === 0) this.origin = undefined
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

  /** Bytes that child `index` takes in the file, or would take whole; of a patch, the patch alone. */
  childSize(index: number): number {
    const child = this.children![index]
    if (child !== undefined) return child.pointer === undefined ? child.size : child.pointer.length
    readCell(this.page, cellOffset(this.page, index), view)
    return this.page.readUInt32LE(view.payloadStart + 6)
  }

  /** Moves the cells from `from` on into a new node and returns it. `isBytewise`: all keys are in the order of their bytes. */
  splitOff(from: number, isBytewise: boolean): MutableNode {
    const cells = this.cells
    const right = MutableNode.empty(this.leaf, Math.max(this.page.length, 1024), this.epoch)
    // The first key of an inner node is not looked at, and left out where it is written.
    for (let i = from; i < cells; i++) right.appendFrom(this, i, this.leaf || i > from ? undefined : EMPTY)
    for (let i = cells - 1; i >= from; i--) {
      readCell(this.page, cellOffset(this.page, i), view)
      // What was put in last lies first: of a page that is appended to no gap is left.
      if (view.start === this.top) this.top = view.end
      else this.garbage += view.end - view.start
    }
    setCellCount(this.page, from)
    this.origin = undefined
    this.growPrefix(isBytewise)
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

  /**
   * Makes the page say what the file will: where the children lie there and no first key; and takes away room that
   * the file does not need.
   */
  settle(): void {
    if (!this.leaf) this.#settlePointers()
    if (this.page.length > Math.max(this.size, KEPT_BYTES) * KEPT_SLACK) this.moveTo(this.size)
    else if (this.garbage > this.page.length * KEPT_GAPS) this.makeRoom(0)
  }

  #settlePointers(): void {
    const cells = this.cells
    let moved = 0
    let fit = true
    for (let i = 0; i < cells; i++) {
      const pointer = this.#settledPointer(i)
      if (pointer === undefined && i > 0) continue
      readCell(this.page, cellOffset(this.page, i), view)
      if (i === 0 && view.keyStart < view.keyEnd) fit = false
      if (pointer === undefined) continue
      moved += 1
      if (view.end - view.payloadStart !== pointerBytes(pointer)) fit = false
    }
    this.#giveUpPatch(moved)
    if (fit) this.#setPointers()
    else this.#replacePointers(moved)
    setHead(this.page, 0, 0)
  }

  /** Where child `index` lies, or will lie when the group that is being formed is durable; undefined: as the cell says. */
  #settledPointer(index: number): NodePointer | undefined {
    const child = this.children![index]
    return child === undefined ? undefined : (child.pointer ?? child.pending)!
  }

  /** No patch is made of a node with so many changed pointers. */
  #giveUpPatch(moved: number): void {
    if (moved * POINTER_BYTES > this.size * PATCH_SHARE) this.origin = undefined
  }

  /** No cell moves: a cursor may stand on the page. */
  #setPointers(): void {
    const { cells } = this
    for (let i = 0; i < cells; i++) {
      const pointer = this.#settledPointer(i)
      if (pointer === undefined) continue
      readCell(this.page, cellOffset(this.page, i), view)
      this.#setPointer(i, pointer)
    }
  }

  /** Writes the pointer of child `index`, whose cell is in `view` and has a payload as long. */
  #setPointer(index: number, pointer: NodePointer): void {
    const { page, origin } = this
    if (origin !== undefined && view.start >= origin.baseTop) origin.noteChanged(page, index)
    writePointer(page, view.payloadStart, pointer)
  }

  #replacePointers(moved: number): void {
    const cells = this.cells
    // On a page of its own, with room for every new cell: a cursor may stand on this one, and cells come and go.
    this.moveTo(this.size + (moved + 1) * SETTLED_CELL_BYTES)
    for (let i = 0; i < cells; i++) {
      const pointer = this.#settledPointer(i)
      readCell(this.page, cellOffset(this.page, i), view)
      if (pointer === undefined && (i > 0 || view.keyStart === view.keyEnd)) continue
      const payload =
        pointer === undefined ? this.page.subarray(view.payloadStart, view.end) : encodePointer(pointer)
      if (i > 0) {
        this.replacePayload(i, payload, false)
        continue
      }
      // The first key of an inner node is never looked at: it is left out.
      const cell = Buffer.allocUnsafe(cellLength(0, payload.length))
      writeCell(cell, 0, EMPTY, payload, false)
      this.replaceCell(i, cell, 0, cell.length)
    }
  }

  /** Appends the page, which has been settled, to `target` as it goes into the file. */
  serialize(target: ByteWriter): void {
    if (this.garbage > 0) this.makeRoom(0)
    if (this.#appendWhole(target)) return
    const page = this.page
    const cells = cellCount(page)
    const narrow = NODE_HEADER_BYTES + cells * 6 + page.length - this.top
    const wide = narrow > 0xffff
    const total = wide ? narrow + cells * 2 : narrow
    target.reserve(total)
    const start = target.length
    const out = target.bytes.subarray(start, start + total)
    page.copy(out, 0, 0, NODE_HEADER_BYTES)
    out[1] = wide ? NODE_WIDE : 0
    out.writeUInt32LE(total, 4)
    let at = NODE_HEADER_BYTES + cells * slotWidth(out)
    for (let i = 0; i < cells; i++) {
      readCell(page, cellOffset(page, i), view)
      setSlot(out, i, at)
      setHead(out, i, headAt(page, i))
      page.copy(out, at, view.start, view.end)
      at += view.end - view.start
    }
    target.length += total
  }

  /** Copies the page as it lies, only its slots are moved; false when they would change width. */
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
    copyBytes(page, 0, out, start, slotsEnd)
    copyBytes(page, this.top, out, start + slotsEnd, page.length - this.top)
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

  /** The page, which has been settled, as the cache should keep it. */
  keep(patched: boolean): KeptPage {
    const { page, top, garbage, origin } = this
    return { page, top, garbage, origin: patched ? origin : undefined }
  }

  /** The node is in the file: nothing of it is needed in memory. */
  release(pointer: NodePointer): void {
    this.pointer = pointer
    this.pending = undefined
    this.page = EMPTY
    this.children = undefined
    this.parent = undefined
    this.origin = undefined
  }
}
