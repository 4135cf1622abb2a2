/**
 * Reduces that are functions of a design document: computed when asked for, from the rows of a range. Rows go into the sandbox in
 * pieces of some hundred; what it gives for them is reduced again, and once more in the end, also where there was one piece
 * alone: as in CouchDB, whose shards each reduce. What is held at a time is bounded, whatever the range.
 *
 * Where a piece ends is told by the places of its rows, so that pieces behind a new row are what they were: what they gave
 * is found again (reduction-cache.ts).
 */
import { createHash } from 'node:crypto'
import { isTurnOver, nextTurn } from '../base/time-slice.ts'
import type { RowRange, RowReader } from '../indexes/api.ts'
import { afterRow, idOf } from '../indexes/keys/row-key.ts'
import type { Design } from '../scripting/design.ts'
import type { ReduceLimit } from '../scripting/prelude/views.ts'
import type { Reductions } from '../scripting/rows.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { Group, GroupRow } from './groups.ts'
import { JsonList } from './json-list.ts'
import { MOST_RESULT_BYTES, type Reduced, type Reduction } from './reduction.ts'
import { type PieceCache, ReductionCache } from './reduction-cache.ts'

/** One piece, which the function is called with. */
const MOST_PIECE_ROWS = 500
const MOST_PIECE_BYTES = 64 * 1024
/** One row of so many ends a piece, by its place. */
const ENDING_ROWS = 256
/** No piece is shorter, but for a range's last; what shorter ones give is not worth keeping. */
const FEW_ROWS = 32
/** Pieces that cross into the sandbox together. */
const MOST_CALLS = 64
const MOST_CALL_BYTES = 512 * 1024
/** Of one range, before they are reduced to one. */
const MOST_PARTIAL = 100
const MOST_PARTIAL_BYTES = 256 * 1024

/** What is known of one range so far. */
interface Progress {
  /** In the order of the rows; undefined while the function is asked. */
  partial: (Uint8Array | undefined)[]
  partialBytes: number
  overflow: string | undefined
}

interface Piece {
  readonly of: Progress
  /** Where in `partial` it belongs. */
  readonly slot: number
  readonly text: Uint8Array
  /** What to keep the reduction for. */
  readonly kept?: { readonly range: RowRange; readonly isCut: boolean } | undefined
}

export interface ScriptReductionOptions {
  readonly tree: RowReader
  /** The tree's. */
  readonly reduces: readonly string[]
  readonly scripting: Pick<Scripting, 'reduce'>
  readonly design: Design
  /** Whose reduce it is. */
  readonly view: string
  readonly limit: ReduceLimit
}

/** One for those who have their functions run together: a thread's. */
const caches = new WeakMap<object, ReductionCache>()

function cacheOf({ tree, reduces, scripting, design, view, limit }: ScriptReductionOptions): PieceCache {
  let cache = caches.get(scripting)
  if (cache === undefined) {
    cache = new ReductionCache()
    caches.set(scripting, cache)
  }
  const program = JSON.stringify([design.views.key, view, limit.mode, limit.threshold, limit.ratio])
  return cache.of(createHash('sha256').update(program).digest('base64url'), tree, reduces)
}

export function scriptReduction(options: ScriptReductionOptions): Reduction {
  const cache = cacheOf(options)
  return { reduce: (groups, signal) => new ScriptRun(options, cache, signal).reduce(groups) }
}

class ScriptRun {
  readonly #options: ScriptReductionOptions
  readonly #cache: PieceCache
  readonly #signal: AbortSignal
  readonly #list = new JsonList()
  #pieces: Piece[] = []
  #pieceBytes = 0
  /** Of all that was reduced so far. */
  #resultBytes = 0

  constructor(options: ScriptReductionOptions, cache: PieceCache, signal: AbortSignal) {
    this.#options = options
    this.#cache = cache
    this.#signal = signal
  }

