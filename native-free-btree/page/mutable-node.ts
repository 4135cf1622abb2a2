/**
 * A node that differs from what the file holds. Invariants:
 * - It is changed only while nobody else can see it (tree.ts says when); otherwise it is copied first.
 * - `children[i]` is set for every child that is, or was when it was linked, in memory; the cell's payload is
 *   then stale and the child's own pointer counts. Otherwise the payload holds the child's pointer.
 * - Once `pointer` is set the node is in the file, durably; its page is released and must not be looked at.
 */
import type { ByteWriter } from '../disk/bytes.ts'
import { NODE_HEADER_BYTES, NODE_INNER, NODE_LEAF, NODE_WIDE, POINTER_BYTES } from '../format.ts'
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
  pointerBytes,
  prefixLength,
  readCell,
  setCellCount,
  setHead,
  setPrefixLength,
  setSlot,
  slotsEnd,
  slotWidth,
  writeCell,
  writePointer,
} from './layout.ts'
import { pagePool } from './pool.ts'
import { referenceLength } from './reference.ts'

const EMPTY = Buffer.alloc(0)
/** Of a node without a base. */
const NONE: number[] = []
/** A page is kept in memory as it is when it takes no more than this times what it takes in the file. */
const KEPT_SLACK = 2
/** ... or than this times that. */
const KEPT_BYTES = 512
/** Gaps between the cells of a page are kept when they take no more than this share of it. */
const KEPT_GAPS = 0.25
/** A node goes out as a patch while that takes no more than this share of the whole. */
export const PATCH_SHARE = 0.17
const PLACEHOLDER = Buffer.alloc(POINTER_BYTES)
const view = new CellView()
const other = new CellView()
const placed = new CellView()

/** What the header of a page has room for. */
const MAX_PREFIX = 0xffff

/** What a pointer's cell takes beside its key and its reduction, and as much again for those. */
const SETTLED_CELL_BYTES = 128
/** What a slot takes more when its offset has four bytes. */
const WIDENED_BYTES = 2
/** Bytes of objects counted for each node in memory beside its page. */
const NODE_OVERHEAD_BYTES = 500

/** Where a page lies whole in the file. */
export interface PagePlace {
  readonly position: number
  readonly length: number
  readonly hash: bigint
}

/** What a page has in common with its base, one that lies whole in the file (see patch.ts). */
export interface PageOrigin {
  readonly base: PagePlace
  /** Cells from here to the end of the page are the base's, in its order; those before are not. */
  readonly baseTop: number
  /** Slots of the base whose cells are gone, ascending. */
  readonly removed: readonly number[]
  /** Slots of the base whose cells are here with another payload of the same length, ascending. */
  readonly changed: readonly number[]
}

/** A page as it is kept in memory. Its cells begin at `top`, with `garbage` bytes of gaps between them. */
export interface KeptPage {
  readonly page: Buffer
  readonly top: number
  readonly garbage: number
  /** Undefined: the page itself lies whole in the file. */
  readonly origin: PageOrigin | undefined
}

