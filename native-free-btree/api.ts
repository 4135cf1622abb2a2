/**
 * The shapes that callers of the library see. Rules that hold for all of them:
 * - Keys and values are byte strings. What goes in is copied or encoded before the call returns; what comes
 *   out is the caller's to keep.
 * - Reads are synchronous. They see the last durable commit: a commit is visible only once its sync returned.
 * - A reference names bytes that were appended to the store; it is valid until the store is compacted.
 */

/** Order of the keys of one tree. `name` and `version` are kept in the file; opening with others is an error. */
export interface Comparator {
  readonly name: string
  readonly version: number
  compare(a: Uint8Array, b: Uint8Array): number
}

/**
 * A summary of entries, kept in the inner nodes. `map` gives an entry's contribution, `combine` joins any
 * number of contributions of neighbours, in order; it must be associative, and `combine([])` is the empty
 * summary. A summary may be at most `maxBytes` long (1,024 at most).
 */
export interface Reducer {
  readonly name: string
  readonly version: number
  readonly maxBytes: number
  map(key: Uint8Array, value: Uint8Array): Uint8Array
  combine(parts: readonly Uint8Array[]): Uint8Array
}

export interface TreeOptions {
  /** Default: bytewise order (memcmp), the fast path. */
  comparator?: Comparator
  reducer?: Reducer
  /** The references that a value holds, so that `check()` can verify the bytes behind them. */
  references?(value: Uint8Array): Iterable<Uint8Array>
}

/** 16 bytes, opaque: position, length and check of appended bytes. Store it inside a value. */
export type Reference = Uint8Array

/** What a range of entries adds up to. `bytes` counts the keys and the values, out-of-line ones included. */
export interface Summary {
  count: number
  bytes: number
  /** The tree's own reducer's summary; undefined in a tree without one. */
  reduction: Uint8Array | undefined
}

/** Bounds are in the tree's order whatever the direction: `start` <= keys < or <= `end`. */
export interface Range {
  start?: Uint8Array | undefined
  /** Default true. */
  startInclusive?: boolean | undefined
  end?: Uint8Array | undefined
  /** Default false. */
  endInclusive?: boolean | undefined
}

export interface CursorOptions extends Range {
  /** From the last entry of the range to the first. */
  reverse?: boolean | undefined
  /** Skips this many entries first, in the direction of travel, in O(log n). */
  skip?: number | undefined
}

/** Walks a range. Stands before the first entry until `next()`; holds one path of nodes, never the range. */
export interface Cursor {
  /** Moves to the next entry; false at the end. */
  next(): boolean
  /** The entry's key: a copy. */
  key(): Buffer
  /** The entry's value, a copy, fetched and verified when it lies out of line. */
  value(): Buffer
  /** Length of the value in bytes, without fetching it. */
  valueLength(): number
}

/** Reads of one tree as of one commit. */
export interface TreeReader {
  /** Number of entries. */
  count(): number
  get(key: Uint8Array): Buffer | undefined
  has(key: Uint8Array): boolean
  cursor(options?: CursorOptions): Cursor
  /** Number of entries before `key`. */
  rank(key: Uint8Array): number
  /** Summary of a range, in O(log n). */
  reduce(range?: Range): Summary
}

export interface Snapshot {
  /** Number of the commit that it shows. */
  readonly commit: number
  /** Throws UNKNOWN_TREE. */
  tree(name: string): TreeReader
  close(): void
}

/**
 * One transaction while it is being built, synchronously. Point reads see the transaction's own writes and
 * those of the transactions before it, also of the same group; for ranges take a snapshot.
 */
export interface Transaction {
  get(tree: string, key: Uint8Array): Buffer | undefined
  put(tree: string, key: Uint8Array, value: Uint8Array): void
  /** No error when the key is absent. */
  delete(tree: string, key: Uint8Array): void
  /** Appends bytes to be found again by the reference alone. */
  append(value: Uint8Array): Reference
}