  async reduce(groups: readonly Pick<Group, 'range' | 'rows'>[]): Promise<Reduced[]> {
    const all: Progress[] = []
    for (const { range, rows } of groups) {
      if (this.#resultBytes >= MOST_RESULT_BYTES) break
      const progress: Progress = { partial: [], partialBytes: 0, overflow: undefined }
      all.push(progress)
      if (rows === undefined) await this.#reduceRange(range, progress)
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
    await this.#add(progress, false)
    await this.#giveWay()
  }

  async #reduceRange({ start, end }: RowRange, progress: Progress): Promise<void> {
    const { tree } = this.#options
    const endRank = end === undefined ? tree.count() : tree.rank(end)
    let from = start
    do {
      const range = { start: from, end }
      const known = this.#cache.find(range, endRank)
      if (known === undefined) from = await this.#reducePiece(range, progress)
      else {
        this.#fill(progress, progress.partial.push(undefined) - 1, known.reduction)
        from = known.end
      }
      if (progress.overflow !== undefined) return
      await this.#condense(progress)
      await this.#giveWay()
    } while (from !== undefined)
  }

  /** Answers where the next piece begins; undefined behind the last. */
  async #reducePiece(range: RowRange, progress: Progress): Promise<Uint8Array | undefined> {
    const cursor = this.#options.tree.cursor(range)
    const list = this.#list
    let end: Buffer | undefined
    while (end === undefined && cursor.next()) {
      const place = cursor.place()
      list.addRow(cursor.key(), idOf(place), cursor.value())
      const isFull = list.length >= MOST_PIECE_ROWS || list.bytes >= MOST_PIECE_BYTES
      if (isFull || (list.length >= FEW_ROWS && isEnding(place))) end = afterRow(place)
    }
    if (list.length === 0) return undefined
    const isCut = end === undefined
    const kept = { range: isCut ? range : { start: range.start, end }, isCut }
    await this.#add(progress, false, list.length >= FEW_ROWS ? kept : undefined)
    return end
  }

  /** What is known of a long range becomes one reduction, when it has become much. */
  async #condense(progress: Progress): Promise<void> {
    if (progress.partial.length < MOST_PARTIAL && progress.partialBytes < MOST_PARTIAL_BYTES) return
    if (progress.partial.length < 2) return
    await this.#send(false)
    await this.#reduceAgain(progress)
    await this.#send(true)
  }

  /** All pieces have been sent. */
  async #reduceAgain(progress: Progress): Promise<void> {
    if (progress.overflow !== undefined) return
    for (const each of progress.partial) this.#list.add(each!)
    progress.partial = []
    progress.partialBytes = 0
    await this.#add(progress, true)
  }

  /** Takes the list for a piece. */
  async #add(progress: Progress, isAgain: boolean, kept?: Piece['kept']): Promise<void> {
    const text = this.#list.take()
    this.#pieces.push({ of: progress, slot: progress.partial.push(undefined) - 1, text, kept })
    this.#pieceBytes += text.length
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
    for (const [i, piece] of pieces.entries()) this.#take(piece, reductions[i]!)
  }

  #take({ of: progress, slot, kept }: Piece, reductions: Reductions): void {
    if (!Array.isArray(reductions)) {
      progress.overflow ??= reductions.overflow
      return
    }
    const reduction = reductions[0]!
    this.#fill(progress, slot, reduction)
    if (kept !== undefined) this.#cache.keep(kept.range, kept.isCut, reduction)
  }

  #fill(progress: Progress, slot: number, reduction: Uint8Array): void {
    progress.partial[slot] = reduction
    progress.partialBytes += reduction.length
    this.#resultBytes += reduction.length
  }

  async #giveWay(): Promise<void> {
    if (!isTurnOver()) return
    await nextTurn()
    this.#signal.throwIfAborted()
  }
}

/** Of about one place in ENDING_ROWS, always the same ones. FNV-1a. */
function isEnding(place: Uint8Array): boolean {
  let hash = 0x811c9dc5
  for (let at = 0; at < place.length; at++) hash = Math.imul(hash ^ place[at]!, 0x01000193)
  return (hash >>> 8) % ENDING_ROWS === 0
}
