/** Reads of one root: points, ranges, ranks and summaries. */
import type { Cursor, CursorOptions, Range, Reducer, Summary, TreeReader } from '../api.ts'
import { bytesOf, requireBoolean, requireObject, requireWhole } from '../arguments.ts'
import type { PageSource } from '../cache/page-source.ts'
import { assertOutside, type Compare } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import { POINTER_BYTES } from '../format.ts'
import { CellView, copyOf, leafCellBytes, readCell } from '../page/cell.ts'
import { cellCount, cellOffset, isLeaf } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { bytesBelow, countBelow, type NodePointer, readPointer, reductionBelow } from '../page/pointer.ts'
import { cellHasKey, childIndex, lowerBound } from '../page/search.ts'
import type { ValueReader } from '../values/values.ts'
import { TreeCursor } from './cursor.ts'
import { getValue, hasKey } from './point-reads.ts'
import type { Root } from './shares.ts'
import type { Tree } from './tree.ts'

const view = new CellView()
const WHOLE: Range = {}

/** The options, looked at and copied: bounds stay as they are while a cursor walks. Throws INVALID_ARGUMENT. */
export function checkedCursor(options: CursorOptions): CursorOptions {
  requireObject('options', options)
  const { reverse, skip } = options
  requireBoolean('reverse', reverse)
  if (skip !== undefined) requireWhole('skip', skip)
  const { start, startInclusive, end, endInclusive } = checkedRange(options)
  return { start, startInclusive, end, endInclusive, reverse, skip }
}

export class RootReader implements TreeReader {
  readonly #tree: Tree
  readonly #root: Root
  readonly #source: PageSource
  readonly #values: ValueReader
  readonly #isOpen: () => boolean

  constructor(tree: Tree, root: Root, source: PageSource, values: ValueReader, isOpen: () => boolean) {
    this.#tree = tree
    this.#root = root
    this.#source = source
    this.#values = values
    this.#isOpen = isOpen
  }

  #assertOpen(): void {
    assertOutside()
    if (!this.#isOpen()) throw new StorageError('CLOSED', 'the snapshot was closed')
  }