export interface TransactOptions {
  /** What the transaction will write, in bytes, roughly: counted against the bound of the writer's queue. */
  sizeHint?: number | undefined
  /** Aborts the wait for a place in the queue, or in it; a transaction that has been built goes on. */
  signal?: AbortSignal | undefined
}

export interface CheckProblem {
  /** Where: a tree's name, a position in the file, or both. */
  where: string
  what: string
}

export interface CheckReport {
  problems: CheckProblem[]
  groups: number
  nodes: number
  entries: number
  values: number
  bytes: number
}

/** What `open` found and did. */
export interface RecoveryReport {
  /** 'clean': nothing to do. 'replayed': the tail was read again. 'cut': a torn tail was removed. */
  outcome: 'created' | 'clean' | 'replayed' | 'cut'
  /** Bytes removed beyond the last whole group, and the first of them. */
  cutBytes: number
  cutAt: number
  /** Set when bytes were cut that may have been a commit whose sync had not been seen to return. */
  lastCommit: number
  groupsReplayed: number
  recordsReplayed: number
  /** Superblock slots that could not be used. */
  badSuperblocks: number
}

export interface StoreStats {
  fileBytes: number
  commit: number
  /** Bytes of nodes in memory that the file does not hold yet. */
  dirtyBytes: number
  /** Bytes of clean pages and of values in memory, those of the other stores of the same cache included. */
  cachedBytes: number
  openSnapshots: number
  checkpointRunning: boolean
  queuedBytes: number
  /** Bytes handed to write() since open, by kind. */
  recordBytesWritten: number
  nodeBytesWritten: number
  /** Set once a sync failed, or a write that could not be rolled back. */
  poisoned: string | undefined
  trees: Record<string, { count: number; bytes: number; depth: number }>
}

/** Opened by `openStore(path, options)`. */
export interface Store {
  readonly path: string
  /** 16 random bytes in hex, made at creation. */
  readonly uuid: string
  readonly recovery: RecoveryReport
  /** Number of the last durable commit; 0 in a new store. */
  readonly commit: number
  /** Point reads of the last durable commit. */
  get(tree: string, key: Uint8Array): Buffer | undefined
  has(tree: string, key: Uint8Array): boolean
  /** A view of the last durable commit that stays as it is until it is closed. */
  snapshot(): Snapshot
  /** Bytes behind a reference, verified. Throws DAMAGED when they are not what was written. */
  read(reference: Reference): Buffer
  /** Length in bytes of what a reference names. */
  lengthOf(reference: Reference): number
  /** Streams bytes `start` (inclusive) to `end` (exclusive) of what a reference names, verified by chunk. */
  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void>
  /** Appends a value of any length, in chunks, as they come; durable with the commit that stores the reference. */
  appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference>
  /**
   * Runs `build` when its turn comes, commits what it wrote with that of others in one group, and resolves
   * with what it returned once the group is durable. When `build` throws, nothing of it is written.
   * Rejects with WRITE_FAILED (nothing was kept), POISONED, CLOSED, READ_ONLY, ABORTED.
   */
  transact<T>(build: (tx: Transaction) => T, options?: TransactOptions): Promise<T>
  /** Writes all dirty nodes, so that the next open has nothing to replay. */
  checkpoint(): Promise<void>
  /** Walks everything: groups, nodes, order, counts, references. Yields to the event loop as it goes. */
  check(onProgress?: (done: number, total: number) => void): Promise<CheckReport>
  stats(): StoreStats
  /** A read-only store moves on to what the writer has made durable since. */
  refresh(): Promise<void>
  /** Refuses new work, commits what is queued, writes the superblocks, waits for open snapshots for
   *  `timeoutMs` (default 0) and rejects with SNAPSHOTS_OPEN, naming them, when some are left (the store is
   *  closed all the same). */
  close(timeoutMs?: number): Promise<void>
}
