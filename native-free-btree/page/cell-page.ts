/**
 * The cells of a page in memory that changes: put in, taken out, given other payloads, moved together. New cells lie
 * before the others, gaps where cells were. The heads and the prefix (layout.ts) are kept right with every change; what
 * cells of the base go or change is noted in the origin (origin.ts).
 */
import { copyBytes } from '../disk/bytes.ts'
import { NODE_HEADER_BYTES, NODE_WIDE } from '../format.ts'
import { CellView, cellLength, readCell, writeCell } from './cell.ts'
import {
  cellCount,
  cellOffset,
  copyPage,
  headAt,
  headOf,
  prefixLength,
  setCellCount,
  setHead,
  setPrefixLength,
  setSlot,
  slotWidth,
} from './layout.ts'
import type { ChangingOrigin } from './origin.ts'
import { pagePool } from './pool.ts'

/** What the header of a page has room for. */
const MAX_PREFIX = 0xffff
/** What a slot takes more when its offset has four bytes. */
const WIDENED_BYTES = 2

const view = new CellView()
const other = new CellView()
const placed = new CellView()

export class CellPage {
  readonly leaf: boolean
  page: Buffer
  /** Cells lie from here to the end of the page. */
  top: number
  /** Bytes of removed cells among them. */
  garbage = 0
  /** Undefined when the page has nothing in common with one of the file. */
  origin: ChangingOrigin | undefined

  constructor(leaf: boolean, page: Buffer) {
    this.leaf = leaf
    this.page = page
    this.top = page.length
  }

  get cells(): number {
    return cellCount(this.page)
  }

  /** Bytes that the page would take in the file, as long as the reductions of its children are as long as they are now. */
  get size(): number {
    const cells = this.cells
    return NODE_HEADER_BYTES + cells * slotWidth(this.page) + this.page.length - this.top - this.garbage
  }

  /** Inserts the cell at `source[start, start + length)` before cell `index`. */
  insertCell(index: number, source: Uint8Array, start: number, length: number): void {
    const slotsEnd = NODE_HEADER_BYTES + (this.cells + 1) * slotWidth(this.page)
    if (this.top - length < slotsEnd) this.makeRoom(length)
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

  /** Lengthens the prefix as far as the keys allow. `isBytewise`: so far as the first and the last do. */
  protected growPrefix(isBytewise: boolean): void {
    const page = this.page
    const first = this.leaf ? 0 : 1
    const last = cellCount(page) - 1
    if (last <= first) return
    readCell(page, cellOffset(page, first), view)
    readCell(page, cellOffset(page, last), other)
    let shared = sharedBytes(page, view, other, MAX_PREFIX)
    for (let i = first + 1; !isBytewise && i < last && shared > prefixLength(page); i++) {
      readCell(page, cellOffset(page, i), other)
      shared = sharedBytes(page, view, other, shared)
    }
    if (shared > prefixLength(page)) this.#setPrefix(shared)
  }

  removeCell(index: number): void {
    const page = this.page
    const cells = cellCount(page)
    const width = slotWidth(page)
    readCell(page, cellOffset(page, index), view)
    this.garbage += view.end - view.start
    const { origin } = this
    if (origin !== undefined && view.start >= origin.baseTop) origin.noteRemoved(page, index)
    const slot = NODE_HEADER_BYTES + index * width
    page.copyWithin(slot, slot + width, NODE_HEADER_BYTES + cells * width)
    setCellCount(page, cells - 1)
  }

  replaceCell(index: number, source: Uint8Array, start: number, length: number): void {
    const page = this.page
    readCell(page, cellOffset(page, index), view)
    const old = view.end - view.start
    const { origin } = this
    const isOfBase = origin !== undefined && view.start >= origin.baseTop
    if (isOfBase ? length === old && keepsKey(page, view, source, start) : length <= old) {
      if (isOfBase) origin.noteChanged(page, index)
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
  protected makeRoom(extra: number): void {
    const old = this.page
    const needed = this.size + extra + slotWidth(old)
    if (needed > old.length || (extra > 0 && needed + 64 > old.length)) {
      this.moveTo(Math.ceil(needed * 1.4) + 64)
      return
    }
    if (scratch.length < old.length) scratch = Buffer.allocUnsafeSlow(old.length)
    old.copy(scratch)
    this.#gather(scratch, old)
  }

  /** Moves to another page, without gaps, of at least `bytes` bytes. */
  protected moveTo(bytes: number): void {
    const old = this.page
    this.copyTo(bytes)
    pagePool.giveBack(old)
  }

  /** Goes on with a copy of the page, without gaps, of at least `bytes` bytes. */
  protected copyTo(bytes: number): void {
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
    if (this.origin !== undefined) this.origin.baseTop += shift
  }

  /** Fills `page`, whose header is set, with the cells of `from`, which lie in it as they lie in `this.page`. */
  #gather(from: Buffer, page: Buffer): void {
    const cells = cellCount(from)
    const { origin } = this
    const baseTop = origin === undefined ? 0 : origin.baseTop
    let top = page.length
    for (let i = cells - 1; i >= 0; i--) {
      const offset = cellOffset(from, i)
      if (offset < baseTop) continue
      top = moveCell(from, offset, page, i, top)
    }
    if (origin !== undefined) origin.baseTop = top
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

/** Where a page is set aside while its cells are moved together. */
let scratch = Buffer.allocUnsafeSlow(16 * 1024)
