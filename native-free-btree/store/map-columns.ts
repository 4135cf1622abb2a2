/** The stretches of a map, and how many bytes of each kind lie in them; and which values have been counted. */
import type { FileMap, MapKind, MapPart } from '../inspection.ts'

/** Of a value's record: no two short ones begin in the same cell, since a record has 13 bytes and its value. */
const SHORT_CELL_BYTES = 8
/** Values that are longer are marked one by one in any file: so few fit into it. */
const LONG_VALUE_BYTES = 16 * 1024
/** In which short values are looked at, or not. */
const STRETCH_BYTES = 64 * 1024
/** Of marks for short values. Every one of a file of 2 GiB has one. */
const MOST_MARK_BYTES = 32 * 1024 * 1024
/** Bytes of a file for which short values have marks in one byte. */
const MARKED_BY_BYTE = SHORT_CELL_BYTES * 8
const HASH_FACTOR = 0x9e3779b1

/** Bytes by kind in stretches of equal length. */
export class MapColumns {
  readonly fileBytes: number
  readonly bucketBytes: number
  readonly buckets: number
  readonly #columns = new Map<string, { kind: MapKind; bytes: Float64Array }>()

  constructor(fileBytes: number, mostBuckets: number) {
    this.fileBytes = fileBytes
    this.bucketBytes = Math.max(1, Math.ceil(fileBytes / mostBuckets))
    this.buckets = Math.ceil(fileBytes / this.bucketBytes)
  }

  column(part: MapPart, name = ''): Float64Array {
    const id = `${part} ${name}`
    let column = this.#columns.get(id)
    if (column === undefined) {
      column = { kind: { part, name }, bytes: new Float64Array(this.buckets) }
      this.#columns.set(id, column)
    }
    return column.bytes
  }

  /** Adds bytes `from` to `to` of the file to a column, `weight` times. */
  add(column: Float64Array, from: number, to: number, weight = 1): void {
    const { bucketBytes } = this
    const end = Math.min(to, this.fileBytes)
    for (let at = from; at < end; ) {
      const bucket = Math.floor(at / bucketBytes)
      const next = Math.min(end, (bucket + 1) * bucketBytes)
      column[bucket]! += (next - at) * weight
      at = next
    }
  }

  /**
   * Columns of `part` are what was found of `all`; the rest goes to `rest`. Where more was found than there is, which an
   * estimate may, all of it shrinks.
   */
  settle(all: Float64Array, part: MapPart, rest: Float64Array): void {
    const found = [...this.#columns.values()].filter(({ kind }) => kind.part === part)
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      const total = all[bucket]!
      const sum = found.reduce((bytes, column) => bytes + column.bytes[bucket]!, 0)
      rest[bucket]! += Math.max(0, total - sum)
      if (sum > total) for (const column of found) column.bytes[bucket]! *= total / sum
    }
  }

  /** Of the columns that have anything in them. */
  table(): Pick<FileMap, 'kinds' | 'bytes'> {
    const used = [...this.#columns.values()].filter(({ bytes }) => bytes.some((count) => count > 0))
    const bytes = new Float64Array(this.buckets * used.length)
    for (const [index, column] of used.entries()) {
      for (let bucket = 0; bucket < this.buckets; bucket++) {
        bytes[bucket * used.length + index] = column.bytes[bucket]!
      }
    }
    return { kinds: used.map(({ kind }) => kind), bytes }
  }
}

/** Which values have been seen: those that several entries name count once. Its memory is bounded. */
export class ValueMarks {
  /** One stretch in so many is looked at for short values. */
  readonly sampling: number
  readonly #short: Uint8Array
  readonly #long: Uint8Array

  constructor(fileBytes: number, mostMarkBytes = MOST_MARK_BYTES) {
    this.sampling = Math.max(1, Math.ceil(fileBytes / (mostMarkBytes * MARKED_BY_BYTE)))
    const stretches = Math.ceil(fileBytes / STRETCH_BYTES / this.sampling)
    this.#short = new Uint8Array((stretches * STRETCH_BYTES) / MARKED_BY_BYTE)
    this.#long = new Uint8Array(Math.ceil(fileBytes / LONG_VALUE_BYTES / 8))
  }

  /** How many times the record at `position` counts: 0 when it was seen before, or is not looked at. */
  weigh(position: number, recordBytes: number): number {
    if (recordBytes > LONG_VALUE_BYTES)
      return mark(this.#long, Math.floor(position / LONG_VALUE_BYTES)) ? 1 : 0
    const stretch = Math.floor(position / STRETCH_BYTES)
    const sampled = Math.floor(stretch / this.sampling)
    // Which one of its neighbours is looked at differs, so that nothing that comes at regular distances is missed.
    const chosen = (Math.imul(sampled, HASH_FACTOR) >>> 0) % this.sampling
    if (stretch % this.sampling !== chosen) return 0
    const cell = Math.floor((sampled * STRETCH_BYTES + (position % STRETCH_BYTES)) / SHORT_CELL_BYTES)
    return mark(this.#short, cell) ? this.sampling : 0
  }
}

/** False when it was marked already. */
function mark(bits: Uint8Array, index: number): boolean {
  const at = index >>> 3
  const bit = 1 << (index & 7)
  if ((bits[at]! & bit) !== 0) return false
  bits[at]! |= bit
  return true
}
