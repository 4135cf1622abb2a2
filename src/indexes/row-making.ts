/** What makes rows of documents. */
export interface RowMaker {
  /** The rows of these documents, as `scripting/rows.ts` lays them out. */
  make(texts: readonly Uint8Array[], signal: AbortSignal): Promise<Buffer>
}
