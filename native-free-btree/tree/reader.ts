/** Reads of one root: points, ranges, ranks and summaries. */
import type { Cursor, CursorOptions, Range, Reducer, Summary, TreeReader } from '../api.ts'
import { bytesOf, requireBoolean, requireObject, requireWhole } from '../arguments.ts'
import type { PageSource } from '../cache/page-source.ts'
import { assertOutside, type Compare, LENT_BYTES, lendingDesk } from '../callbacks.ts'
import { copyBytes } from '../disk/bytes.ts'
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
    copyBytes(page, keyStart, gathering, length, keyEnd - keyStart)
    copyBytes(place.bytes, place.start, gathering, valueStart, place.end - place.start)
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

/**
 * The reducer's summary of a whole subtree; kept in the node once it is known. `above`: the page of the inner node that has it as
 * child `index`, which spares work.
 */
export function reductionOf(
  link: MutableNode | NodePointer,
  tree: Tree,
  source: PageSource,
  values: ValueReader,
  above?: Buffer,
  index = 0,
): Uint8Array {
  const reducer = tree.reducer!
  if (!(link instanceof MutableNode)) return link.reduction!
  if (link.pointer !== undefined) return link.pointer.reduction!
  if (link.reduction !== undefined) return link.reduction
  const { page, children } = link
  if (children === undefined) return leafReduction(link, reducer, values, above, index)
  const reduction =
    reducer.combineAll !== undefined
      ? reducer.combineAll(desk, gathered(link, tree, source, values))
      : reducer.combine(
          children.map((child, i) =>
            child === undefined ? reductionBelow(page, i) : reductionOf(child, tree, source, values, page, i),
          ),
        )
  link.keepReduction(reduction)
  return reduction
}

/** The summary of a leaf: where the order does not matter, of what is known of it and of the cells that came in since. */
function leafReduction(
  leaf: MutableNode,
  reducer: Reducer,
  values: ValueReader,
  above: Buffer | undefined,
  index: number,
): Uint8Array {
  const isKnown = reducer.isUnordered === true && leaf.knownBytes >= 0
  const reduction =
    (isKnown ? combinedWithNew(leaf, reducer, values, above, index) : undefined) ??
    reductionOfCells(leaf.page, leaf.cells, reducer, values)
  leaf.keepReduction(reduction)
  return reduction
}

/** Combines the summary of the known cells with those that came in since. Undefined: nobody knows it, or most came in. */
function combinedWithNew(
  leaf: MutableNode,
  reducer: Reducer,
  values: ValueReader,
  above: Buffer | undefined,
  index: number,
): Uint8Array | undefined {
  const { known } = leaf
  const bounds = known === undefined && above === undefined ? undefined : lendNew(leaf, values)
  if (bounds === undefined) return undefined
  const added = mapLent(reducer, bounds)
  let at: number
  if (known !== undefined) at = putOnDesk(0, known, 0, known.length)
  else {
    readCell(above!, cellOffset(above!, index), view)
    at = putOnDesk(0, above!, view.payloadStart + POINTER_BYTES, view.end)
  }
  const end = putOnDesk(at, added, 0, added.length)
  if (reducer.combineAll === undefined) return reducer.combine([desk.subarray(0, at), desk.subarray(at, end)])
  const two = roomForBounds(4)
  two[0] = 0
  two[1] = at
  two[2] = at
  two[3] = end
  return reducer.combineAll(desk, two)
}

/** Copies the cells that are not known to the desk of the reducer; returns their bounds. Undefined: it is more than half of all, or too long. */
function lendNew({ page, knownBytes }: MutableNode, values: ValueReader): Uint32Array | undefined {
  const cells = cellCount(page)
  const knownTop = page.length - knownBytes
  let added = 0
  for (let i = 0; i < cells; i++) if (cellOffset(page, i) < knownTop) added += 1
  if (added > cells / 2) return undefined
  const target = lendingDesk()
  const bounds = roomForBounds(4 * added)
  for (let i = 0, n = 0, at = 0; n < 4 * added; i++) {
    const offset = cellOffset(page, i)
    if (offset >= knownTop) continue
    readCell(page, offset, view)
    if (at + leafCellBytes(page, view) > LENT_BYTES) return undefined
    const { keyStart, keyEnd, payloadStart, end, isReference } = view
    bounds[n++] = at
    copyBytes(page, keyStart, target, at, keyEnd - keyStart)
    at += keyEnd - keyStart
    bounds[n++] = at
    bounds[n++] = at
    if (isReference) {
      const { bytes, start, end } = values.locate(page, payloadStart)
      copyBytes(bytes, start, target, at, end - start)
      at += end - start
    } else {
      copyBytes(page, payloadStart, target, at, end - payloadStart)
      at += end - payloadStart
    }
    bounds[n++] = at
  }
  return bounds
}

/** What the reducer gives for entries on its desk. */
function mapLent(reducer: Reducer, bounds: Uint32Array): Uint8Array {
  const lent = lendingDesk()
  if (reducer.mapAll !== undefined) return reducer.mapAll(lent, bounds)
  const parts: Uint8Array[] = []
  for (let i = 0; i < bounds.length; i += 4) {
    const key = lent.subarray(bounds[i], bounds[i + 1])
    parts.push(reducer.map(key, lent.subarray(bounds[i + 2], bounds[i + 3])))
  }
  return reducer.combine(parts)
}

/** From one call, where the reducer has one for many entries and all values are in the page. */
function reductionOfCells(page: Buffer, cells: number, reducer: Reducer, values: ValueReader): Uint8Array {
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

/** Copies bytes `start` to `end` of `part` to `at` of `desk`, which may become another; returns the place behind. */
function putOnDesk(at: number, part: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (at + length > desk.length) desk = Buffer.concat([desk, Buffer.alloc(desk.length + length)])
  for (let i = 0; i < length; i++) desk[at + i] = part[start + i]!
  return at + length
}

/** Copies the summaries of all children of an inner node to `desk`; returns their bounds there. */
function gathered(node: MutableNode, tree: Tree, source: PageSource, values: ValueReader): Uint32Array {
  const { cells, page } = node
  const children = node.children!
  // What has no summary yet makes it by way of the desk.
  for (let i = 0; i < cells; i++) {
    const child = children[i]
    if (child !== undefined) reductionOf(child, tree, source, values, page, i)
  }
  const bounds = roomForBounds(2 * cells)
  let at = 0
  for (let i = 0; i < cells; i++) {
    const child = children[i]
    const part = child === undefined ? page : reductionOf(child, tree, source, values)
    if (child === undefined) readCell(page, cellOffset(page, i), view)
    const start = child === undefined ? view.payloadStart + POINTER_BYTES : 0
    const end = child === undefined ? view.end : part.length
    bounds[2 * i] = at
    at = putOnDesk(at, part, start, end)
    bounds[2 * i + 1] = at
  }
  return bounds
}
