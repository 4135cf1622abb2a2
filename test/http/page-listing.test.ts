/** A listing of one page whose rows write themselves: its bytes are those of rows as objects, and its rows are always returned. */
import t from 'tap'
import { Gathered } from '../../src/documents/gathered.ts'
import type { RowFiller } from '../../src/documents/piece.ts'
import type { AnswerPiece, Pieces } from '../../src/http/answer/answer.ts'
import { listing, type Page, pageListing, type RowPieces } from '../../src/http/answer/view-listing.ts'

const ROWS = ['{"id":"a"}', '{"id":"b"}']
const HEADS: readonly Omit<Page, 'rows'>[] = [
  { totalRows: 0, offset: 0 },
  { totalRows: 12, offset: 7 },
  { totalRows: 2 ** 40, offset: 2 ** 31 + 5 },
  { totalRows: null, offset: null },
  { totalRows: 3, offset: null, updateSeq: null },
  { totalRows: 3, offset: 1, updateSeq: '3-"x' },
  {},
]

class Rows implements Iterator<RowPieces>, RowFiller {
  returned = 0
  #at = 0
  readonly #failsAt: number

  constructor(failsAt = -1) {
    this.#failsAt = failsAt
  }

  next(): IteratorResult<RowPieces> {
    const row = ROWS[this.#at++]
    return row === undefined ? { done: true, value: undefined } : { done: false, value: [row] }
  }

  return(): IteratorResult<RowPieces> {
    this.returned += 1
    return { done: true, value: undefined }
  }

  fill(out: Gathered): boolean {
    if (this.#at === this.#failsAt) throw new Error('damaged')
    const row = ROWS[this.#at]
    if (row === undefined) return false
    out.add(this.#at === 0 ? row : `,\r\n${row}`)
    this.#at += 1
    return true
  }
}

function textOf(pieces: Pieces): string {
  const out = new Gathered()
  for (;;) {
    const step = pieces.next() as IteratorResult<AnswerPiece>
    if (step.done === true) return out.take().toString()
    const piece = step.value
    if (typeof piece === 'string' || piece instanceof Uint8Array) out.add(piece)
    else if (typeof piece === 'object' && 'fill' in piece) while (piece.fill(out));
  }
}

t.test('rows that write themselves stand in the text that others have', async (t) => {
  for (const head of HEADS) {
    const rows = new Rows()
    const expected = textOf(listing([() => ({ ...head, rows: new Rows() })]))
    t.equal(textOf(pageListing(() => ({ ...head, rows, filler: rows }))), expected)
    t.equal(rows.returned, 1)
    const objects = new Rows()
    t.equal(textOf(pageListing(() => ({ ...head, rows: objects }))), expected)
    t.equal(objects.returned, 1)
  }
})

t.test('a page is opened when it is asked for, once, and its rows are returned', async (t) => {
  let opened = 0
  const rows = new Rows(1)
  const open = (): Page => {
    opened += 1
    return { totalRows: 2, offset: 0, rows, filler: rows }
  }
  const unread = pageListing(open)
  await unread.return?.()
  t.equal((await unread.next()).done, true)
  t.equal(opened, 0)

  const pieces = pageListing(open)
  t.throws(() => textOf(pieces), { message: 'damaged' })
  await pieces.return?.()
  t.equal(opened, 1)
  t.equal(rows.returned, 1)

  const failing = pageListing(() => {
    throw new Error('closed')
  })
  t.throws(() => failing.next(), { message: 'closed' })
  await failing.return?.()
  t.equal((await failing.next()).done, true)
})
