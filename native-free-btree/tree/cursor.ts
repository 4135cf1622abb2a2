/**
 * A walk over a range of one root, in either direction. Invariants:
 * - The stack holds one page a level; pages are never changed while a cursor may stand on them (clean ones
 *   never, changing ones are copied first), so it needs no lock. Their memory may be used for others from one turn to the
 *   next: then the cursor takes the pages anew, which have the same cells at the same places.
 * - `stack[0]` is the root, the last entry a leaf; `indexes` says where in each page it stands.
 */
import type { Cursor, CursorOptions, EntryPlace } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import { assertOutside, type Compare } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import { CellView, copyOf, readCell } from '../page/cell.ts'
import { cellCount, cellOffset, isLeaf } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import type { NodePointer } from '../page/pointer.ts'
import { referenceLength } from '../page/reference.ts'
import { childIndex, lowerBound, orderOfCell } from '../page/search.ts'
import type { ValueReader } from '../values/values.ts'
import { placeCell } from './point-reads.ts'
import type { Root } from './shares.ts'

const view = new CellView()

type Children = (MutableNode | undefined)[] | undefined

export class TreeCursor implements Cursor {
  readonly #source: PageSource
  readonly #values: ValueReader
  readonly #compare: Compare | undefined
  readonly #root: Root
  readonly #options: CursorOptions
  readonly #isOpen: () => boolean
  readonly #step: 1 | -1
  #pages: Buffer[] = []
  #children: Children[] = []
  readonly #indexes: number[] = []
  /** Of the source, when the pages were known to be right. */
  #generation: number
  #started = false
  #done = false
  /** The bound that the walk is moving towards needs no look within the present leaf. */
  #leafInside = false
  /** Entries of the present leaf that come next and need no look at anything but their cells. */
  #ahead = 0

  constructor(
    root: Root,
    source: PageSource,
    values: ValueReader,
    compare: Compare | undefined,
    options: CursorOptions,
    isOpen: () => boolean,
  ) {
    this.#root = root
    this.#source = source
    this.#generation = source.generation
    this.#values = values
    this.#compare = compare
    this.#options = options
    this.#step = options.reverse === true ? -1 : 1
    this.#isOpen = isOpen
  }

  next(): boolean {
    this.#assertOpen()
    return this.#move()
  }

