import { writeDigits } from '../../base/digits.ts'
import type { Gathered } from '../../documents/gathered.ts'
import { PAUSE, type Piece, type RowFiller } from '../../documents/piece.ts'
import { FixedText } from '../../documents/row-bytes.ts'
import type { AnswerPiece, Pieces } from './answer.ts'

/** A row begins with text. */
export type RowPieces = [head: string, ...rest: Piece[]]

/**
 * Rows on their way out. A class and not a generator: one that was never started does not pass `return()` on, and
 * rows hold a snapshot until they hear it.
 */
export class MappedRows<Row, Step extends RowStep = RowPieces> implements Iterator<Step> {
  readonly #rows: Iterator<Row>
  readonly #map: (row: Row) => Step

  constructor(rows: Iterator<Row>, map: (row: Row) => Step) {
    this.#rows = rows
    this.#map = map
  }

  next(): IteratorResult<Step> {
    const step = this.#rows.next()
    return step.done === true ? step : { done: false, value: this.#map(step.value) }
  }

  return(): IteratorResult<Step> {
    this.#rows.return?.()
    return { done: true, value: undefined }
  }
}

/** A row, or the end of a step that found none. */
export type RowStep = RowPieces | typeof PAUSE

/** What a listing shows: its head is known before the first row. Its rows are returned, read or not. */
export interface Page {
  /** Undefined, as the offset, where rows are groups. */
  totalRows?: number | null
  offset?: number | null
  /** Undefined where it was not asked for, null where it is not known. */
  updateSeq?: string | null | undefined
  rows: Iterator<RowStep>
  /** The same rows with what stands between them, which are asked for instead where there are such. */
  filler?: RowFiller | undefined
}

/** The same, whose rows somebody else is asked for. */
export interface LatePage extends Omit<Page, 'rows' | 'filler'> {
  rows: AsyncIterator<RowStep>
}

/**
 * A listing in CouchDB's own form, line breaks included: a row a line, and with `results` the listings in
 * an array. Pages are opened one after the other, each when the one before it is finished.
 */
export function* listing(
  pages: readonly (() => Page)[],
  options: { results?: boolean } = {},
): Generator<AnswerPiece, void, undefined> {
  const text = new ListingText(options.results === true)
  yield text.start
  for (const open of pages) {
    const page = open()
    try {
      let short = text.pageStart(page)
      if (page.filler !== undefined) {
        yield short
        yield page.filler
        yield PAGE_END
        continue
      }
      for (let row = page.rows.next(); row.done !== true; row = page.rows.next()) {
        const step = row.value
        if (step === PAUSE) {
          yield short
          short = ''
          yield PAUSE
          continue
        }
        short += text.rowStart(step[0])
        if (step.length === 1 && short.length < SHORT_TEXT) continue
        yield short
        short = ''
        for (let i = 1; i < step.length; i++) yield step[i]!
      }
      yield short
    } finally {
      page.rows.return?.()
    }
    yield PAGE_END
  }
  yield text.end
}

/** As `listing`, of one page: where its rows write themselves, all of it does. */
export function pageListing(open: () => Page): Pieces {
  return new PagePieces(open)
}

const TOTAL = new FixedText('{"total_rows":')
const OFFSET = new FixedText(',"offset":')
const ROWS = new FixedText(',"rows":[\r\n')
const END = new FixedText('\r\n]}\n')
/** Of all that stands before the rows, and of what stands behind them. */
const AROUND_BYTES = 96

class PagePieces implements Iterator<AnswerPiece>, RowFiller {
  readonly #open: () => Page
  #isBegun = false
  #page: Page | undefined
  /** Of a page whose rows do not write themselves. */
  #pieces: Iterator<AnswerPiece> | undefined
  #hasHead = false

  constructor(open: () => Page) {
    this.#open = open
  }

  next(): IteratorResult<AnswerPiece> {
    if (this.#pieces !== undefined) return this.#pieces.next()
    if (this.#isBegun) return { done: true, value: undefined }
    this.#isBegun = true
    const page = this.#open()
    if (page.filler !== undefined) {
      this.#page = page
      return { done: false, value: this }
    }
    this.#pieces = listing([() => page])
    return this.#pieces.next()
  }

  fill(out: Gathered): boolean {
    const page = this.#page!
    if (!this.#hasHead) {
      this.#hasHead = true
      writeHead(page, out)
    }
    if (page.filler!.fill(out)) return true
    out.used = END.write(out.reserve(AROUND_BYTES).view, out.used)
    page.rows.return?.()
    return false
  }

  return(): IteratorResult<AnswerPiece> {
    this.#isBegun = true
    this.#pieces?.return?.()
    this.#page?.rows.return?.()
    return { done: true, value: undefined }
  }
}

function writeHead(page: Page, out: Gathered): void {
  const { totalRows, offset, updateSeq } = page
  if (typeof totalRows !== 'number' || typeof offset !== 'number' || updateSeq !== undefined) {
    out.add(new ListingText(false).pageStart(page))
    return
  }
  const { bytes, view } = out.reserve(AROUND_BYTES)
  const total = TOTAL.write(view, out.used)
  const behind = OFFSET.write(view, writeDigits(totalRows, bytes, total))
  out.used = ROWS.write(view, writeDigits(offset, bytes, behind))
}

/** The same of pages of either kind. */
export async function* lateListing(
  pages: readonly (() => Page | LatePage)[],
  options: { results?: boolean } = {},
): AsyncGenerator<Piece, void, undefined> {
  const text = new ListingText(options.results === true)
  yield text.start
  for (const open of pages) {
    const page = open()
    try {
      yield text.pageStart(page)
      for (let row = await page.rows.next(); row.done !== true; row = await page.rows.next()) {
        const step = row.value
        if (step === PAUSE) yield PAUSE
        else {
          const [head, ...rest] = step
          yield text.rowStart(head)
          yield* rest
        }
      }
    } finally {
      await page.rows.return?.()
    }
    yield PAGE_END
  }
  yield text.end
}

/** Rows that are one text each are put together up to here: each piece costs as much as such a row. */
const SHORT_TEXT = 2048

const PAGE_END = '\r\n]}'

class ListingText {
  readonly start: string
  readonly end: string
  #separator: string
  #comma = ''

  constructor(isOfMany: boolean) {
    this.start = isOfMany ? '{"results":[' : ''
    this.end = isOfMany ? '\r\n]}\n' : '\n'
    this.#separator = isOfMany ? '\r\n' : ''
  }

  pageStart({ totalRows, offset, updateSeq }: Omit<Page, 'rows'>): string {
    const counts = totalRows === undefined ? '' : `"total_rows":${totalRows},"offset":${offset},`
    const seq = updateSeq === undefined ? '' : `"update_seq":${JSON.stringify(updateSeq)},`
    const text = `${this.#separator}{${counts}${seq}"rows":[\r\n`
    this.#separator = ',\r\n'
    this.#comma = ''
    return text
  }

  rowStart(head: string): string {
    const start = this.#comma + head
    this.#comma = ',\r\n'
    return start
  }
}
