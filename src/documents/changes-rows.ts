import { isTurnOver, type Steps } from '../base/time-slice.ts'
import type { ChangeRow, ChangesPage, Database, StoredRows } from '../database/api/database.ts'
import { stringText } from '../json/writer.ts'
import type { AttachmentWish } from './attachment-wish.ts'
import type { ChangesFilter } from './changes-filter.ts'
import { viewPieces } from './document-text.ts'
import type { Gathered } from './gathered.ts'
import { addPiece, isStored, type ListedChanges, STEP_BYTES, STEP_ROWS, writeChange } from './listed-rows.ts'
import type { Piece, PieceSource, RowFiller } from './piece.ts'
import { FixedText } from './row-bytes.ts'

/**
 * CouchDB gives a sequence to each row whose remaining limit the interval divides, and counts from this
 * limit where there is none.
 */
const UNLIMITED = 1_000_000_000_000_000

const NONE: readonly string[] = []

/** Which changes are read, and how they are shown. */
export interface ChangesWish {
  since: string
  limit: number | undefined
  descending: boolean
  style: 'main_only' | 'all_docs'
  includeDocs: boolean
  conflicts: boolean
  attachments: AttachmentWish
  /** Every how many rows one carries its sequence; the others say null. */
  seqInterval: number | undefined
  /** Sync Gateway's: deleted documents are left out. */
  activeOnly: boolean
}

/** Without pieces: others are to get their turn, and the next row waits for `wait`, which has no text. */
export interface TakenRow {
  row: ChangeRow
  pieces: Piece[]
  wait?: Judging
}

/** Rows that are judged at once. */
const JUDGED_ROWS = 64

/** Rows that go out as they are stored, and how they are written. */
interface StoredChanges {
  readonly rows: StoredRows<ChangeRow>
  readonly wish: ListedChanges
  /** Before the next row. */
  separator: FixedText
  readonly form: RowForm
}

/** What stands between rows, and behind the last one where there is any. */
interface RowForm {
  readonly between: FixedText
  readonly end: string
}

const NOTHING = new FixedText('')
/** Rows of an array. */
export const LISTED: RowForm = { between: new FixedText(',\r\n'), end: '' }
/** A row a line. */
export const LINES: RowForm = { between: new FixedText('\n'), end: '\n' }

/** Changes of one feed: goes on from where it stopped, page by page, each page a snapshot of its own. */
export class ChangesReader {
  readonly #database: () => Database
  readonly #wish: ChangesWish
  readonly #filter: ChangesFilter | undefined
  readonly #render: ((row: ChangeRow) => Piece[]) | undefined
  #left: number
  #since: string | number
  #page: ChangesPage | undefined
  /** Of rows that were judged and are beyond the limit: the last one before them, and their number. */
  #beyond: { seq: string; count: number } | undefined

  /**
   * `database` is asked for whenever a page is opened: it may have been closed and opened again since the last one.
   * `render` makes the text of a row; default a change of a document.
   */
  constructor(
    database: () => Database,
    wish: ChangesWish,
    filter: ChangesFilter | undefined,
    render?: (row: ChangeRow) => Piece[],
  ) {
    this.#database = database
    this.#wish = wish
    this.#filter = filter
    this.#render = render
    this.#left = wish.limit ?? UNLIMITED
    this.#since = wish.since
  }

  /** Opens the first page now, so that a malformed `since` is known before the answer begins. */
  open(): void {
    this.#page = this.#openPage()
  }

  /** How many rows may still be shown. */
  get left(): number {
    return this.#left
  }

  get exhausted(): boolean {
    return this.#left <= 0
  }

  /** Whether the rows up to the present are all that there will be: what comes later stands before them. */
  get endsWithPresent(): boolean {
    return this.#wish.descending
  }

