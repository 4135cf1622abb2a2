/**
 * What functions gave for pieces of trees, for as long as the rows of a piece are the same: a row that is written costs the
 * reduction of its piece, and not that of all rows. A piece is found by where it begins; whether its rows are those that
 * it had is told by their fingerprint, so that neither commits nor files matter. A function that gives something else for
 * the same rows would not do for CouchDB either.
 */
import { LRUCache } from 'lru-cache'
import type { RowRange, RowReader } from '../indexes/api.ts'
import { fingerprintOf } from '../indexes/reduce/tree-reducer.ts'

const MOST_BYTES = 16 * 1024 * 1024
/** Longer ones are not kept. */
const MOST_REDUCTION_BYTES = 8 * 1024
/** What an entry takes beside its texts. */
const ENTRY_BYTES = 200

interface Piece {
  /** Undefined: it has the tree's last row. */
  readonly end: Uint8Array | undefined
  readonly fingerprint: Uint8Array
  readonly reduction: Uint8Array
}

export class ReductionCache {
  readonly #pieces = new LRUCache<string, Piece>({
    maxSize: MOST_BYTES,
    sizeCalculation: ({ end, reduction }, key) =>
      ENTRY_BYTES + key.length + (end?.length ?? 0) + reduction.length,
  })

  /** For one function, and the trees that have its rows. */
  of(program: string, tree: RowReader, reduces: readonly string[]): PieceCache {
    return new PieceCache(this.#pieces, program, tree, reduces)
  }
}

export class PieceCache {
  readonly #pieces: LRUCache<string, Piece>
  readonly #program: string
  readonly #tree: RowReader
  readonly #reduces: readonly string[]

  constructor(pieces: LRUCache<string, Piece>, program: string, tree: RowReader, reduces: readonly string[]) {
    this.#pieces = pieces
    this.#program = program
    this.#tree = tree
    this.#reduces = reduces
  }

  /**
   * The reduction of a piece that begins where the range does, and where the next one begins: undefined where it is the range's
   * last. `endRank`: of the range's end.
   */
  find(range: RowRange, endRank: number): Pick<Piece, 'end' | 'reduction'> | undefined {
    const last = this.#found(this.#keyOf(range, true), range)
    if (last !== undefined) return { end: undefined, reduction: last.reduction }
    const piece = this.#found(this.#keyOf(range, false), range)
    return piece !== undefined && this.#tree.rank(piece.end!) <= endRank ? piece : undefined
  }

  /** While its rows are what they were. */
  #found(key: string, { start }: RowRange): Piece | undefined {
    const piece = this.#pieces.get(key)
    if (piece === undefined) return undefined
    const fingerprint = this.#fingerprintOf({ start, end: piece.end })
    if (fingerprint !== undefined && Buffer.compare(fingerprint, piece.fingerprint) === 0) return piece
    this.#pieces.delete(key)
    return undefined
  }

  /** `isCut`: it ends where the range does that was asked for. */
  keep(range: RowRange, isCut: boolean, reduction: Uint8Array): void {
    if (reduction.length > MOST_REDUCTION_BYTES) return
    const fingerprint = this.#fingerprintOf(range)
    if (fingerprint === undefined) return
    this.#pieces.set(this.#keyOf(range, isCut), {
      end: range.end && Uint8Array.from(range.end),
      fingerprint: Uint8Array.from(fingerprint),
      reduction: Uint8Array.from(reduction),
    })
  }

  #keyOf({ start, end }: RowRange, isCut: boolean): string {
    const from = latin1(start)
    return `${this.#program}${isCut ? `${from.length} ${from}${latin1(end)}` : ` ${from}`}`
  }

  #fingerprintOf(range: RowRange): Uint8Array | undefined {
    const { reduction } = this.#tree.reduce(range)
    return reduction && fingerprintOf(reduction, this.#reduces)
  }
}

function latin1(bytes: Uint8Array | undefined): string {
  return bytes === undefined
    ? ''
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
