/**
 * Documents in the order of their ids. The tree `id` holds deleted documents too; totals, offsets and skips
 * count live ones, by the tree's summaries, in O(log n) or, for a skip across deleted ones, O(log² n).
 */
import type { Cursor, Range, Snapshot, TreeReader } from '../../../native-free-btree/index.ts'
import type { AllDocsOptions, AllDocsPage, AllDocsRow } from '../api/database.ts'
import { decodeInfo, isDeletedInfo } from '../layout/document-info.ts'
import { idKey, readSummary, TREES } from '../layout/layout.ts'
import type { SequenceCodec } from '../layout/sequence.ts'
import { travelRange } from '../layout/travel-range.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { type ViewSource, viewOfWinner } from './document-view.ts'
import { type RowWalk, StoredEntry, WalkedRows } from './stored-rows.ts'

/** Deleted documents in a row after which the next live one is looked up instead of walked to. */
const LONG_RUN = 64

export function rowOf(source: ViewSource, id: string, value: Buffer): AllDocsRow {
  const info = decodeInfo(value)
  return {
    id,
    rev: formatRevision(info.winner),
    deleted: info.deleted,
    document: () => viewOfWinner(source, id, info),
  }
}

/** Live documents of a range, by number. Most walks ask for no number, and then nothing is counted. */
class LiveRange {
  readonly #tree: TreeReader
  readonly #range: Range
  readonly #reverse: boolean
  #counted: { readonly entries: number; readonly live: number } | undefined

  constructor(tree: TreeReader, range: Range, reverse: boolean) {
    this.#tree = tree
    this.#range = range
    this.#reverse = reverse
  }

  #counts(): { readonly entries: number; readonly live: number } {
    if (this.#counted === undefined) {
      const { count, reduction } = this.#tree.reduce(this.#range)
      this.#counted = { entries: count, live: readSummary(reduction).live }
    }
    return this.#counted
  }

  get live(): number {
    return this.#counts().live
  }

  cursor(skip: number): Cursor {
    const { start, startInclusive, end, endInclusive } = this.#range
    return this.#tree.cursor({ start, startInclusive, end, endInclusive, reverse: this.#reverse, skip })
  }

  /** Live documents among the first `entries` of the range. */
  #liveAmong(entries: number): number {
    if (entries >= this.#counts().entries) return this.live
    const cursor = this.cursor(entries)
    cursor.next()
    const key = cursor.key()
    const part = this.#reverse
      ? { ...this.#range, start: key, startInclusive: false }
      : { ...this.#range, end: key, endInclusive: false }
    return readSummary(this.#tree.reduce(part).reduction).live
  }

  /** Entries before the live document that has `number` live ones before it. */
  position(number: number): number {
    const { entries, live } = this.#counts()
    if (number >= live) return entries
    if (live === entries) return number
    let low = number
    let high = entries - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#liveAmong(middle) <= number) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Live documents before `first`, in the direction of travel; `total` are those of the whole tree. */
function liveBefore(tree: TreeReader, first: Buffer, reverse: boolean, total: number): number {
  // Where nothing is deleted the entries count, and no summaries have to be added up.
  if (!reverse && tree.count() === total) return tree.rank(first)
  const before: Range = reverse ? { start: first, startInclusive: false } : { end: first }
  return readSummary(tree.reduce(before).reduction).live
}

/** Live documents of a range, one after the other. */
class LiveWalk implements RowWalk<AllDocsRow> {
  readonly entry: StoredEntry
  readonly #source: ViewSource
  readonly #range: LiveRange
  readonly #skip: number
  readonly #limit: number
  #cursor: Cursor
  #taken = 0
  #deletedRun = 0

  constructor(source: ViewSource, range: LiveRange, skip: number, limit: number) {
    this.entry = new StoredEntry(source)
    this.#source = source
    this.#range = range
    this.#skip = skip
    this.#limit = limit
    this.#cursor = range.cursor(skip === 0 ? 0 : range.position(skip))
  }

  next(): boolean {
    if (this.#taken >= this.#limit) return false
    const { entry } = this
    while (this.#cursor.nextPlace(entry)) {
      if (!isDeletedInfo(entry.valueBytes, entry.valueStart)) {
        entry.readInfo()
        this.#taken += 1
        this.#deletedRun = 0
        return true
      }
      this.#deletedRun += 1
      if (this.#deletedRun !== LONG_RUN) continue
      const number = this.#skip + this.#taken
      if (number >= this.#range.live) return false
      this.#cursor = this.#range.cursor(this.#range.position(number))
    }
    return false
  }

  row(): AllDocsRow {
    const { entry } = this
    return rowOf(this.#source, entry.key().toString(), entry.value())
  }
}

/** An update sequence, as its number and how that is written. */
interface Sequence {
  readonly number: number
  readonly codec: Pick<SequenceCodec, 'format'>
}

/** A class, since few are asked for the sequence. */
class OpenPage implements AllDocsPage {
  readonly totalRows: number
  readonly offset: number
  readonly rows: WalkedRows<AllDocsRow>
  readonly #sequence: Sequence

  constructor(totalRows: number, offset: number, sequence: Sequence, rows: WalkedRows<AllDocsRow>) {
    this.totalRows = totalRows
    this.offset = offset
    this.rows = rows
    this.#sequence = sequence
  }

  get updateSeq(): string {
    const { codec, number } = this.#sequence
    return codec.format(number)
  }
}

/** Opens the page on a snapshot, which belongs to the rows from then on. */
export function openAllDocs(
  snapshot: Snapshot,
  source: ViewSource,
  sequence: Sequence,
  options: AllDocsOptions,
): AllDocsPage {
  const tree = snapshot.tree(TREES.id)
  const reverse = options.descending === true
  const first = options.startKey === undefined ? undefined : idKey(options.startKey)
  const last = options.endKey === undefined ? undefined : idKey(options.endKey)
  const totalRows = readSummary(tree.reduce().reduction).live
  const skip = options.skip ?? 0
  const before = first === undefined ? 0 : liveBefore(tree, first, reverse, totalRows)
  const offset = Math.min(totalRows, before + skip)
  const bounds = travelRange(first, last, options)
  const limit = bounds === undefined ? 0 : (options.limit ?? Number.POSITIVE_INFINITY)
  const range = new LiveRange(tree, bounds ?? {}, reverse)
  const rows = new WalkedRows(snapshot, new LiveWalk(source, range, skip, limit))
  if (limit <= 0) rows.return()
  return new OpenPage(totalRows, offset, sequence, rows)
}
