/**
 * Documents in the order of their ids. The tree `id` holds deleted documents too; totals, offsets and skips
 * count live ones, by the tree's summaries, in O(log n) or, for a skip across deleted ones, O(log² n).
 */
import type { Cursor, Range, Snapshot, TreeReader } from '../../../native-free-btree/index.ts'
import type { AllDocsOptions, AllDocsPage, AllDocsRow } from '../api/database.ts'
import { decodeInfo, isDeletedInfo } from '../layout/document-info.ts'
import { idKey, readSummary, TREES } from '../layout/layout.ts'
import { SnapshotRows } from '../layout/snapshot-rows.ts'
import { travelRange } from '../layout/travel-range.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { type ViewSource, viewOfWinner } from './document-view.ts'

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

/** Live documents of a range, by number. */
class LiveRange {
  readonly #tree: TreeReader
  readonly #range: Range
  readonly #reverse: boolean
  readonly #entries: number
  readonly live: number

  constructor(tree: TreeReader, range: Range, reverse: boolean) {
    const summary = tree.reduce(range)
    this.#tree = tree
    this.#range = range
    this.#reverse = reverse
    this.#entries = summary.count
    this.live = readSummary(summary.reduction).live
  }

  cursor(skip: number): Cursor {
    return this.#tree.cursor({ ...this.#range, reverse: this.#reverse, skip })
  }

  /** Live documents among the first `entries` of the range. */
  #liveAmong(entries: number): number {
    if (entries >= this.#entries) return this.live
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
    if (number >= this.live) return this.#entries
    if (this.live === this.#entries) return number
    let low = number
    let high = this.#entries - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#liveAmong(middle) <= number) low = middle
      else high = middle - 1
    }
    return low
  }
}

function liveBefore(tree: TreeReader, first: Buffer | undefined, reverse: boolean): number {
  if (first === undefined) return 0
  const before: Range = reverse ? { start: first, startInclusive: false } : { end: first }
  return readSummary(tree.reduce(before).reduction).live
}

/** Opens the page on a snapshot, which belongs to the rows from then on. */
export function openAllDocs(
  snapshot: Snapshot,
  source: ViewSource,
  updateSeq: string,
  options: AllDocsOptions,
): AllDocsPage {
  const tree = snapshot.tree(TREES.id)
  const reverse = options.descending === true
  const first = options.startKey === undefined ? undefined : idKey(options.startKey)
  const last = options.endKey === undefined ? undefined : idKey(options.endKey)
  const totalRows = readSummary(tree.reduce().reduction).live
  const skip = options.skip ?? 0
  const offset = Math.min(totalRows, liveBefore(tree, first, reverse) + skip)
  const bounds = travelRange(first, last, options)
  const limit = bounds === undefined ? 0 : (options.limit ?? Number.POSITIVE_INFINITY)
  const range = new LiveRange(tree, bounds ?? {}, reverse)
  let cursor = range.cursor(range.position(skip))
  let taken = 0
  let deletedRun = 0

  const rows = new SnapshotRows(snapshot, () => {
    if (taken >= limit || skip + taken >= range.live) return undefined
    while (cursor.next()) {
      const value = cursor.value()
      if (!isDeletedInfo(value)) {
        taken += 1
        deletedRun = 0
        return rowOf(source, cursor.key().toString(), value)
      }
      deletedRun += 1
      if (deletedRun === LONG_RUN) cursor = range.cursor(range.position(skip + taken))
    }
    return undefined
  })
  if (limit <= 0) rows.return()
  return { totalRows, offset, updateSeq, rows }
}