  count(): number {
    this.#assertOpen()
    return this.#root === undefined ? 0 : this.#root.count
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#assertOpen()
    return getValue(this.#root, bytesOf('a key', key), this.#source, this.#values, this.#tree.compare)
  }

  has(given: Uint8Array): boolean {
    this.#assertOpen()
    return hasKey(this.#root, bytesOf('a key', given), this.#source, this.#tree.compare)
  }

  cursor(options: CursorOptions = {}): Cursor {
    this.#assertOpen()
    const checked = checkedCursor(options)
    return new TreeCursor(this.#root, this.#source, this.#values, this.#tree.compare, checked, this.#isOpen)
  }

  rank(key: Uint8Array): number {
    this.#assertOpen()
    const bytes = bytesOf('a key', key)
    return this.#root === undefined ? 0 : rankBelow(this.#root, bytes, this.#source, this.#tree.compare)
  }

  reduce(range?: Range): Summary {
    const checked = range === undefined ? WHOLE : checkedRange(range)
    this.#assertOpen()
    const { reducer } = this.#tree
    if (this.#root !== undefined && checked.start === undefined && checked.end === undefined) {
      const { count, bytes } = this.#root
      // What the root keeps is what the reducer has combined.
      const whole = reducer && reductionOf(this.#root, this.#tree, this.#source, this.#values)
      return { count, bytes, reduction: whole && copyOf(whole, 0, whole.length) }
    }
    const total = new SummaryBuilder(reducer)
    if (this.#root !== undefined)
      new RangeReduction(this.#tree, this.#source, this.#values, checked).add(this.#root, total)
    return total.summary()
  }
}

/** Entries before a key: from each node on the way, those of the children before. */
function rankBelow(
  root: MutableNode | NodePointer,
  key: Uint8Array,
  source: PageSource,
  compare: Compare | undefined,
): number {
  let link = root
  let rank = 0
  for (;;) {
    const page = source.pageOf(link)
    if (isLeaf(page)) return rank + lowerBound(page, key, compare)
    const children = link instanceof MutableNode && link.pointer === undefined ? link.children : undefined
    const index = childIndex(page, key, compare)
    // The fewer of the children before and behind are looked at.
    if (index <= cellCount(page) / 2) rank += countOf(page, children, 0, index)
    else rank += link.count - countOf(page, children, index, cellCount(page))
    link = children?.[index] ?? readPointer(page, index, false)
  }
}

/** Entries below the children from `from` to `to`. */
function countOf(page: Buffer, children: MutableNode['children'], from: number, to: number): number {
  let count = 0
  for (let i = from; i < to; i++) count += children?.[i]?.count ?? countBelow(page, i)
  return count
}

/** A copy: the bounds stay as they are while a cursor walks. Throws INVALID_ARGUMENT. */
function checkedRange(range: Range): Range {
  requireObject('a range', range)
  const { start, startInclusive, end, endInclusive } = range
  requireBoolean('startInclusive', startInclusive)
  requireBoolean('endInclusive', endInclusive)
  return {
    start: start === undefined ? undefined : ownBytes('start', start),
    startInclusive,
    end: end === undefined ? undefined : ownBytes('end', end),
    endInclusive,
  }
}

function ownBytes(what: string, given: Uint8Array): Buffer {
  const bytes = bytesOf(what, given)
  return copyOf(bytes, 0, bytes.length)
}

class SummaryBuilder {
  count = 0
  bytes = 0
  readonly reducer: Reducer | undefined
  /** Some are views of pages: they are for the reducer alone, which is given copies. */
  readonly parts: Uint8Array[] = []

  constructor(reducer: Reducer | undefined) {
    this.reducer = reducer
  }

  summary(): Summary {
    const { reducer, count, bytes } = this
    return { count, bytes, reduction: reducer?.combine(this.parts) }
  }
}

/** Adds up the part of a subtree that lies in a range; whole children are taken by their summaries. */
class RangeReduction {
  readonly #tree: Tree
  readonly #source: PageSource
  readonly #values: ValueReader
  readonly #range: Range

  constructor(tree: Tree, source: PageSource, values: ValueReader, range: Range) {
    this.#tree = tree
    this.#source = source
    this.#values = values
    this.#range = range
  }

  add(link: MutableNode | NodePointer, total: SummaryBuilder): void {
    this.#add(link, total, this.#range.start !== undefined, this.#range.end !== undefined)
  }

  /** `cutLeft` and `cutRight`: whether the bound may lie inside this node. */
  #add(link: MutableNode | NodePointer, total: SummaryBuilder, cutLeft: boolean, cutRight: boolean): void {
    if (!cutLeft && !cutRight) {
      total.count += link.count
      total.bytes += link.bytes
      if (total.reducer !== undefined) {
        total.parts.push(reductionOf(link, this.#tree, this.#source, this.#values))
      }
      return
    }
    const page = this.#source.pageOf(link)
    const { start, end, startInclusive, endInclusive } = this.#range
    const compare = this.#tree.compare
    const cells = cellCount(page)
    let from = 0
    let to = cells
    if (isLeaf(page)) {
      if (cutLeft) {
        from = lowerBound(page, start!, compare)
        if (startInclusive === false && cellHasKey(page, from, start!, compare)) from += 1
      }
      if (cutRight) {
        to = lowerBound(page, end!, compare)
        if (endInclusive === true && cellHasKey(page, to, end!, compare)) to += 1
      }
      for (let i = from; i < to; i++) {
        readCell(page, cellOffset(page, i), view)
        total.count += 1
        total.bytes += leafCellBytes(page, view)
      }
      if (total.reducer !== undefined) mapCells(page, from, to, total.reducer, this.#values, total.parts)
      return
    }
    const children = link instanceof MutableNode && link.pointer === undefined ? link.children : undefined
    if (cutLeft) from = childIndex(page, start!, compare)
    if (cutRight) to = childIndex(page, end!, compare) + 1
    for (let i = from; i < to; i++) {
      const isCutLeft = cutLeft && i === from
      const isCutRight = cutRight && i === to - 1
      const child = children?.[i]
      if (child !== undefined || isCutLeft || isCutRight) {
        this.#add(child ?? readPointer(page, i, false), total, isCutLeft, isCutRight)
        continue
      }
      total.count += countBelow(page, i)
      total.bytes += bytesBelow(page, i)
      if (total.reducer !== undefined) total.parts.push(reductionBelow(page, i))
    }
  }
}

/** The summaries of an inner node's children, of which there are some hundred, in most trees. */
const INNER_DESK_BYTES = 8192

/** For fewer entries the copy of their page costs more than their own. */
const FEW_CELLS = 4

/**
 * Adds what the reducer gives for cells of a leaf to `parts`: for each, or for all together. `values` may be left out where all
 * values are in the page.
 */
export function mapCells(
  page: Buffer,
  from: number,
  to: number,
  reducer: Reducer,
  values: ValueReader | undefined,
  parts: Uint8Array[],
): void {
  const isForAll = isForMany(reducer, to - from)
  const bounds = isForAll ? boundsOf(page, from, to) : undefined
  if (bounds !== undefined) parts.push(reducer.mapAll!(page, bounds))
  else if (isForAll && values !== undefined) mapGathered(page, from, to, reducer, values, parts)
  else for (let i = from; i < to; i++) parts.push(mapCell(page, i, reducer, values))
}

/** Entries whose values are elsewhere are copied together, so much at a time: as much as a reducer is given a copy of in one place. */
const GATHERED_BYTES = 64 * 1024
const GATHERED_CELLS = 256
let gathering: Buffer | undefined
const gatheredBounds = new Uint32Array(4 * GATHERED_CELLS)

/** As `mapCells`, where values are out of line: no memory is taken for each. */
function mapGathered(
  page: Buffer,
  from: number,
  to: number,
  reducer: Reducer,
  values: ValueReader,
  parts: Uint8Array[],
): void {
  gathering ??= Buffer.allocUnsafeSlow(GATHERED_BYTES)
  let cells = 0
  let length = 0
  const tell = (): void => {
    if (cells === 0) return
    const bounds = roomForBounds(4 * cells)
    bounds.set(gatheredBounds.subarray(0, 4 * cells))
    parts.push(reducer.mapAll!(gathering!.subarray(0, length), bounds))
    cells = 0
    length = 0
  }
  for (let i = from; i < to; i++) {
    readCell(page, cellOffset(page, i), view)
    const bytes = leafCellBytes(page, view)
    if (cells === GATHERED_CELLS || length + bytes > GATHERED_BYTES) tell()
    if (bytes > GATHERED_BYTES) {
      parts.push(mapCell(page, i, reducer, values))
      continue
    }
    const { keyStart, keyEnd, payloadStart, end, isReference } = view
    const place = isReference ? values.locate(page, payloadStart) : { bytes: page, start: payloadStart, end }
    const valueStart = length + keyEnd - keyStart
    const valueEnd = valueStart + place.end - place.start
    gathering.set(page.subarray(keyStart, keyEnd), length)
    gathering.set(place.bytes.subarray(place.start, place.end), valueStart)
    gatheredBounds[4 * cells] = length
    gatheredBounds[4 * cells + 1] = valueStart
    gatheredBounds[4 * cells + 2] = valueStart
    gatheredBounds[4 * cells + 3] = valueEnd
    cells += 1
    length = valueEnd
  }
  tell()
}

/** Lists of bounds by their length: they are used again. */
const boundsRooms: (Uint32Array | undefined)[] = []
/** Of the longest that are. */
const KEPT_BOUNDS = 1024

function roomForBounds(length: number): Uint32Array {
  if (length > KEPT_BOUNDS) return new Uint32Array(length)
  boundsRooms[length] ??= new Uint32Array(length)
  return boundsRooms[length]
}

/** As `mapAll` takes them; undefined where a value is not in the page. */
function boundsOf(page: Buffer, from: number, to: number): Uint32Array | undefined {
  const bounds = roomForBounds((to - from) * 4)
  for (let i = from, at = 0; i < to; i++) {
    readCell(page, cellOffset(page, i), view)
    if (view.isReference) return undefined
    bounds[at++] = view.keyStart
    bounds[at++] = view.keyEnd
    bounds[at++] = view.payloadStart
    bounds[at++] = view.end
  }
  return bounds
}

/** What the reducer gives for one cell of a leaf. */
export function mapCell(
  page: Buffer,
  index: number,
  reducer: Reducer,
  values: ValueReader | undefined,
): Uint8Array {
  readCell(page, cellOffset(page, index), view)
  const key = page.subarray(view.keyStart, view.keyEnd)
  const payload = page.subarray(view.payloadStart, view.end)
  return reducer.map(key, view.isReference ? values!.readAt(page, view.payloadStart) : payload)
}

/** The reducer's summary of a whole subtree; kept in the node once it is known. */
export function reductionOf(
  link: MutableNode | NodePointer,
  tree: Tree,
  source: PageSource,
  values: ValueReader,
): Uint8Array {
  const reducer = tree.reducer!
  if (!(link instanceof MutableNode)) return link.reduction!
  if (link.pointer !== undefined) return link.pointer.reduction!
  if (link.reduction !== undefined) return link.reduction
  const { cells, page, children } = link
  if (children !== undefined && reducer.combineAll !== undefined) {
    const bounds = gathered(link, tree, source, values)
    const reduction = reducer.combineAll(desk, bounds)
    link.reduction = reduction
    return reduction
  }
  const reduction =
    children === undefined
      ? leafReduction(page, cells, reducer, values)
      : reducer.combine(
          children.map((child, i) =>
            child === undefined ? reductionBelow(page, i) : reductionOf(child, tree, source, values),
          ),
        )
  link.reduction = reduction
  return reduction
}

/** The summary of a leaf: from one call, where the reducer has one for many entries and all values are in the page. */
function leafReduction(page: Buffer, cells: number, reducer: Reducer, values: ValueReader): Uint8Array {
  const bounds = isForMany(reducer, cells) ? boundsOf(page, 0, cells) : undefined
  if (bounds !== undefined) return reducer.mapAll!(page, bounds)
  const parts: Uint8Array[] = []
  mapCells(page, 0, cells, reducer, values, parts)
  return reducer.combine(parts)
}

function isForMany(reducer: Reducer, cells: number): boolean {
  return reducer.mapAll !== undefined && cells >= FEW_CELLS
}

/** Where the summaries of a node's children lie side by side. */
let desk = Buffer.alloc(INNER_DESK_BYTES)

/** Copies the summaries of all children of an inner node to `desk`; returns their bounds there. */
function gathered(node: MutableNode, tree: Tree, source: PageSource, values: ValueReader): Uint32Array {
  const { cells, page } = node
  const children = node.children!
  // What has no summary yet makes it by way of the desk.
  for (const child of children) if (child !== undefined) reductionOf(child, tree, source, values)
  const bounds = roomForBounds(2 * cells)
  let at = 0
  for (let i = 0; i < cells; i++) {
    const child = children[i]
    const part = child === undefined ? page : reductionOf(child, tree, source, values)
    if (child === undefined) readCell(page, cellOffset(page, i), view)
    const start = child === undefined ? view.payloadStart + POINTER_BYTES : 0
    const end = child === undefined ? view.end : part.length
    if (at + end - start > desk.length) desk = Buffer.concat([desk, Buffer.alloc(desk.length + end - start)])
    bounds[2 * i] = at
    for (let k = start; k < end; k++) desk[at++] = part[k]!
    bounds[2 * i + 1] = at
  }
  return bounds
}