  nextPlace(into: EntryPlace): boolean {
    this.#assertOpen()
    if (!this.#move()) return false
    const level = this.#pages.length - 1
    const page = this.#pages[level]!
    placeCell(page, cellOffset(page, this.#indexes[level]!), this.#values, into)
    return true
  }

  #move(): boolean {
    if (this.#done) return false
    this.#renew()
    if (this.#ahead === 0) return this.#moveFar(this.#options.reverse === true)
    this.#ahead -= 1
    this.#indexes[this.#pages.length - 1]! += this.#step
    return true
  }

  /** Moves to an entry that may lie in another leaf, or beyond the range. */
  #moveFar(reverse: boolean): boolean {
    if (!this.#started) {
      this.#started = true
      if (!this.#seek(reverse)) return this.#finish()
    } else {
      const level = this.#pages.length - 1
      const index = this.#indexes[level]! + this.#step
      this.#indexes[level] = index
      if (index < 0 || index >= cellCount(this.#pages[level]!)) {
        if (!this.#nextLeaf(reverse)) return this.#finish()
      }
    }
    if (!this.#leafInside) return this.#isBeyond(reverse) ? this.#finish() : true
    const level = this.#pages.length - 1
    const index = this.#indexes[level]!
    this.#ahead = reverse ? index : cellCount(this.#pages[level]!) - 1 - index
    return true
  }

  key(): Buffer {
    const page = this.#stand()
    return copyOf(page, view.keyStart, view.keyEnd)
  }

  value(): Buffer {
    const page = this.#stand()
    if (view.isReference) return this.#values.readAt(page, view.payloadStart)
    return copyOf(page, view.payloadStart, view.end)
  }

  place(into: EntryPlace): void {
    const page = this.#page()
    placeCell(page, this.#offset(page), this.#values, into)
  }

  valueLength(): number {
    const page = this.#stand()
    return view.isReference ? referenceLength(page, view.payloadStart) : view.end - view.payloadStart
  }

  /** The leaf that the cursor stands on. */
  #page(): Buffer {
    if (!this.#started || this.#done) {
      throw new StorageError('INVALID_ARGUMENT', 'the cursor does not stand on an entry')
    }
    this.#assertOpen()
    this.#renew()
    return this.#pages[this.#pages.length - 1]!
  }

  /** Of the present cell in the leaf. */
  #offset(page: Buffer): number {
    return cellOffset(page, this.#indexes[this.#pages.length - 1]!)
  }

  /** Reads the present cell into `view`, and returns its page. */
  #stand(): Buffer {
    const page = this.#page()
    readCell(page, this.#offset(page), view)
    return page
  }

  /** To be called before a page is looked at that was taken in an earlier turn. */
  #renew(): void {
    const { generation } = this.#source
    if (this.#generation === generation) return
    const levels = this.#pages.length
    if (levels > 0) {
      const { pages, children } = this.#path(levels)
      this.#pages = pages
      this.#children = children
    }
    this.#generation = generation
  }

  /** The pages down to where the cursor stands, by its indexes. */
  #path(levels: number): { pages: Buffer[]; children: Children[] } {
    const pages: Buffer[] = []
    const children: Children[] = []
    let link: MutableNode | NodePointer | undefined = this.#root
    for (let level = 0; level < levels; level++) {
      const index = level === 0 ? 0 : this.#indexes[level - 1]!
      pages.push(
        link === undefined ? this.#source.childPage(pages[level - 1]!, index) : this.#source.pageOf(link),
      )
      children.push(link instanceof MutableNode ? link.children : undefined)
      link = children[level]?.[this.#indexes[level]!]
    }
    return { pages, children }
  }

  /** Without the snapshot the pages that the cursor stands on may be changed. */
  #assertOpen(): void {
    assertOutside()
    if (!this.#isOpen()) throw new StorageError('CLOSED', 'the snapshot of this cursor was closed')
  }

  #finish(): false {
    this.#done = true
    this.#pages.length = 0
    this.#children.length = 0
    return false
  }

  /** Moves to the first entry in the direction of travel; false when there is none. */
  #seek(reverse: boolean): boolean {
    if (this.#root === undefined) return false
    const skip = this.#options.skip ?? 0
    const bound = reverse ? this.#options.end : this.#options.start
    this.#indexes.length = 0
    this.#push(
      this.#source.pageOf(this.#root),
      this.#root instanceof MutableNode ? this.#root.children : undefined,
    )
    if (bound === undefined) this.#toEdge(reverse)
    else this.#toKey(bound, reverse)
    const level = this.#pages.length - 1
    const index = this.#indexes[level]!
    if (index < 0 || index >= cellCount(this.#pages[level]!)) {
      if (!this.#nextLeaf(reverse)) return false
    } else {
      this.#enterLeaf(reverse)
    }
    return skip === 0 || this.#skip(skip, reverse)
  }

  /** Where the cursor stands in the page is not said. */
  #push(page: Buffer, children: Children): void {
    this.#pages.push(page)
    this.#children.push(children)
  }

  #pushChild(level: number): void {
    const child = this.#children[level]?.[this.#indexes[level]!]
    if (child === undefined) {
      this.#push(this.#source.childPage(this.#pages[level]!, this.#indexes[level]!), undefined)
    } else {
      this.#push(this.#source.pageOf(child), child.children)
    }
  }

  #toEdge(reverse: boolean): void {
    for (;;) {
      const level = this.#pages.length - 1
      const page = this.#pages[level]!
      this.#indexes[level] = reverse ? cellCount(page) - 1 : 0
      if (isLeaf(page)) return
      this.#pushChild(level)
    }
  }

  #toKey(key: Uint8Array, reverse: boolean): void {
    for (;;) {
      const level = this.#pages.length - 1
      const page = this.#pages[level]!
      if (isLeaf(page)) {
        const index = lowerBound(page, key, this.#compare)
        const exact = index < cellCount(page) && this.#order(page, index, key) === 0
        if (reverse) this.#indexes[level] = exact && this.#options.endInclusive === true ? index : index - 1
        else this.#indexes[level] = exact && this.#options.startInclusive === false ? index + 1 : index
        return
      }
      this.#indexes[level] = childIndex(page, key, this.#compare)
      this.#pushChild(level)
    }
  }

  #order(page: Buffer, index: number, key: Uint8Array): number {
    return orderOfCell(page, index, key, this.#compare)
  }

  #nextLeaf(reverse: boolean): boolean {
    for (;;) {
      this.#pages.pop()
      this.#children.pop()
      const level = this.#pages.length - 1
      if (level < 0) return false
      const index = this.#indexes[level]! + (reverse ? -1 : 1)
      this.#indexes[level] = index
      if (index < 0 || index >= cellCount(this.#pages[level]!)) continue
      this.#pushChild(level)
      this.#toEdge(reverse)
      this.#enterLeaf(reverse)
      return true
    }
  }

  /** Looks once at a leaf's far end, so that its entries need not be compared with the bound one by one. */
  #enterLeaf(reverse: boolean): void {
    const bound = reverse ? this.#options.start : this.#options.end
    if (bound === undefined) {
      this.#leafInside = true
      return
    }
    const page = this.#pages[this.#pages.length - 1]!
    const order = this.#order(page, reverse ? 0 : cellCount(page) - 1, bound)
    this.#leafInside = reverse ? order > 0 : order < 0
  }

  #isBeyond(reverse: boolean): boolean {
    const level = this.#pages.length - 1
    const bound = reverse ? this.#options.start : this.#options.end
    if (bound === undefined) return false
    const order = this.#order(this.#pages[level]!, this.#indexes[level]!, bound)
    if (reverse) return this.#options.startInclusive === false ? order <= 0 : order < 0
    return this.#options.endInclusive === true ? order > 0 : order >= 0
  }

  /** Moves `count` entries on without visiting them: whole subtrees are passed by their counts. */
  #skip(count: number, reverse: boolean): boolean {
    let left = count
    for (;;) {
      const level = this.#pages.length - 1
      const page = this.#pages[level]!
      const index = this.#indexes[level]!
      if (isLeaf(page)) {
        const here = reverse ? index : cellCount(page) - 1 - index
        if (left <= here) {
          this.#indexes[level] = reverse ? index - left : index + left
          return true
        }
        left -= here + 1
      }
      this.#pages.pop()
      this.#children.pop()
      let parent = this.#pages.length - 1
      for (;;) {
        if (parent < 0) return false
        const parentPage = this.#pages[parent]!
        const next = this.#indexes[parent]! + (reverse ? -1 : 1)
        this.#indexes[parent] = next
        if (next < 0 || next >= cellCount(parentPage)) {
          this.#pages.pop()
          this.#children.pop()
          parent -= 1
          continue
        }
        const entries = childCount(parentPage, this.#children[parent], next)
        if (left >= entries) {
          left -= entries
          continue
        }
        this.#pushChild(parent)
        parent += 1
        if (isLeaf(this.#pages[parent]!)) {
          const cells = cellCount(this.#pages[parent]!)
          this.#indexes[parent] = reverse ? cells - 1 - left : left
          this.#enterLeaf(reverse)
          return true
        }
        this.#indexes[parent] = reverse ? cellCount(this.#pages[parent]!) : -1
      }
    }
  }
}

/** Entries below child `index`. */
export function childCount(page: Buffer, children: Children, index: number): number {
  const child = children?.[index]
  if (child !== undefined) return child.count
  readCell(page, cellOffset(page, index), view)
  return page.readUIntLE(view.payloadStart + 18, 6)
}
