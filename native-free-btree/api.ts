/**
 * The shapes that callers of the library see. Rules that hold for all of them:
 * - Keys and values are byte strings: a `Uint8Array`, so a `Buffer`. Any other argument that is not what a function
 *   takes is refused with INVALID_ARGUMENT before anything is touched. What goes in is copied or encoded before the call returns; what comes
 *   out is the caller's to keep.
 * - `place` and `locate` alone show the library's own memory, for who copies from it at once. It must not be changed.
 * - Reads are synchronous. They see the last durable commit: a commit is visible only once its sync returned.
 * - A reference names bytes of the file that was the store's when it was made or read. After a compaction it
 *   is good with the `ValueSource` of that file alone: whoever keeps one keeps the source with it.
 */

/**
 * Order of the keys of one tree: a function of the two keys and nothing else. It is given copies. Like a reducer and
 * `references` it runs in the middle of the engine's work, where every call of the library is refused. `name` and
 * `version` are kept in the file; opening with others is an error.
 */
export interface Comparator {
  readonly name: string
  readonly version: number
  compare(a: Uint8Array, b: Uint8Array): number
  /**
   * Keys whose first byte is below this are in bytewise order among each other, and equal to no other key: `compare` is not
   * called for two of them. 256 at most; default 0. Pages are laid out by it, so another one needs another `version`.
   */
  readonly bytewiseBelow?: number | undefined
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
  /**
   * What `combine` gives of what `map` gives of neighbouring entries, from one call for all, where that is quicker. Entry i lies
   * in `bytes`: its key from `bounds[4 * i]` to `bounds[4 * i + 1]`, its value from `bounds[4 * i + 2]` to `bounds[4 * i + 3]`.
   * Both hold others after the call.
   */
  mapAll?(bytes: Uint8Array, bounds: Uint32Array): Uint8Array
  /**
   * As `combine`, where that is quicker: part i lies in `bytes` from `bounds[2 * i]` to `bounds[2 * i + 1]`. Both hold others after
   * the call.
   */
  combineAll?: ((bytes: Uint8Array, bounds: Uint32Array) => Uint8Array) | undefined
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

/** Where a value lies: bytes `start` to `end` of `bytes`. */
export interface ValuePlace {
  bytes: Uint8Array
  start: number
  end: number
}

/** Where an entry lies. A value that lies out of line is in memory of its own. */
export interface EntryPlace {
  keyBytes: Buffer
  keyStart: number
  keyEnd: number
  valueBytes: Buffer
  valueStart: number
  valueEnd: number
}

/** Walks a range. Stands before the first entry until `next()`; holds one path of nodes, never the range. */
export interface Cursor {
  /** Moves to the next entry; false at the end. */
  next(): boolean
  /** As `next` and `place`, for less than both. */
  nextPlace(into: EntryPlace): boolean
  /** The entry's key: a copy. */
  key(): Buffer
  /** The entry's value, a copy, fetched and verified when it lies out of line. */
  value(): Buffer
  /** Says where the key and the value lie, without a copy: good until the cursor moves or the code that runs now has ended. */
  place(into: EntryPlace): void
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

/** The bytes behind references, of the file that was the store's when this was taken from the store. */
export interface ValueSource {
  /** False once a compaction has given the store another file: its references must not be stored any more. */
  readonly isCurrent: boolean
  /** Of the file, as `Store.salt`: what a reference is handed to another thread with. */
  readonly salt: bigint
  /**
   * As in `Store`. `room` may be asked for memory of so many bytes that the value is put into: who reads many can use the same
   * memory again and again.
   */
  read(reference: Reference, room?: (bytes: number) => Buffer): Buffer
  /**
   * Where the value lies, verified, that the reference at `offset` of `bytes` names: good until anything else is read. The place is
   * the same object each time. Throws as `read`.
   */
  locate(bytes: Uint8Array, offset: number): Readonly<ValuePlace>
  lengthOf(reference: Reference): number
  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void>
  /** The file stays open until the returned function is called, or the store is closed. */
  hold(): () => void
}

/** Where a store's commit lies in its file: enough for another thread to read it. Can be cloned, and sent. */
export interface SnapshotHandle {
  readonly path: string
  /** Of the store, in hex. */
  readonly uuid: string
  /** Of the file: another one in every file. */
  readonly salt: bigint
  /** Of the record that names the roots; position 0: there is none, and the log holds everything. */
  readonly checkpoint: { readonly position: number; readonly length: number; readonly hash: bigint }
}

/** Behind a commit, in the chain of groups. */
export interface LogPoint {
  readonly position: number
  readonly previousHash: bigint
}

/** What a stretch of the log did to one key. */
export interface LogChange {
  readonly tree: string
  readonly key: Buffer
  /** Reads the value; undefined: the key was deleted. */
  readonly value: (() => Buffer) | undefined
}

export interface LogStretch {
  /** The last of each key, in the order in which the keys first came. */
  readonly changes: readonly LogChange[]
  readonly next: LogPoint
}

/** A commit that was opened by its handle, and the log behind it. */
export interface FileSnapshot {
  readonly handle: SnapshotHandle
  readonly treeNames: readonly string[]
  tree(name: string): TreeReader
  /** As in `Store`, and of bytes that were appended later, too. */
  read(reference: Reference): Buffer
  /** As `ValueSource.locate`. */
  locate(bytes: Uint8Array, offset: number): Readonly<ValuePlace>
  lengthOf(reference: Reference): number
  readStream(reference: Reference): AsyncGenerator<Buffer, void, void>
  /** Behind the commit. */
  readonly logStart: LogPoint
  /** The trees that the commit and the log so far have defined, by id. */
  readonly definitions: ReadonlyMap<number, string>
  /**
   * The changes from `from` on, to the first commit that ends `maxBytes` behind it or further, or to `end`, where a
   * durable group ends. Throws DAMAGED.
   */
  readLog(from: LogPoint, end: number, maxBytes: number): Promise<LogStretch>
  close(): Promise<void>
}

/** The writer's turn, lent out. Nothing is written, and so nothing acknowledged, until it is given back. */
export interface Turn {
  /** All groups of the file end here, and are durable. */
  readonly end: number
  giveBack(): void
  /**
   * Gives the store the file at `path` (on the same file system) under the store's own name, and ends the turn.
   * That file must hold what the store holds, and be durable. When it resolves the store goes on with that file, whose
   * name is durable before anything is committed to it, and snapshots that are open with the file that they began with.
   * Rejects with WRITE_FAILED when the store goes on as it was, and with POISONED when nobody knows which of the two
   * files has the name, or the store's own was removed or replaced.
   */
  replaceWith(path: string): Promise<void>
}

/** A consistent copy of the file as of one moment; to be read soon, and then as slowly as one likes. */
export interface Backup {
  readonly length: number
  /** Of the file: parts of backups with the same salt go together. */
  readonly salt: bigint
  /** Bytes `start` (inclusive) to `end` (exclusive). */
  bytes(start?: number, end?: number): AsyncGenerator<Buffer, void, void>
}

export interface Snapshot {
  /** Number of the commit that it shows. */
  readonly commit: number
  /** Throws UNKNOWN_TREE. */
  tree(name: string): TreeReader
  /** For the references that its entries hold. */
  readonly values: ValueSource
  close(): void
}

/**
 * One transaction while it is being built, synchronously. Point reads see the transaction's own writes and
 * those of the transactions before it, also of the same group; for ranges take a snapshot. An operation takes effect
 * as a whole or, when it throws, not at all; the transaction can go on. Throws INVALID_ARGUMENT for keys and values that
 * are no `Uint8Array`, KEY_TOO_LARGE, UNKNOWN_TREE, DAMAGED, and what a comparator throws.
 */
export interface Transaction {
  get(tree: string, key: Uint8Array): Buffer | undefined
  /** As `StoreReader.getInto`. */
  getInto(tree: string, key: Uint8Array, target: Uint8Array): number
  put(tree: string, key: Uint8Array, value: Uint8Array): void
  /** No error when the key is absent. */
  delete(tree: string, key: Uint8Array): void
  /** Appends bytes to be found again by the reference alone. */
  append(value: Uint8Array): Reference
}

/** @typeParam T what `build` returns. */
export interface TransactOptions<T = unknown> {
  /** What the transaction will write, in bytes, roughly: counted against the bound of the writer's queue. */
  sizeHint?: number | undefined
  /** Aborts the wait for a place in the queue, or in it; a transaction that has been built goes on. */
  signal?: AbortSignal | undefined
  /**
   * Called with what `build` returned once the commit is durable and published to other threads, and before the trees here are
   * changed, which takes as long as building it did: who waits in another thread may be told then, for nothing else runs in this one
   * between the call and the change. It must neither throw nor read the store. Not called where `transact` rejects, unless the
   * change fails, of which the next opening knows nothing.
   */
  onDurable?: ((result: T) => void) | undefined
}

export interface CheckProblem {
  /** Where: a tree's name, a position in the file, or both. */
  where: string
  what: string
}

export interface CheckReport {
  /** The first thousand; `problemCount` says how many there are. */
  problems: CheckProblem[]
  problemCount: number
  /** What a power cut leaves, and the next opening of a writer recovers from: no damage. */
  leftovers: CheckProblem[]
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
  /** With the room that was made ahead. */
  fileBytes: number
  commit: number
  /** Bytes of nodes in memory that the file does not hold yet. */
  dirtyBytes: number
  /** Bytes of clean pages and of values in memory, those of the other stores of the same cache included. */
  cachedBytes: number
  openSnapshots: number
  /** Files that compactions have replaced and that are still being read. */
  retiredFiles: number
  checkpointRunning: boolean
  queuedBytes: number
  /** Bytes handed to write() since open, by kind; those that filled room made ahead count with those of the present file alone. */
  recordBytesWritten: number
  nodeBytesWritten: number
  filledBytesWritten: number
  /** Why writes are refused until the store is opened again: write/tail.ts lists what does that. */
  poisoned: string | undefined
  trees: Record<string, { count: number; bytes: number; depth: number }>
}

/** What a store and its followers have in common: reads. */
export interface StoreReader {
  readonly path: string
  /** 16 random bytes in hex, made at creation. */
  readonly uuid: string
  /** Of the present file: a compaction gives it another one. */
  readonly salt: bigint
  /** Number of the last durable commit; 0 in a new store. */
  readonly commit: number
  /** Point reads of the last durable commit. */
  get(tree: string, key: Uint8Array): Buffer | undefined
  /**
   * As `get`, for who reads many: copies the value to the beginning of `target`, where it has room for it. Returns the value's
   * length; -1 for none.
   */
  getInto(tree: string, key: Uint8Array, target: Uint8Array): number
  /**
   * The same without a copy: says where the entry lies whose key is bytes `start` to `end` of `bytes`, without a copy. Good
   * until anything else is asked of the store or done to it, and until the code that runs now has ended. False for none.
   */
  place(tree: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean
  has(tree: string, key: Uint8Array): boolean
  /** A view of the last durable commit that stays as it is until it is closed. */
  snapshot(): Snapshot
  /** Bytes behind a reference, verified. Throws DAMAGED when they are not what was written. */
  read(reference: Reference): Buffer
  /** Length in bytes of what a reference names. */
  lengthOf(reference: Reference): number
  /** Streams bytes `start` (inclusive) to `end` (exclusive) of what a reference names, verified by chunk. */
  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void>
  /** The bytes of the present file: to be taken, before anything is awaited, with the entry that holds a reference. */
  readonly values: ValueSource
  /** A copy of the file that holds every commit that was acknowledged before the call. */
  backup(): Backup
  /** Length of the file now; `stats` has it too, but looks at every tree. */
  readonly fileBytes: number
  stats(): StoreStats
  /** Refuses new work, waits for open snapshots for `timeoutMs` (default 0) and rejects with SNAPSHOTS_OPEN, naming
   *  them, when some are left (it is closed all the same). */
  close(timeoutMs?: number): Promise<void>
}

/** Opened by `openStore(path, options)`. */
export interface Store extends StoreReader {
  readonly recovery: RecoveryReport
  /**
   * Resolves when what opening has found in the log is applied to the trees, which is done in short turns of the event
   * loop. Point reads and cursors without `skip` need not wait for it, writes do by themselves; what needs counts or summaries
   * of a tree has the rest of its changes applied at once, which may take a second. Rejects with DAMAGED where a change cannot be
   * applied: then nothing is written, and the tree cannot be read as a whole. CLOSED when the store is closed meanwhile.
   */
  settled(): Promise<void>
  /**
   * Appends a value of any length, in chunks, as they come; durable with the commit that stores the reference,
   * which belongs to `values` as it is when this resolves.
   */
  appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference>
  /**
   * Runs `build` when its turn comes, commits what it wrote with that of others in one group, and resolves
   * with what it returned once the group is durable. When `build` throws, or returns a promise, nothing of it is
   * written. Rejects with WRITE_FAILED (nothing was kept, the next one may succeed; with `details.inDoubt` a crash
   * before that may bring it back), POISONED (of what had been written, a later opening may find it), CLOSED, READ_ONLY,
   * ABORTED, INVALID_ARGUMENT.
   */
  transact<T>(build: (tx: Transaction) => T, options?: TransactOptions<T>): Promise<T>
  /** Writes all dirty nodes, so that the next open has nothing to replay. */
  checkpoint(): Promise<void>
  /** Makes a commit readable for other threads: see `openSnapshot`. Writes a checkpoint. */
  exportSnapshot(): Promise<SnapshotHandle>
  /** Up to here the groups of the file are durable. */
  readonly durableEnd: number
  /** Resolves when the writer's turn comes, with that turn. */
  turn(): Promise<Turn>
  /** Makes the writer wait before each group, so that a compaction can catch up. 0: it does not. */
  slowDown(delayMs: number): void
  /** Walks everything: groups, nodes, order, counts, references. Yields to the event loop as it goes. Progress is in bytes. */
  check(onProgress?: (done: number, total: number) => void): Promise<CheckReport>
  /**
   * A read-only store moves on to what is durable: every commit that was acknowledged before the call, wherever its
   * writer runs, and no part of another. Opening one does the same. Syncs the file when its last commit is not known to
   * be durable. Throws NOT_FOUND when the path leads to another store by now.
   */
  refresh(): Promise<void>
  /**
   * What `openFollower` needs, in any thread: from now on each commit is published there before it is acknowledged. The
   * same object each time. Throws READ_ONLY where there is no writer.
   */
  shareProgress(): SharedProgress
  /** As a reader's; before it waits, it commits what is queued and writes the superblocks. */
  close(timeoutMs?: number): Promise<void>
}

/**
 * How far a store's writer has come, in memory that threads share. Cloned by `postMessage`: every copy sees what the writer
 * publishes.
 */
export interface SharedProgress {
  readonly path: string
  /** Of the store, in hex. */
  readonly uuid: string
  readonly state: SharedArrayBuffer
}

/**
 * Opened by `openFollower(progress, options)`: reads a store that another thread writes. Each read sees every commit that was
 * acknowledged before it was called, whole: it takes in what the log says since the last one first. That it does with
 * however much there is, unless the writer has another file by now: then reads go on with the old one, and `isFresh` is
 * false. Reads throw DAMAGED where the log is damaged, and CLOSED when the writer has closed the store.
 */
export interface Follower extends StoreReader {
  /**
   * False: `catchUp` is due before the next use. The writer has another file, is further ahead than is taken in at one go, or
   * has closed the store.
   */
  readonly isFresh: boolean
  /** False: the writer has closed the store, or this was closed. */
  readonly isFollowing: boolean
  /**
   * Takes in, in short turns, what was durable when it was called; opens the writer's new file after a compaction. Rejects
   * with CLOSED when the writer has closed the store.
   */
  catchUp(): Promise<void>
  /**
   * What was taken in is kept beside the trees until one of them is asked for more than single keys; that read then puts all of
   * it into the tree. This does so before, in short turns, with as many changes as there are now. Undefined where there are few.
   */
  settle(): Promise<void> | undefined
  /** Rises with every change of the tree that is taken in, and sometimes without one. Throws UNKNOWN_TREE. */
  version(tree: string): number
}
