/** What a plan looks at, one after the other: documents by their ids, or rows of an index and their documents. */
import { DatabaseError } from '../base/errors.ts'
import type { AllDocsRow, Database, DocumentView } from '../database/api/database.ts'
import { isDesignId } from '../documents/document-id.ts'
import type { FieldsDefinition, Indexes, IndexSnapshot, RowCursor, RowRange } from '../indexes/api.ts'
import { emptyPlaces, placeId } from '../indexes/keys/row-key.ts'
import { rowValueParts } from '../indexes/keys/row-value.ts'
import { stringText } from '../json/writer.ts'
import { type Bookmark, printBookmark, printBookmarkOf } from './bookmark.ts'
import { CoveredDocuments } from './covered-document.ts'
import { EMPTY_RANGE, type FieldRange } from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { idRange, idsBehind, isExactPlan, rowRange, rowsBehind } from './key-range.ts'
import { ALL_DOCS } from './mango-index.ts'
import type { Plan } from './planner.ts'

/** They must be closed. */
export interface Rows {
  /** Whether documents are put together of the keys: they have no other fields then. */
  readonly isCovering: boolean
  /** Whether `isProven` may hold: the selector says nothing but ranges of the index's fields. */
  readonly isExact: boolean
  /** False at the end. */
  next(): boolean
  /** The bookmark behind the row of that number, the first being 1, which is the document's. `id` has been kept where `keepsIds`. */
  bookmarkBehind(row: number, id: string): string
  /** Whether rows do not know any more which documents they were of. */
  readonly keepsIds: boolean
  /** The document, good until another row's is asked for, and until the code that runs now has ended. Undefined where it has gone meanwhile. */
  view(): DocumentView | undefined
  /** Whether the row alone says that the selector means the document. */
  isProven(view: DocumentView): boolean
  close(): void
}

export interface RowsContext {
  readonly database: Database
  readonly indexes: Indexes
  /** Aborted when nobody wants the answer any more. It is asked for by who has to wait. */
  signal(): AbortSignal
}

/** At once where it can be. Rejects as `Indexes.open` does. */
export function openIndex(
  context: RowsContext,
  definition: FieldsDefinition,
  { stale, update }: Pick<FindOptions, 'stale' | 'update'>,
): IndexSnapshot | Promise<IndexSnapshot> {
  const { database, indexes } = context
  const freshness = stale || !update ? 'stale' : 'current'
  const now = indexes.openNow(database, definition, freshness)
  return now ?? indexes.open(database, definition, { freshness, signal: context.signal() })
}

interface Way {
  readonly isReverse: boolean
  readonly isCovering: boolean
}

/** Where the present row lies, and its id: looked at before anything else is done. */
const { entry, id } = emptyPlaces()

/** At once where it can be. `plan` has an index, and a range in which something may be. Rejects as `Indexes.open` does. */
export function openRows(
  context: RowsContext,
  options: FindOptions,
  plan: Plan,
  bookmark: Bookmark | undefined,
  { isReverse, isCovering }: Way,
): Rows | Promise<Rows> {
  const { database } = context
  const { partition } = options
  const index = plan.index!
  const ranges = plan.ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
  if (index === ALL_DOCS) {
    const range = idRange(ranges[0]!, partition)
    const rest = range && bookmark ? idsBehind(range, bookmark, isReverse) : range
    return new DocumentRows(database, rest, isReverse)
  }
  const whole = rowRange(ranges, partition)
  const { start, end } = bookmark ? rowsBehind(whole, bookmark, partition, isReverse) : whole
  const made = (snapshot: IndexSnapshot): Rows => {
    try {
      return new IndexRows({
        database,
        snapshot,
        range: { start, end, reverse: isReverse },
        isExact: isExactPlan(plan, options.selector, whole),
        covered: isCovering ? new CoveredDocuments(index.definition!.fields) : undefined,
      })
    } catch (error) {
      snapshot.close()
      throw error
    }
  }
  const opened = openIndex(context, index.definition!, options)
  return opened instanceof Promise ? opened.then(made) : made(opened)
}

