/** What makes rows of documents. */

/** The rows of some documents, as `scripting/rows.ts` lays them out. */
export interface MadeRows {
  /** How many documents they are of. */
  readonly count: number
  readonly rows: Uint8Array
  /**
   * Where no document has more than one row, and all are canonical: of each document where its key begins, where its value
   * begins and where that ends, in `rows` which then have no other layout; three zeros for no row.
   */
  readonly bounds?: Uint32Array | undefined
}

export interface RowMaker {
  /** The members of documents that it looks at; undefined: all. Others may be left out of the texts. */
  readonly members: ReadonlySet<string> | undefined
  /**
   * The rows of these documents, of some of them at a time and in their order. What is made at once is bounded; the next ones
   * are made when they are asked for.
   */
  make(texts: readonly Uint8Array[], signal: AbortSignal): AsyncIterator<MadeRows, void, void>
}
