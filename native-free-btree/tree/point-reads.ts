/** Reads of single keys below a root. */
import type { EntryPlace } from '../api.ts'
import type { OnChild, PageSource } from '../cache/page-source.ts'
import type { Compare } from '../callbacks.ts'
import { CellView, copyOf, copyTo, readCell } from '../page/cell.ts'
import type { ValueReader } from '../values/values.ts'
import type { Root } from './shares.ts'

const view = new CellView()

/**
 * The value of the entry below `root` whose key is the first bytes of `key`, copied or fetched. `isToChange` and `onChild`: as for
 * `PageSource.findEntry`.
 */
export function getValue(
  root: Root,
  key: Uint8Array,
  source: PageSource,
  values: ValueReader,
  compare: Compare | undefined,
  isToChange = false,
  keyBytes = key.length,
  onChild?: OnChild,
): Buffer | undefined {
  const bytes = source.findEntry(root, key, compare, view, isToChange, keyBytes, onChild)
  return bytes && valueInView(bytes, values)
}

/** The value of the leaf's cell at `offset` of `bytes`, a page or a record; copied or fetched. */
export function valueOfCell(bytes: Buffer, offset: number, values: ValueReader): Buffer {
  readCell(bytes, offset, view)
  return valueInView(bytes, values)
}

function valueInView(bytes: Buffer, values: ValueReader): Buffer {
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
  isToChange = false,
  keyBytes = key.length,
  onChild?: OnChild,
): number {
  const bytes = source.findEntry(root, key, compare, view, isToChange, keyBytes, onChild)
  return bytes === undefined ? -1 : valueInViewInto(bytes, values, target)
}

/** As `valueOfCell`, into `target`. */
export function valueOfCellInto(
  bytes: Buffer,
  offset: number,
  values: ValueReader,
  target: Uint8Array,
): number {
  readCell(bytes, offset, view)
  return valueInViewInto(bytes, values, target)
}

function valueInViewInto(bytes: Buffer, values: ValueReader, target: Uint8Array): number {
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
  return source.findEntry(root, key, compare, view, false) !== undefined
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