/** All but design documents. */
class DocumentRows implements Rows {
  readonly keepsIds = true
  readonly isCovering = false
  readonly isExact = false
  readonly #rows: IterableIterator<AllDocsRow>
  #row: AllDocsRow | undefined

  constructor(
    database: Database,
    range: { start: string | undefined; end: string | undefined } | undefined,
    descending: boolean,
  ) {
    // Its own direction first: descending it goes from the end to the start.
    const options =
      range === undefined
        ? { limit: 0 }
        : descending
          ? { startKey: range.end, endKey: range.start, descending }
          : { startKey: range.start, endKey: range.end, inclusiveEnd: false }
    this.#skipped = descending ? range?.end : undefined
    this.#rows = database.allDocs(options).rows
  }

  /** Descending the end is not meant, and is where it begins. */
  readonly #skipped: string | undefined

  next(): boolean {
    for (;;) {
      const step = this.#rows.next()
      if (step.done === true) return false
      this.#row = step.value
      const { id } = step.value
      if (id !== this.#skipped && !isDesignId(id)) return true
    }
  }

  bookmarkBehind(_row: number, id: string): string {
    return printBookmark(stringText(id), id)
  }

  view(): DocumentView | undefined {
    return this.#row!.isHidden ? undefined : this.#row!.document()
  }

  isProven(): boolean {
    return false
  }

  close(): void {
    this.#rows.return?.()
  }
}

interface IndexWalk {
  readonly database: Database
  readonly snapshot: IndexSnapshot
  readonly range: RowRange & { readonly reverse: boolean }
  /** What is in the range is meant, as far as the index is as new as the document. */
  readonly isExact: boolean
  readonly covered: CoveredDocuments | undefined
}

class IndexRows implements Rows {
  readonly keepsIds = false
  readonly isCovering: boolean
  readonly isExact: boolean
  readonly #walk: IndexWalk
  readonly #cursor: RowCursor
  #isClosed = false
  /** Number of the row that the cursor stands at; 0 where it stands at none. */
  #row = 0

  constructor(walk: IndexWalk) {
    this.#walk = walk
    this.#cursor = walk.snapshot.trees[0]!.cursor(walk.range)
    this.isCovering = walk.covered !== undefined
    this.isExact = walk.isExact
  }

  next(): boolean {
    const isThere = this.#cursor.next()
    this.#row = isThere ? this.#row + 1 : 0
    return isThere
  }

  /** Of a row that was passed it is found again, since few are asked for. */
  bookmarkBehind(row: number): string {
    const cursor = this.#cursorAt(row)
    cursor.locate(entry)
    const { valueBytes, valueStart: start } = entry
    const { keyStart, valueStart } = rowValueParts(valueBytes, start)
    if (!placeId(entry, id)) return printBookmark(cursor.key(), cursor.id())
    return printBookmarkOf(valueBytes.subarray(keyStart, valueStart), id.bytes, id.start, id.end)
  }

  #cursorAt(row: number): RowCursor {
    if (row === this.#row) return this.#cursor
    const { snapshot, range } = this.#walk
    const cursor = snapshot.trees[0]!.cursor({ ...range, skip: row - 1 })
    cursor.next()
    return cursor
  }

  view(): DocumentView | undefined {
    const { database, covered } = this.#walk
    if (covered !== undefined) return covered.of(this.#cursor.id(), this.#cursor.key())
    this.#cursor.locate(entry)
    if (placeId(entry, id)) {
      const stored = database.storedRow(id.bytes, id.start, id.end)
      if (stored !== undefined) return stored.deleted ? undefined : stored
    }
    return this.#viewOf(this.#cursor.id())
  }

  /** Where the database shows a part of itself, and where it has no such document. */
  #viewOf(id: string): DocumentView | undefined {
    try {
      return this.#walk.database.get(id)
    } catch (error) {
      if (error instanceof DatabaseError && error.status === 404) return undefined
      throw error
    }
  }

  isProven(view: DocumentView): boolean {
    return this.#walk.isExact && view.localSeq <= this.#walk.snapshot.updateSeq
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#walk.snapshot.close()
  }
}
