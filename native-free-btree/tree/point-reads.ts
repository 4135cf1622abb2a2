/** Reads of single keys below a root. */
import type { EntryPlace } from '../api.ts'
import type { OnChild, PageSource } from '../cache/page-source.ts'
import type { Compare } from '../callbacks.ts'
import { CellView, copyOf, copyTo, readCell } from '../page/cell.ts'
import { cellOffset } from '../page/layout.ts'
import { cellHasKey, lowerBound } from '../page/search.ts'
import type { ValueReader } from '../values/values.ts'
import type { Root } from './shares.ts'

const view = new CellView()

/** The value of the entry below `root` whose key is the first bytes of `key`, copied or fetched. `onChild`: as for `leafFor`. */
export function getValue(
  root: Root,
  key: Uint8Array,
  source: PageSource,
  values: ValueReader,
  compare: Compare | undefined,
  keyBytes = key.length,
  onChild?: OnChild,
): Buffer | undefined {
  const leaf = source.leafFor(root, key, compare, 0, keyBytes, onChild)
  if (leaf === undefined) return undefined
  const index = lowerBound(leaf, key, compare, 0, keyBytes)
  if (!cellHasKey(leaf, index, key, compare, 0, keyBytes)) return undefined
  return valueOfCell(leaf, cellOffset(leaf, index), values)
}

/** The value of the leaf's cell at `offset` of `bytes`, a page or a record; copied or fetched. */
export function valueOfCell(bytes: Buffer, offset: number, values: ValueReader): Buffer {
  readCell(bytes, offset, view)
  if (view.isReference) return values.readAt(bytes, view.payloadStart)
  return copyOf(bytes, view.payloadStart, view.end)
}

/** As `getValue`, into `target`: see `StoreReader.getInto`. */
export function getValueInto(
  root: Root,
  key: Uint8Array,
  source: PageSource,
  values: ValueReader,
  compare: Compare | undefined,
  target: Uint8Array,
  keyBytes = key.length,
  onChild?: OnChild,
): number {
  const leaf = source.leafFor(root, key, compare, 0, keyBytes, onChild)
  if (leaf === undefined) return -1
  const index = lowerBound(leaf, key, compare, 0, keyBytes)
  if (!cellHasKey(leaf, index, key, compare, 0, keyBytes)) return -1
  return valueOfCellInto(leaf, cellOffset(leaf, index), values, target)
}

/** As `valueOfCell`, into `target`. */
export function valueOfCellInto(
  bytes: Buffer,
  offset: number,
  values: ValueReader,
  target: Uint8Array,
): number {
  readCell(bytes, offset, view)
  if (!view.isReference) return copyTo(bytes, view.payloadStart, view.end, target)
  const { bytes: source, start, end } = values.locate(bytes, view.payloadStart)
  return copyTo(source, start, end, target)
}

/** Whether there is an entry with this key below `root`. */
export function hasKey(
  root: Root,
  key: Uint8Array,
  source: PageSource,
  compare: Compare | undefined,
): boolean {
  const leaf = source.leafFor(root, key, compare)
  return leaf !== undefined && cellHasKey(leaf, lowerBound(leaf, key, compare), key, compare)
}

/** Says where the parts of the leaf's cell at `offset` of `bytes` lie, a page or a record. */
export function placeCell(bytes: Buffer, offset: number, values: ValueReader, into: EntryPlace): void {
  readCell(bytes, offset, view)
  const { keyStart, keyEnd, payloadStart, end } = view
  into.keyBytes = bytes
  into.keyStart = keyStart
  into.keyEnd = keyEnd
  if (view.isReference) {
    const value = values.readAt(bytes, payloadStart)
    into.valueBytes = value
    into.valueStart = 0
    into.valueEnd = value.length
  } else {
    into.valueBytes = bytes
    into.valueStart = payloadStart
    into.valueEnd = end
  }
}
