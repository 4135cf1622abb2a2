/** What a plan looks at, one after the other: documents by their ids, or rows of an index and their documents. */
import { DatabaseError } from '../base/errors.ts'
import type { AllDocsRow, Database, DocumentView } from '../database/api/database.ts'
import { isDesignId } from '../documents/document-id.ts'
import type { FieldsDefinition, Indexes, IndexSnapshot, RowCursor } from '../indexes/api.ts'
import { stringText } from '../json/writer.ts'
import type { Bookmark } from './bookmark.ts'
import { CoveredDocuments } from './covered-document.ts'
import { EMPTY_RANGE, type FieldRange } from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { idRange, idsBehind, rowRange, rowsBehind } from './key-range.ts'
import { ALL_DOCS } from './mango-index.ts'
import type { Plan } from './planner.ts'

/** They must be closed. */
export interface Rows {
  /** Whether documents are put together of the keys: they have no other fields then. */
  readonly isCovering: boolean
  /** False at the end. */
  next(): boolean
  /** JSON of the key of the row. */
  key(): string
  /** Undefined where the document has gone meanwhile. */
  view(): DocumentView | undefined
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
  { database, indexes, signal }: RowsContext,
  definition: FieldsDefinition,
  { stale, update }: Pick<FindOptions, 'stale' | 'update'>,
): IndexSnapshot | Promise<IndexSnapshot> {
  const freshness = stale || !update ? 'stale' : 'current'
  const now = indexes.openNow(database, definition, freshness)
  return now ?? indexes.open(database, definition, { freshness, signal: signal() })
}

interface Way {
  readonly isReverse: boolean
  readonly isCovering: boolean
}

/** `plan` has an index, and a range in which something may be. Rejects as `Indexes.open` does. */
export async function openRows(
  context: RowsContext,
  options: FindOptions,
  plan: Plan,
  bookmark: Bookmark | undefined,
  { isReverse, isCovering }: Way,
): Promise<Rows> {
  const { database } = context
  const { partition } = options
  const index = plan.index!
  const ranges = plan.ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
  if (index === ALL_DOCS) {
    const range = idRange(ranges[0]!, partition)
    const rest = range && bookmark ? idsBehind(range, bookmark, isReverse) : range
    return new DocumentRows(database, rest, isReverse)
  }
  const snapshot = await openIndex(context, index.definition!, options)
  const whole = rowRange(ranges, partition)
  const range = bookmark ? rowsBehind(whole, bookmark, partition, isReverse) : whole
  const cursor = snapshot.trees[0]!.cursor({ ...range, reverse: isReverse })
  return new IndexRows(
    database,
    snapshot,
    cursor,
    isCovering ? new CoveredDocuments(index.definition!.fields) : undefined,
  )
}

/** All but design documents. */
class DocumentRows implements Rows {
  readonly isCovering = false
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

  key(): string {
    return stringText(this.#row!.id)
  }

  view(): DocumentView {
    return this.#row!.document()
  }

  close(): void {
    this.#rows.return?.()
  }
}

class IndexRows implements Rows {
  readonly isCovering: boolean
  readonly #database: Database
  readonly #snapshot: IndexSnapshot
  readonly #cursor: RowCursor
  readonly #covered: CoveredDocuments | undefined
  #isClosed = false

  constructor(
    database: Database,
    snapshot: IndexSnapshot,
    cursor: RowCursor,
    covered: CoveredDocuments | undefined,
  ) {
    this.#database = database
    this.#snapshot = snapshot
    this.#cursor = cursor
    this.#covered = covered
    this.isCovering = covered !== undefined
  }

  next(): boolean {
    return this.#cursor.next()
  }

  key(): string {
    return this.#cursor.key().toString()
  }

  view(): DocumentView | undefined {
    const id = this.#cursor.id()
    if (this.#covered !== undefined) return this.#covered.of(id, this.#cursor.key())
    try {
      return this.#database.get(id)
    } catch (error) {
      if (error instanceof DatabaseError && error.status === 404) return undefined
      throw error
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#snapshot.close()
  }
}