  /**
   * Rows up to the present, each with its pieces. Where a filter takes its time, or keeps many rows back, there are
   * rows without pieces between them, so that others get their turn.
   */
  *take(): Generator<TakenRow> {
    const page = this.#page ?? this.#openPage()
    this.#page = page
    try {
      if (this.#filter?.judge !== undefined) {
        yield* this.#takeJudged(page, this.#filter.judge)
        return
      }
      while (this.#left > 0) {
        const next = page.rows.next()
        if (next.done === true) break
        const row = next.value
        const shown = this.#shown(row)
        const revs = 'next' in shown ? yield* waitFor(shown, row) : shown
        if (revs.length === 0) {
          if (isTurnOver()) yield { row, pieces: [] }
          continue
        }
        yield { row, pieces: this.#pieces(row, revs) }
        this.#left -= 1
      }
    } finally {
      page.rows.return?.()
    }
  }

  /**
   * The same rows, with what stands between them, written to where an answer is gathered. Undefined where each is looked at before it
   * is shown, and where data is read while they are sent.
   */
  filler(form: RowForm): RowFiller | undefined {
    const page = this.#page ?? this.#openPage()
    this.#page = page
    const { activeOnly, includeDocs, conflicts, style, attachments } = this.#wish
    const { rows, writeSeq } = page
    if (this.#filter !== undefined || this.#render !== undefined || activeOnly) return undefined
    if (attachments.data !== undefined || writeSeq === undefined || !isStored(rows)) return undefined
    const wish = { includeDocs, conflicts, allLeaves: style === 'all_docs', writeSeq }
    const changes: StoredChanges = { rows, wish, separator: NOTHING, form }
    return { fill: (out) => this.#fill(changes, out) }
  }

  #fill(changes: StoredChanges, out: Gathered): boolean {
    const { rows, wish, form } = changes
    const { seqInterval } = this.#wish
    const most = Math.min(out.most, out.size + STEP_BYTES)
    for (let i = 0; i < STEP_ROWS && out.size < most; i++) {
      const row = this.#left > 0 ? rows.nextStored() : undefined
      if (row === undefined) {
        rows.return?.()
        if (changes.separator !== NOTHING) out.add(form.end)
        return false
      }
      const isNumbered = seqInterval === undefined || this.#left % seqInterval === 0
      if (!writeChange(row, out, wish, changes.separator, isNumbered)) {
        out.add(changes.separator.text)
        const object = rows.row()
        for (const piece of this.#pieces(object, object.revs)) addPiece(piece, out)
      }
      changes.separator = form.between
      this.#left -= 1
    }
    return true
  }

  /** The page is not read to its end before its rows are shown: then their documents could not be read any more. */
  *#takeJudged(page: ChangesPage, judge: NonNullable<ChangesFilter['judge']>): Generator<TakenRow> {
    while (this.#left > 0) {
      const rows: ChangeRow[] = []
      while (rows.length < JUDGED_ROWS && page.pending() > 0) {
        const next = page.rows.next()
        if (next.done === true) break
        if (!this.#wish.activeOnly || !next.value.deleted) rows.push(next.value)
      }
      if (rows.length === 0) return
      let shown: readonly (readonly string[])[] = []
      const wait = new Judging(async () => {
        shown = await judge(rows)
      })
      yield { row: rows[0]!, pieces: [], wait }
      for (const [at, row] of rows.entries()) {
        const revs = shown[at]!
        if (revs.length === 0) continue
        yield { row, pieces: this.#pieces(row, revs) }
        this.#left -= 1
        if (this.#left > 0) continue
        this.#beyond = { seq: row.seq, count: rows.length - 1 - at }
        return
      }
    }
  }

  /** Ends the page: the next `take` starts behind its last row. */
  next(): void {
    if (this.#page !== undefined) this.#since = this.#page.lastSeq()
    this.close()
    this.#page = undefined
    this.#filter?.renew?.()
  }

  lastSeq(): string {
    return this.#beyond?.seq ?? this.#page?.lastSeq() ?? String(this.#since)
  }

  /** Undefined for what is not counted out to clients. */
  pending(): number | undefined {
    if (this.#render !== undefined) return undefined
    return (this.#page?.pending() ?? 0) + (this.#beyond?.count ?? 0)
  }

  /** Frees the snapshot. */
  close(): void {
    this.#page?.rows.return?.()
  }

  /** None for a row that is kept back. */
  #shown(row: ChangeRow): readonly string[] | Steps<readonly string[]> {
    if (this.#wish.activeOnly && row.deleted) return NONE
    return this.#filter === undefined ? row.revs : this.#filter.shown(row)
  }

  #openPage(): ChangesPage {
    const { descending, style, limit, activeOnly } = this.#wish
    const showsAll = this.#filter === undefined && !activeOnly
    return this.#database().changes({
      since: this.#since,
      descending,
      style,
      ids: this.#filter?.ids,
      prefix: this.#filter?.prefix,
      // A filter counts only what it lets through.
      limit: showsAll && limit !== undefined ? this.#left : undefined,
    })
  }

  #pieces(row: ChangeRow, shown: readonly string[]): Piece[] {
    if (this.#render !== undefined) return this.#render(row)
    const { seqInterval, includeDocs, conflicts, attachments } = this.#wish
    const numbered = seqInterval === undefined || this.#left % seqInterval === 0
    const seq = numbered ? stringText(row.seq) : 'null'
    const revs = shown.length === 1 ? revText(shown[0]!) : shown.map(revText).join(',')
    const deleted = row.deleted ? ',"deleted":true' : ''
    const head = `{"seq":${seq},"id":${stringText(row.id)},"changes":[${revs}]${deleted}`
    if (!includeDocs) return [`${head}}`]
    const project = this.#filter?.project
    if (project === undefined) {
      return [`${head},"doc":`, ...viewPieces(row.document(), { conflicts, attachments }), '}']
    }
    return [`${head},"doc":`, project(row.document(), { conflicts }), '}']
  }
}

/** Stands between two rows, while a filter looks at those that come: a source without a text, which ends when it has. */
export class Judging implements PieceSource {
  readonly #judge: () => Promise<void>

  constructor(judge: () => Promise<void>) {
    this.#judge = judge
  }

  [Symbol.asyncIterator](): AsyncIterator<never> {
    return {
      next: async () => {
        await this.#judge()
        return { done: true, value: undefined }
      },
    }
  }
}

function* waitFor<T>(steps: Steps<T>, row: ChangeRow): Generator<TakenRow, T> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (isTurnOver()) yield { row, pieces: [] }
  }
}

function revText(rev: string): string {
  return `{"rev":${stringText(rev)}}`
}
