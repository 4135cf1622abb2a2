/**
 * All built-in reduces of one tree as its one reducer. A summary of the tree is those of each, side by side in the order of the
 * definition: each behind its length, u16. Together they are as long as a node takes: where they would be longer, the
 * longest of them become TOO_LONG until the others fit.
 */
import { createHash } from 'node:crypto'
import type { Reducer } from '../../../native-free-btree/index.ts'
import { rowValueParts } from '../keys/row-value.ts'
import { summarizersOf } from './builtin.ts'
import { fingerprint } from './fingerprint.ts'
import {
  isTooLong,
  LONG_SUMMARY,
  ROW_BOUNDS,
  type Row,
  type Rows,
  rowAt,
  type Summarizer,
} from './summarizer.ts'

/** What the engine keeps in an inner node for a child. */
const MOST_BYTES = 1024
/** Rises when a summary of the same rows has other bytes. */
const VERSION = 1
/** The engine's. */
const MOST_NAME_BYTES = 255
const LENGTH_BYTES = 2
/** V8 keeps the bytes of shorter arrays beside their objects, until somebody makes a view of them. */
const HEAP_BYTES = 64
/** A part that is longer is put together for nothing. */
export const MOST_PART_BYTES = MOST_BYTES - LENGTH_BYTES

/** Undefined where no reduce keeps summaries. */
export function treeReducer(reduces: readonly string[]): Reducer | undefined {
  const summarizers = summarizersOf(reduces)
  return summarizers.length === 0 ? undefined : new TreeReducer(summarizers)
}

/** A class, so that what V8 has compiled of its methods is there for the next index too. */
class TreeReducer implements Reducer {
  readonly name: string
  readonly version = VERSION
  readonly maxBytes = MOST_BYTES
  readonly #summarizers: readonly Summarizer[]

  constructor(summarizers: readonly Summarizer[]) {
    this.name = nameOf(summarizers)
    this.#summarizers = summarizers
  }

  map(key: Uint8Array, value: Uint8Array): Uint8Array {
    const row = rowOf(key, value)
    const parts: Uint8Array[] = []
    for (const summarizer of this.#summarizers) parts.push(summarizer.map(row, MOST_PART_BYTES))
    return joined(parts)
  }

  mapAll(bytes: Uint8Array, bounds: Uint32Array): Uint8Array {
    const rows = rowsOf(bytes, bounds)
    const parts: Uint8Array[] = []
    for (const summarizer of this.#summarizers) {
      parts.push(summarizer.mapAll?.(rows) ?? mapEach(rows, summarizer))
    }
    return joined(parts)
  }

  combine(summaries: readonly Uint8Array[]): Uint8Array {
    const columns: Uint8Array[][] = []
    for (const _ of this.#summarizers) columns.push([])
    for (const summary of summaries) splitInto(summary, columns)
    const parts: Uint8Array[] = []
    for (const [i, summarizer] of this.#summarizers.entries()) {
      parts.push(summarizer.combine(columns[i]!, MOST_PART_BYTES))
    }
    return joined(parts)
  }
}

function rowOf(place: Uint8Array, value: Uint8Array): Row {
  const { keyStart, valueStart } = rowValueParts(value)
  return { place, key: value.subarray(keyStart, valueStart), value: value.subarray(valueStart) }
}

/** Of entries as the engine lays them out. */
function rowsOf(bytes: Uint8Array, entries: Uint32Array): Rows {
  const count = entries.length / 4
  const bounds = new Uint32Array(count * ROW_BOUNDS)
  for (let i = 0; i < count; i++) {
    const { keyStart, valueStart } = rowValueParts(bytes, entries[4 * i + 2]!)
    bounds[ROW_BOUNDS * i] = keyStart
    bounds[ROW_BOUNDS * i + 1] = valueStart
    bounds[ROW_BOUNDS * i + 2] = entries[4 * i + 3]!
  }
  return { bytes, bounds, entries }
}

function mapEach(rows: Rows, summarizer: Summarizer): Uint8Array {
  const parts: Uint8Array[] = []
  const count = rows.bounds.length / ROW_BOUNDS
  for (let i = 0; i < count; i++) parts.push(summarizer.map(rowAt(rows, i), MOST_PART_BYTES))
  return summarizer.combine(parts, MOST_PART_BYTES)
}

/** What the rows are that a summary of a tree with these reduces is of, where functions are among the reduces. */
export function fingerprintOf(summary: Uint8Array, reduces: readonly string[]): Uint8Array | undefined {
  const index = summarizersOf(reduces).indexOf(fingerprint)
  if (index < 0) return undefined
  const part = partAt(summary, index)
  return isTooLong(part) ? undefined : part
}

/** The part of the summarizer with this index in a summary of the tree. */
export function partAt(summary: Uint8Array, index: number): Uint8Array {
  let at = 0
  for (let i = 0; i < index; i++) at += LENGTH_BYTES + lengthAt(summary, at)
  return summary.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + lengthAt(summary, at))
}

function nameOf(summarizers: readonly Summarizer[]): string {
  const names = summarizers.map(({ name }) => name).join('+')
  if (names.length <= MOST_NAME_BYTES) return names
  return `reduces ${createHash('sha256').update(names).digest('hex')}`
}

function splitInto(summary: Uint8Array, columns: readonly Uint8Array[][]): void {
  let at = 0
  for (const column of columns) {
    const end = at + LENGTH_BYTES + lengthAt(summary, at)
    column.push(bytesOf(summary, at + LENGTH_BYTES, end))
    at = end
  }
}

/** A view of short bytes would move them out of the heap: a copy costs less. */
function bytesOf(summary: Uint8Array, start: number, end: number): Uint8Array {
  if (summary.length > HEAP_BYTES) return summary.subarray(start, end)
  const part = new Uint8Array(end - start)
  for (let i = 0; i < part.length; i++) part[i] = summary[start + i]!
  return part
}

function lengthAt(summary: Uint8Array, at: number): number {
  return summary[at]! | (summary[at + 1]! << 8)
}

function joined(parts: Uint8Array[]): Uint8Array {
  let bytes = 0
  for (const part of parts) bytes += LENGTH_BYTES + part.length
  while (bytes > MOST_BYTES) bytes -= dropLongest(parts)
  const summary = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    summary[at] = part.length
    summary[at + 1] = part.length >>> 8
    summary.set(part, at + LENGTH_BYTES)
    at += LENGTH_BYTES + part.length
  }
  return summary
}

/** Answers how many bytes are saved. */
function dropLongest(parts: Uint8Array[]): number {
  const lengths = parts.map((part) => part.length)
  const index = lengths.indexOf(Math.max(...lengths))
  parts[index] = LONG_SUMMARY
  return lengths[index]! - LONG_SUMMARY.length
}
