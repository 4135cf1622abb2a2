/** What a built-in reduce gives for ranges of one tree. */
import type { Steps } from '../../base/time-slice.ts'
import type { ReduceLimit } from '../../scripting/prelude/views.ts'
import type { RowRange, RowReader } from '../api.ts'
import { type Builtin, builtinOf, summarizersOf } from './builtin.ts'
import { refusalText } from './refusal.ts'
import { isTooLong, type Row, type Summarizer } from './summarizer.ts'
import { MOST_PART_BYTES, partAt } from './tree-reducer.ts'

/** Parts of so many rows are read one by one. */
const FEW_ROWS = 64
/** Longer summaries are refused whatever they are of: they are held in memory. */
const MOST_BYTES = 16 * 1024 * 1024
/** So much is joined at a time, in one step. */
const JOINED_BYTES = 128 * 1024

export class BuiltinReduction {
  readonly #tree: RowReader
  readonly #builtin: Builtin
  /** Where the tree's summaries have this one's part. */
  readonly #index: number
  readonly #limit: ReduceLimit

  /** `reduces` are the tree's, and `reduce` one of them. Throws where it is no built-in one. */
  constructor(tree: RowReader, reduces: readonly string[], reduce: string, limit: ReduceLimit) {
    const builtin = builtinOf(reduce)
    if (builtin === undefined) throw new Error(`${reduce} is no built-in reduce`)
    this.#tree = tree
    this.#builtin = builtin
    this.#index = summarizersOf(reduces).findIndex(
      ({ name }) => typeof builtin === 'object' && name === builtin.name,
    )
    this.#limit = limit
  }

  /** JSON; undefined for a range without rows. In O(log n), but where summaries are too long for the tree. */
  *resultSteps(range: RowRange): Steps<Uint8Array | undefined> {
    const builtin = this.#builtin
    if (builtin === 'first' || builtin === 'last') {
      const cursor = this.#tree.cursor({ ...range, reverse: builtin === 'last' })
      return cursor.next() ? cursor.value() : undefined
    }
    if (builtin === 'count') {
      // The tree may have summaries of other reduces, which nobody asks for here.
      const count = countOf(this.#tree, range)
      return count === 0 ? undefined : Buffer.from(String(count))
    }
    const { count, reduction } = this.#tree.reduce(range)
    if (count === 0) return undefined
    const part = partAt(reduction!, this.#index)
    if (!isTooLong(part)) return Buffer.from(builtin.result(part))
    const whole = new WholeSummary(this.#tree, this.#index, builtin)
    yield* whole.collectSteps(range)
    return Buffer.from(this.#resultOf(whole, builtin))
  }

  /** The same of few rows that were read already; undefined where they are too long for a summary. */
  resultOfRows(rows: readonly Row[]): Uint8Array | undefined {
    const builtin = this.#builtin
    if (builtin === 'first') return rows[0]!.value
    if (builtin === 'last') return rows.at(-1)!.value
    if (builtin === 'count') return Buffer.from(String(rows.length))
    const parts = rows.map((row) => builtin.map(row, MOST_PART_BYTES))
    const summary = builtin.combine(parts, MOST_PART_BYTES)
    return isTooLong(summary) ? undefined : Buffer.from(builtin.result(summary))
  }

  #resultOf({ summary, inputBytes }: WholeSummary, builtin: Summarizer): string {
    const { mode, threshold, ratio } = this.#limit
    const { length } = summary
    const isOver = builtin.mustShrink && mode === 'true' && length > threshold && length * ratio > inputBytes
    if (!isOver && !isTooLong(summary)) return builtin.result(summary)
    return refusalText(
      `Reduce output must shrink more rapidly: input size: ${inputBytes} output size: ${length}`,
    )
  }
}

function countOf(tree: RowReader, { start, end }: RowRange): number {
  const low = start === undefined ? 0 : tree.rank(start)
  return Math.max(0, (end === undefined ? tree.count() : tree.rank(end)) - low)
}

/** A summary that is too long for the tree: joined from those below it that are not, and from rows. */
class WholeSummary {
  summary: Uint8Array
  /** Of what was joined. */
  inputBytes = 0
  readonly #tree: RowReader
  readonly #index: number
  readonly #summarizer: Summarizer
  /** Not joined yet, and how long they are. */
  #parts: Uint8Array[] = []
  #partBytes = 0

  constructor(tree: RowReader, index: number, summarizer: Summarizer) {
    this.#tree = tree
    this.#index = index
    this.#summarizer = summarizer
    this.summary = summarizer.combine([], MOST_BYTES)
  }

  *collectSteps(range: RowRange): Steps<void> {
    yield* this.#addSteps(range)
    this.#join()
  }

  *#addSteps(range: RowRange): Steps<void> {
    const { count, reduction } = this.#tree.reduce(range)
    if (count === 0 || isTooLong(this.summary)) return
    const part = partAt(reduction!, this.#index)
    if (!isTooLong(part)) this.#add(part)
    else if (count <= FEW_ROWS) yield* this.#addRows(range)
    else {
      yield
      const middle = this.#tree.cursor({ ...range, skip: count >>> 1 })
      middle.next()
      const place = middle.place()
      yield* this.#addSteps({ ...range, end: place })
      yield* this.#addSteps({ ...range, start: place })
    }
  }

  *#addRows(range: RowRange): Steps<void> {
    const cursor = this.#tree.cursor(range)
    while (cursor.next()) {
      this.#add(this.#summarizer.map({ key: cursor.key(), value: cursor.value() }, MOST_BYTES))
      yield
    }
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part)
    this.#partBytes += part.length
    if (this.#parts.length >= FEW_ROWS || this.#partBytes >= JOINED_BYTES) this.#join()
  }

  #join(): void {
    this.inputBytes += this.#partBytes
    this.summary = this.#summarizer.combine([this.summary, ...this.#parts], MOST_BYTES)
    this.#parts = []
    this.#partBytes = 0
  }
}
