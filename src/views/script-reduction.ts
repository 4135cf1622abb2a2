/**
 * Reduces that are functions of a design document: computed when asked for, from the rows of a range. Rows go into the sandbox in
 * pieces of some hundred; what it gives for them is reduced again, and once more in the end, also where there was one piece
 * alone: as in CouchDB, whose shards each reduce. What is held at a time is bounded, whatever the range.
 */
import { isTurnOver, nextTurn } from '../base/time-slice.ts'
import type { RowRange, RowReader } from '../indexes/api.ts'
import { idOf } from '../indexes/keys/row-key.ts'
import type { Design } from '../scripting/design.ts'
import type { ReduceLimit } from '../scripting/prelude/views.ts'
import type { Reductions } from '../scripting/rows.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { Group, GroupRow } from './groups.ts'
import { JsonList } from './json-list.ts'
import { MOST_RESULT_BYTES, type Reduced, type Reduction } from './reduction.ts'

/** One piece, which the function is called with. */
const MOST_PIECE_ROWS = 500
const MOST_PIECE_BYTES = 64 * 1024
/** Pieces that cross into the sandbox together. */
const MOST_CALLS = 64
const MOST_CALL_BYTES = 512 * 1024
/** Of one range, before they are reduced to one. */
const MOST_PARTIAL = 100
const MOST_PARTIAL_BYTES = 256 * 1024
const STEP_ROWS = 32

/** What is known of one range so far. */
interface Progress {
  partial: Uint8Array[]
  partialBytes: number
  overflow: string | undefined
}

interface Piece {
  readonly of: Progress
  readonly text: Uint8Array
}

export interface ScriptReductionOptions {
  readonly tree: RowReader
  readonly scripting: Pick<Scripting, 'reduce'>
  readonly design: Design
  /** Whose reduce it is. */
  readonly view: string
  readonly limit: ReduceLimit
}

export function scriptReduction(options: ScriptReductionOptions): Reduction {
  return { reduce: (groups, signal) => new ScriptRun(options, signal).reduce(groups) }
}

class ScriptRun {
  readonly #options: ScriptReductionOptions
  readonly #signal: AbortSignal
  readonly #list = new JsonList()
  #pieces: Piece[] = []
  #pieceBytes = 0
  /** Of all that was reduced so far. */
  #resultBytes = 0

  constructor(options: ScriptReductionOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  async reduce(groups: readonly Pick<Group, 'range' | 'rows'>[]): Promise<Reduced[]> {
    const all: Progress[] = []
    for (const { range, rows } of groups) {
      if (this.#resultBytes >= MOST_RESULT_BYTES) break
      const progress: Progress = { partial: [], partialBytes: 0, overflow: undefined }
      all.push(progress)
      if (rows === undefined) await this.#reduceRows(range, progress)
      else await this.#reduceFew(rows, progress)
    }
    await this.#send(false)
    for (const progress of all) await this.#reduceAgain(progress)
    await this.#send(true)
    return all.map(({ partial, overflow }) => (overflow === undefined ? partial[0]! : { overflow }))
  }

  /** Rows that are in memory already: one piece, however long they are. */
  async #reduceFew(rows: readonly GroupRow[], progress: Progress): Promise<void> {
    for (const { place, key, value } of rows) this.#list.addRow(key, idOf(place), value)
    await this.#add({ of: progress, text: this.#list.take() }, false)
    if (!isTurnOver()) return
    await nextTurn()
    this.#signal.throwIfAborted()
  }

  async #reduceRows(range: RowRange, progress: Progress): Promise<void> {
    const cursor = this.#options.tree.cursor(range)
    const list = this.#list
    for (let rows = 0; cursor.next(); rows++) {
      list.addRow(cursor.key(), cursor.id(), cursor.value())
      if (list.length >= MOST_PIECE_ROWS || list.bytes >= MOST_PIECE_BYTES) {
        await this.#add({ of: progress, text: list.take() }, false)
        if (progress.overflow !== undefined) return
        await this.#condense(progress)
      }
      if (rows % STEP_ROWS === 0 && isTurnOver()) {
        await nextTurn()
        this.#signal.throwIfAborted()
      }
    }
    if (list.length > 0) await this.#add({ of: progress, text: list.take() }, false)
  }

  /** What is known of a long range becomes one reduction, when it has become much. */
  async #condense(progress: Progress): Promise<void> {
    if (progress.partial.length < MOST_PARTIAL && progress.partialBytes < MOST_PARTIAL_BYTES) return
    if (progress.partial.length < 2) return
    await this.#send(false)
    await this.#reduceAgain(progress)
    await this.#send(true)
  }

  async #reduceAgain(progress: Progress): Promise<void> {
    if (progress.overflow !== undefined) return
    for (const each of progress.partial) this.#list.add(each)
    progress.partial = []
    progress.partialBytes = 0
    await this.#add({ of: progress, text: this.#list.take() }, true)
  }

  async #add(piece: Piece, isAgain: boolean): Promise<void> {
    this.#pieces.push(piece)
    this.#pieceBytes += piece.text.length
    if (this.#pieces.length >= MOST_CALLS || this.#pieceBytes >= MOST_CALL_BYTES) await this.#send(isAgain)
  }

  async #send(isAgain: boolean): Promise<void> {
    const pieces = this.#pieces
    if (pieces.length === 0) return
    this.#pieces = []
    this.#pieceBytes = 0
    const { scripting, design, view, limit } = this.#options
    const texts = pieces.map((piece) => piece.text)
    const signal = this.#signal
    const reductions = await scripting.reduce(design, [view], texts, isAgain, limit, { signal })
    signal.throwIfAborted()
    for (const [i, { of }] of pieces.entries()) this.#take(of, reductions[i]!)
  }

  #take(progress: Progress, reductions: Reductions): void {
    if (!Array.isArray(reductions)) {
      progress.overflow ??= reductions.overflow
      return
    }
    const reduction = reductions[0]!
    progress.partial.push(reduction)
    progress.partialBytes += reduction.length
    this.#resultBytes += reduction.length
  }
}
