/**
 * Pages searched as bytes. A search looks at the heads, which lie side by side, and at the cells only where heads are
 * equal: a cell is a miss of the processor's caches. Trees with a comparator use them among keys that are in bytewise order
 * all the same: on a page whose keys share their first byte, one of them tells.
 */
import type { Compare } from '../callbacks.ts'
import { NODE_HEADER_BYTES } from '../format.ts'
import { CellView, readCell } from './cell.ts'
import {
  cellCount,
  cellKey,
  cellOffset,
  headAt,
  headBefore,
  headOf,
  prefixLength,
  slotWidth,
} from './layout.ts'

const scratch = new CellView()

/** Bytewise order of the key of the cell at `offset` against bytes `start` to `end` of `key`. */
export function compareCellKey(
  page: Uint8Array,
  offset: number,
  key: Uint8Array,
  start = 0,
  end = key.length,
): number {
  let at = offset
  let byte = page[at++]!
  let length = byte & 127
  for (let scale = 128; byte >= 128; scale *= 128) {
    byte = page[at++]!
    length += (byte & 127) * scale
  }
  while (page[at++]! >= 128);
  const keyLength = end - start
  const shared = Math.min(length, keyLength)
  for (let i = 0; i < shared; i++) {
    const difference = page[at + i]! - key[start + i]!
    if (difference !== 0) return difference
  }
  return length - keyLength
}

/** Whether keys with this first byte are in bytewise order among each other; one without any has `undefined`. */
function isBytewise(first: number | undefined, compare: Compare): boolean {
  return first! < compare.bytewiseBelow
}

/** The first byte of the key of cell `index`; undefined when the key is empty. */
function firstByte(page: Uint8Array, index: number): number | undefined {
  readCell(page, cellOffset(page, index), scratch)
  return scratch.keyStart < scratch.keyEnd ? page[scratch.keyStart] : undefined
}

/**
 * Order of the key of cell `index` against the key that lies in `key` from `start` to `end`.
 * `compare` undefined means bytewise order.
 */
export function orderOfCell(
  page: Buffer,
  index: number,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  return compare === undefined ||
    (start < end && isBytewise(key[start], compare) && isBytewise(firstByte(page, index), compare))
    ? compareCellKey(page, cellOffset(page, index), key, start, end)
    : compare(cellKey(page, index), partOf(key, start, end))
}

/** Whether all keys from cell `from` on, which exists, and the one in `key` are in bytewise order. */
function areBytewise(
  page: Uint8Array,
  from: number,
  key: Uint8Array,
  compare: Compare,
  start: number,
  end: number,
): boolean {
  return (
    start < end &&
    isBytewise(key[start], compare) &&
    prefixLength(page) > 0 &&
    isBytewise(firstByte(page, from), compare)
  )
}

function partOf(key: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === key.length ? key : key.subarray(start, end)
}

/**
 * Order of the prefix of the page's keys, as cell `index` has it, against as many bytes of the key in `key`
 * from `start` to `end`.
 */
function orderOfPrefix(page: Uint8Array, index: number, key: Uint8Array, start: number, end: number): number {
  const prefix = prefixLength(page)
  if (prefix === 0) return 0
  readCell(page, cellOffset(page, index), scratch)
  const at = scratch.keyStart
  const length = end - start
  const shared = Math.min(length, prefix)
  for (let i = 0; i < shared; i++) {
    const difference = page[at + i]! - key[start + i]!
    if (difference !== 0) return difference
  }
  return prefix - shared
}

/** The first slot from `from` on whose head is not below `head`, or, with `above`, is above it. */
function headBound(page: Uint8Array, from: number, head: number, above: boolean): number {
  const width = slotWidth(page)
  let low = from
  let high = cellCount(page)
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = headBefore(page, NODE_HEADER_BYTES + (middle + 1) * width)
    if (other < head || (above && other === head)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The first cell from `from` on whose key is not below the key in `key` from `start` to `end`, or, with `above`, is
 * above it; `cellCount(page)` when there is none. `compare` undefined means bytewise order.
 */
function cellBound(
  page: Buffer,
  from: number,
  key: Uint8Array,
  compare: Compare | undefined,
  start: number,
  end: number,
  above: boolean,
): number {
  const cells = cellCount(page)
  if (from >= cells) return cells
  let low = from
  let high = cells
  let order = compare
  if (compare === undefined || areBytewise(page, from, key, compare, start, end)) {
    order = undefined
    const head = headOf(key, start + prefixLength(page), end)
    low = headBound(page, from, head, false)
    const ofPrefix = orderOfPrefix(page, Math.min(low, cells - 1), key, start, end)
    if (ofPrefix !== 0) return ofPrefix > 0 ? from : cells
    if (low === cells || headAt(page, low) !== head) return low
    // Heads seldom repeat: the first is mostly the only one to be looked at.
    const first = compareCellKey(page, cellOffset(page, low), key, start, end)
    if (first > 0 || (first === 0 && !above)) return low
    low += 1
    high = headBound(page, low, head, true)
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    const difference = orderOfCell(page, middle, key, order, start, end)
    if (difference < 0 || (above && difference === 0)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The first cell whose key is not below the key in `key` from `start` to `end` (`cellCount(page)` when there is
 * none). `compare` undefined means bytewise order.
 */
export function lowerBound(
  page: Buffer,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  return cellBound(page, 0, key, compare, start, end, false)
}

/** Whether cell `index` exists and has exactly this key. */
export function cellHasKey(
  page: Buffer,
  index: number,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): boolean {
  if (index >= cellCount(page)) return false
  return orderOfCell(page, index, key, compare, start, end) === 0
}

/** The cell with exactly the key in `key` from `start` to `end`; -1 when there is none. */
export function findCell(
  page: Buffer,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  if (compare === undefined) {
    // Equal keys have equal heads, whatever else the key may have in common with the others of the page.
    const head = headOf(key, start + prefixLength(page), end)
    const first = headBound(page, 0, head, false)
    if (first === cellCount(page) || headAt(page, first) !== head) return -1
    if (compareCellKey(page, cellOffset(page, first), key, start, end) === 0) return first
  }
  const index = lowerBound(page, key, compare, start, end)
  return cellHasKey(page, index, key, compare, start, end) ? index : -1
}

/**
 * Whether cell `index` exists and has exactly the bytes `start` to `end` of `key`, in whatever order the tree has them. It costs next
 * to nothing where that is not so: then heads tell it, which lie side by side.
 */
export function isNextKey(
  page: Uint8Array,
  index: number,
  key: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (index >= cellCount(page)) return false
  const prefix = prefixLength(page)
  if (end - start < prefix || headAt(page, index) !== headOf(key, start + prefix, end)) return false
  return compareCellKey(page, cellOffset(page, index), key, start, end) === 0
}

/** The child of an inner page whose range holds the key in `key` from `start` to `end`. */
export function childIndex(
  page: Buffer,
  key: Uint8Array,
  compare: Compare | undefined,
  start = 0,
  end = key.length,
): number {
  return cellBound(page, 1, key, compare, start, end, true) - 1
}
