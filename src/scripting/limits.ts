/** What code of design documents may take. All of it is passed in by value; the defaults are CouchDB's where it has them. */
export interface Limits {
  /** Milliseconds of a call, of a document of a batch, and between two rows of a list. */
  timeoutMs: number
  /** Values of one design document in one thread. */
  memoryBytes: number
  /** The engine's stack. */
  stackBytes: number
  /** Bytes that one call or one document of a batch may answer with. */
  resultBytes: number
  /** Rows that one document may emit in one view. */
  rowsPerDocument: number
  /** Lines that `log` keeps of one call or batch; of longer ones the beginning. */
  logLines: number
}

export const DEFAULT_LIMITS: Limits = {
  timeoutMs: 5000,
  memoryBytes: 64 * 1024 * 1024,
  stackBytes: 512 * 1024,
  resultBytes: 32 * 1024 * 1024,
  rowsPerDocument: 250_000,
  logLines: 100,
}

export const MOST_LOG_CHARACTERS = 2048