/** A page as it lies in the file: nothing is between its slots and its cells, nor between those. */
export function wholePage(page: Buffer): KeptPage {
  return { page, top: slotsEnd(page), garbage: 0, origin: undefined }
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
  /**
   * The page of the file whose cells from `baseTop` on these still are, without those of slots `removed`, and
   * with other payloads in those of slots `changed`.
   */
  base: PagePlace | undefined
  baseTop = 0
  removed: number[] = NONE
  changed: number[] = NONE

  private constructor(leaf: boolean, page: Buffer, epoch: number) {
    this.leaf = leaf
    this.page = page
    this.top = page.length
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

  /** A node that takes a page over which nobody else sees any more; `place` is where the page says it lies. */
  static fromOwnPage(own: KeptPage, place: PagePlace, epoch: number): MutableNode {
    const node = new MutableNode(isLeaf(own.page), own.page, epoch)
    node.#setOrigin(own, place)
    return node
  }

  /** A changeable copy of a page, with room for `extra` bytes more. */
  static fromPage(kept: KeptPage, place: PagePlace, epoch: number, extra: number): MutableNode {
    const node = MutableNode.fromOwnPage(kept, place, epoch)
    node.#copyTo(slotsEnd(kept.page) + kept.page.length - kept.top + extra)
    return node
  }

  /** Notes what the page has in common with one of the file. */
  #setOrigin(kept: KeptPage, place: PagePlace): void {
    const { origin } = kept
    this.top = kept.top
    this.garbage = kept.garbage
    this.base = origin?.base ?? place
    this.baseTop = origin?.baseTop ?? kept.top
    this.removed = origin === undefined ? [] : origin.removed.slice()
    this.changed = origin === undefined ? [] : origin.changed.slice()
    if (!this.leaf) this.children = new Array<undefined>(this.cells).fill(undefined)
  }

  /** A copy that may be changed in `epoch`; the children are shared. */
  clone(epoch: number): MutableNode {
    const copy = new MutableNode(this.leaf, this.page, epoch)
    copy.top = this.top
    copy.garbage = this.garbage
    copy.base = this.base
    copy.baseTop = this.baseTop
    copy.#copyTo(this.page.length)
    copy.children = this.children?.slice()
    copy.count = this.count
    copy.bytes = this.bytes
    copy.reduction = this.reduction
    copy.removed = this.removed.slice()
    copy.changed = this.changed.slice()
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
    if (cells < first || index < first) return
    if (cells === first) {
      // What keys that are gone have shared says nothing of this one.
      setPrefixLength(page, 0)
      return
    }
    // Of a single key nobody knows yet what others will share with it.
    const prefix = cells === first + 1 ? MAX_PREFIX : prefixLength(page)
    if (prefix === 0) return
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
    if (this.base !== undefined && view.start >= this.baseTop) this.#noteRemoved(index)
    const slot = NODE_HEADER_BYTES + index * width
    page.copyWithin(slot, slot + width, NODE_HEADER_BYTES + cells * width)
    setCellCount(page, cells - 1)
  }

  /** Notes that cell `index`, one of the base's, goes. */
  #noteRemoved(index: number): void {
    const slot = this.#baseSlot(index)
    const changed = this.changed.indexOf(slot)
    if (changed >= 0) this.changed.splice(changed, 1)
    insertAscending(this.removed, slot)
  }

  /** Notes that cell `index`, one of the base's, gets another payload. */
  #noteChanged(index: number): void {
    const slot = this.#baseSlot(index)
    if (!this.changed.includes(slot)) insertAscending(this.changed, slot)
  }

  /** Which slot of the base had the cell that is cell `index` now. */
  #baseSlot(index: number): number {
    let slot = 0
    for (let i = 0; i < index; i++) if (cellOffset(this.page, i) >= this.baseTop) slot += 1
    for (const gone of this.removed) {
      if (gone > slot) break
      slot += 1
    }
    return slot
  }

  replaceCell(index: number, source: Uint8Array, start: number, length: number): void {
    const page = this.page
    readCell(page, cellOffset(page, index), view)
    const old = view.end - view.start
    const isOfBase = this.base !== undefined && view.start >= this.baseTop
    if (isOfBase ? length === old && keepsKey(page, view, source, start) : length <= old) {
      if (isOfBase) this.#noteChanged(index)
      copyBytes(source, start, page, view.start, length)
      this.garbage += old - length
      return
    }
    this.removeCell(index)
    this.insertCell(index, source, start, length)
  }

  /** Gives cell `index` another payload. */
  replacePayload(index: number, payload: Uint8Array, isReference: boolean): void {
    readCell(this.page, cellOffset(this.page, index), view)
    const key = this.page.subarray(view.keyStart, view.keyEnd)
    const cell = Buffer.allocUnsafe(cellLength(key.length, payload.length))
    writeCell(cell, 0, key, payload, isReference)
    this.replaceCell(index, cell, 0, cell.length)
  }

  /**
   * Moves the cells together, into a larger page when they would not fit otherwise. Where they stay in their page
   * readers may be looking on: they ask a slot for its cell each time, and no slot changes its place.
   */
  #makeRoom(extra: number): void {
    const old = this.page
    const needed = this.size + extra + slotWidth(old)
    if (needed > old.length || (extra > 0 && needed + 64 > old.length)) {
      this.#moveTo(Math.ceil(needed * 1.4) + 64)
      return
    }
    if (scratch.length < old.length) scratch = Buffer.allocUnsafeSlow(old.length)
    old.copy(scratch)
    this.#gather(scratch, old)
  }

  /** Moves to another page, without gaps, of at least `bytes` bytes. */
  #moveTo(bytes: number): void {
    const old = this.page
    this.#copyTo(bytes)
    pagePool.giveBack(old)
  }

  /** Goes on with a copy of the page, without gaps, of at least `bytes` bytes. */
  #copyTo(bytes: number): void {
    const old = this.page
    const wide = bytes > 0xffff ? NODE_WIDE : 0
    const page = pagePool.take(wide > old[1]! ? bytes + this.cells * WIDENED_BYTES : bytes)
    if (this.garbage > 0 || wide !== old[1]) {
      old.copy(page, 0, 0, NODE_HEADER_BYTES)
      page[1] = wide
      this.#gather(old, page)
      return
    }
    const shift = copyPage(old, this.top, page)
    this.page = page
    this.top += shift
    this.baseTop += shift
  }

  /** Fills `page`, whose header is set, with the cells of `from`, which lie in it as they lie in `this.page`. */
  #gather(from: Buffer, page: Buffer): void {
    const cells = cellCount(from)
    const baseTop = this.base === undefined ? 0 : this.baseTop
    let top = page.length
    for (let i = cells - 1; i >= 0; i--) {
      const offset = cellOffset(from, i)
      if (offset < baseTop) continue
      top = moveCell(from, offset, page, i, top)
    }
    this.baseTop = top
    // The base's cells stay together, behind the others.
    for (let i = cells - 1; baseTop > 0 && i >= 0; i--) {
      const offset = cellOffset(from, i)
      if (offset >= baseTop) continue
      top = moveCell(from, offset, page, i, top)
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
    // The next one becomes the first and loses its key, which no patch can say.
    if (index === 0) this.base = undefined
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
    this.base = undefined
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

  /**
   * Makes the page say what the file will: where the children lie there and no first key; and takes away room that
   * the file does not need.
   */
  settle(): void {
    if (!this.leaf) this.#settlePointers()
    if (this.page.length > Math.max(this.size, KEPT_BYTES) * KEPT_SLACK) this.#moveTo(this.size)
    else if (this.garbage > this.page.length * KEPT_GAPS) this.#makeRoom(0)
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
    // Too many for a patch.
    if (moved * POINTER_BYTES > this.size * PATCH_SHARE) this.base = undefined
    if (fit) this.#setPointers()
    else this.#replacePointers(moved)
    setHead(this.page, 0, 0)
  }

  /** Where child `index` lies, or will lie when the group that is being formed is durable; undefined: as the cell says. */
  #settledPointer(index: number): NodePointer | undefined {
    const child = this.children![index]
    return child === undefined ? undefined : (child.pointer ?? child.pending)!
  }

  /** No cell moves: a cursor may stand on the page. */
  #setPointers(): void {
    const cells = this.cells
    for (let i = 0; i < cells; i++) {
      const pointer = this.#settledPointer(i)
      if (pointer === undefined) continue
      readCell(this.page, cellOffset(this.page, i), view)
      if (this.base !== undefined && view.start >= this.baseTop) this.#noteChanged(i)
      writePointer(this.page, view.payloadStart, pointer)
    }
  }

  #replacePointers(moved: number): void {
    const cells = this.cells
    // On a page of its own, with room for every new cell: a cursor may stand on this one, and cells come and go.
    this.#moveTo(this.size + (moved + 1) * SETTLED_CELL_BYTES)
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
    if (this.garbage > 0) this.#makeRoom(0)
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

  /** The page, which has been settled, as the cache should keep it. */
  keep(patched: boolean): KeptPage {
    const { page, top, garbage, baseTop, removed, changed } = this
    return {
      page,
      top,
      garbage,
      origin: patched ? { base: this.base!, baseTop, removed, changed } : undefined,
    }
  }

  /** The node is in the file: nothing of it is needed in memory. */
  release(pointer: NodePointer): void {
    this.pointer = pointer
    this.pending = undefined
    this.page = EMPTY
    this.children = undefined
    this.parent = undefined
    this.base = undefined
    this.removed = NONE
    this.changed = NONE
  }
}

