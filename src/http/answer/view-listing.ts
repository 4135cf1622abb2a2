import type { Piece } from '../../documents/piece.ts'

/** A row begins with text. */
export type RowPieces = [head: string, ...rest: Piece[]]

/**
 * Rows on their way out. A class and not a generator: one that was never started does not pass `return()` on, and
 * rows hold a snapshot until they hear it.
 */
export class MappedRows<Row> implements Iterator<RowPieces> {
  readonly #rows: Iterator<Row>
  readonly #map: (row: Row) => RowPieces

  constructor(rows: Iterator<Row>, map: (row: Row) => RowPieces) {
    this.#rows = rows
    this.#map = map
  }

  next(): IteratorResult<RowPieces> {
    const step = this.#rows.next()
    return step.done === true ? step : { done: false, value: this.#map(step.value) }
  }

  return(): IteratorResult<RowPieces> {
    this.#rows.return?.()
    return { done: true, value: undefined }
  }
}

/** What a listing shows: its head is known before the first row. Its rows are returned, read or not. */
export interface Page {
  totalRows: number | null
  offset: number | null
  /** Undefined where it was not asked for, null where it is not known. */
  updateSeq?: string | null | undefined
  rows: Iterator<RowPieces>
}

/**
 * A listing in CouchDB's own form, line breaks included: a row a line, and with `results` the listings in
 * an array. Pages are opened one after the other, each when the one before it is finished.
 */
export function* listing(
  pages: readonly (() => Page)[],
  options: { results?: boolean } = {},
): Generator<Piece, void, undefined> {
  if (options.results) yield '{"results":['
  let separator = options.results ? '\r\n' : ''
  for (const open of pages) {
    const page = open()
    try {
      const updateSeq = page.updateSeq === undefined ? '' : `,"update_seq":${JSON.stringify(page.updateSeq)}`
      yield `${separator}{"total_rows":${page.totalRows},"offset":${page.offset}${updateSeq},"rows":[\r\n`
      separator = ',\r\n'
      let comma = ''
      for (let row = page.rows.next(); row.done !== true; row = page.rows.next()) {
        const [head, ...rest] = row.value
        yield comma + head
        yield* rest
        comma = ',\r\n'
      }
    } finally {
      page.rows.return?.()
    }
    yield '\r\n]}'
  }
  yield options.results ? '\r\n]}\n' : '\n'
}
