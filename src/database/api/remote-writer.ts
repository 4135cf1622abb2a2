/**
 * A database that one thread writes and others read: what they are told when they open it, and how they reach its writer.
 * Who carries the calls from thread to thread turns errors into plain values and back by `shared/failure.ts`.
 */
import type { SharedProgress } from '../../../native-free-btree/index.ts'
import type { DatabaseRecord } from '../layout/meta-records.ts'
import type { Database } from './database.ts'

/** What a thread is told to open a database that another one writes. Can be cloned; good until the writer's thread closes it. */
export interface SharedDatabase {
  readonly name: string
  readonly progress: SharedProgress
  readonly record: Omit<DatabaseRecord, 'format'>
  /** Every epoch of the update sequence, the present one too: see `layout/sequence.ts`. */
  readonly epochs: Uint8Array
  /** See `read/words.ts`. */
  readonly words: SharedArrayBuffer
}

/** What is rare enough to be carried as it is. */
export type RemoteCalls = Pick<
  Database,
  | 'purge'
  | 'putLocal'
  | 'deleteLocal'
  | 'setSecurity'
  | 'setRevsLimit'
  | 'setPurgedInfosLimit'
  | 'ensureFullCommit'
>

/** What became of packed edits, and these. */
export interface PackedAnswer {
  /** See `shared/result-codec.ts`. */
  results: Uint8Array
  /** The same bytes, in the same memory. */
  edits: Uint8Array<ArrayBuffer>
}

/** Bytes appended to the writer's file. */
export interface RemoteContent {
  reference: Uint8Array
  /** Of the file that the reference belongs to. */
  salt: bigint
}

export interface WriteOptions {
  readonly allOrNothing: boolean
  /** For how many requests; default one. */
  readonly callers?: number | undefined
}

/**
 * The writing side of one database, as other threads reach it. It rejects with DatabaseErrors, and `update` with
 * MovedContent too. What goes in may be a view of longer memory, as what comes out may be.
 */
export interface RemoteWriter extends WriterService {
  /** As `Channel.join`: `run` is called when what is said now goes to the writer. */
  join(run: (() => void) | undefined): void
}

/** The same at the writer's end. */
export interface WriterService {
  /**
   * Writes encoded edits (`shared/update-codec.ts`) as one transaction, in the order of the calls. Resolves with encoded
   * results (`shared/result-codec.ts`). Rejects with MovedContent where a reference is of another file than the store's. The
   * bytes may change as soon as the call has returned: it takes a copy.
   */
  update(edits: Uint8Array, options: WriteOptions): Promise<Uint8Array>
  /**
   * Writes packed edits (`write/packed-edits.ts`) in parts, each as one transaction. Their memory, which is theirs alone, is handed
   * over: nobody looks at it until it comes back, and where the call rejects it does not.
   */
  updatePacked(edits: Uint8Array<ArrayBuffer>): Promise<PackedAnswer>
  /** As `Store.appendStream`: the next chunk is asked for when the last one is in the file, and all is ended by what the source throws. */
  appendStream(source: AsyncIterable<Uint8Array>): Promise<RemoteContent>
  call<Name extends keyof RemoteCalls>(
    method: Name,
    args: Parameters<RemoteCalls[Name]>,
  ): Promise<Awaited<ReturnType<RemoteCalls[Name]>>>
}