function insertAscending(numbers: number[], one: number): void {
  let at = numbers.length
  while (at > 0 && numbers[at - 1]! > one) at -= 1
  numbers.splice(at, 0, one)
}

/** Whether the cell at `source[start]` has the same bytes as `cell` up to the payload. */
function keepsKey(page: Uint8Array, cell: CellView, source: Uint8Array, start: number): boolean {
  const shift = start - cell.start
  for (let i = cell.start; i < cell.payloadStart; i++) if (page[i] !== source[i + shift]) return false
  return true
}

/** Bytes that two keys of a page share at their beginning, `most` at most. */
function sharedBytes(page: Uint8Array, a: CellView, b: CellView, most: number): number {
  const end = Math.min(a.keyEnd - a.keyStart, b.keyEnd - b.keyStart, most)
  let shared = 0
  while (shared < end && page[a.keyStart + shared] === page[b.keyStart + shared]) shared += 1
  return shared
}

/** Copies the cell at `offset` of `from` to before `top` of `page`, as cell `index`; returns the new top. */
function moveCell(from: Buffer, offset: number, page: Buffer, index: number, top: number): number {
  readCell(from, offset, other)
  const length = other.end - other.start
  copyBytes(from, other.start, page, top - length, length)
  setSlot(page, index, top - length)
  setHead(page, index, headAt(from, index))
  return top - length
}

/** Copies a page whose cells begin at `top` into a larger one, the cells to its end. Returns how far they moved. */
export function copyPage(from: Buffer, top: number, to: Buffer): number {
  const shift = to.length - from.length
  from.copy(to, 0, 0, slotsEnd(from))
  from.copy(to, top + shift, top)
  if (shift === 0) return 0
  const cells = cellCount(from)
  for (let i = 0; i < cells; i++) setSlot(to, i, cellOffset(from, i) + shift)
  return shift
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
