/**
 * One side of a replication, be it a database of this server or one behind HTTP: the replication sees only this. What holds:
 * - Every call ends: by its answer, its failure, or the signal that it is given.
 * - What is held in memory at once is bounded, however much a peer sends; attachments are read piece by piece.
 * - Failures are `ReplicationError`s, which say whether it is worth trying again.
 */
import type { AttachmentEncoding } from '../database/layout/attachment-records.ts'

/** What is asked of a side before anything else. */
export interface EndpointInfo {
  readonly updateSeq: string | number
  /** Another one after the database was deleted and made anew. */
  readonly instanceStartTime: string
}

export interface SourceChange {
  readonly id: string
  readonly seq: string | number
  /** Leaves; the winner alone where only winners go over. */
  readonly revs: readonly string[]
  readonly deleted: boolean
}

export interface ChangesPageWish {
  readonly since: string | number
  readonly limit: number
}

/** Some changes, and where the next ones begin. */
export interface SourceChanges {
  readonly changes: readonly SourceChange[]
  /** What was looked at up to here has been told. */
  readonly lastSeq: string | number
  /** There were no more. */
  readonly isEnd: boolean
  /** Undefined: unknown. */
  readonly pending: number | undefined
}

/** Revisions of a document that the target has not. */
export interface MissingRevisions {
  readonly id: string
  readonly missing: readonly string[]
  readonly possibleAncestors: readonly string[]
}

/** One revision that is to go over. */
export interface WantedRevision {
  readonly id: string
  readonly rev: string
  /** Whose attachments the target has. */
  readonly attsSince: readonly string[]
}

export interface TransferredAttachment {
  readonly name: string
  readonly type: string
  readonly revpos: number
  readonly encoding: AttachmentEncoding
  /** Of the plain bytes. */
  readonly length: number
  /** Of the bytes as they go over. */
  readonly encodedLength: number
  /** Of the bytes as they go over; undefined where the peer did not say. */
  readonly md5: Buffer | undefined
  /**
   * As they go over, exactly `encodedLength` of them, or it throws; undefined for one that the target has. Read once, in the
   * order of the document.
   */
  readonly bytes: (() => AsyncIterable<Uint8Array>) | undefined
}

/** A revision on its way. */
export interface TransferredDocument {
  readonly id: string
  readonly rev: string
  readonly deleted: boolean
  /** Canonical JSON without special members. */
  readonly body: Uint8Array
  readonly revisions: { start: number; ids: string[] }
  readonly attachments: readonly TransferredAttachment[]
}

export interface WriteRefusal {
  readonly id: string
  readonly rev: string
  readonly error: string
  readonly reason: string
  /** It is the target's fault and not the document's: it is to be sent again. */
  readonly isPassing?: boolean
}

/** A local document, as checkpoints are kept in. */
export interface LocalRecord {
  readonly body: Readonly<Record<string, unknown>>
  readonly rev: string
}

/** What both sides can do. */
export interface Endpoint {
  /** As it is shown: without a password. */
  readonly shown: string
  info(signal: AbortSignal): Promise<EndpointInfo>
  /** Undefined where there is none. `id` is without `_local/`. */
  readLocal(id: string, signal: AbortSignal): Promise<LocalRecord | undefined>
  /** Resolves with its new revision. */
  writeLocal(
    id: string,
    body: Readonly<Record<string, unknown>>,
    rev: string | undefined,
    signal: AbortSignal,
  ): Promise<string>
  /** What was acknowledged is durable. Resolves with `instanceStartTime`; undefined where the side does not say. */
  ensureFullCommit(signal: AbortSignal): Promise<string | undefined>
  /** Gives back connections and databases. What runs must have ended. */
  close(): Promise<void>
}

/** What a fetch brings for one wish; each comes in any order. */
export type FetchedRevision =
  | { readonly kind: 'document'; readonly document: TransferredDocument }
  | { readonly kind: 'missing'; readonly id: string; readonly rev: string }
  /** The source does not give it, or it cannot be taken. */
  | { readonly kind: 'refused'; readonly refusal: WriteRefusal }

export interface SourceEndpoint extends Endpoint {
  /** The changes that are there; with `isWaiting` it waits, where there are none, until there are some or a while is over. */
  changes(
    wish: ChangesPageWish & { readonly isWaiting: boolean },
    signal: AbortSignal,
  ): Promise<SourceChanges>
  /**
   * The wanted revisions, or the leaves that they have become: as many at a time as are at hand, which is a bounded number of
   * bytes. A document is read to its end, attachments included, before the next one is looked at. `count` hears of what `_bulk_get` was asked for and gave.
   */
  fetch(
    wanted: readonly WantedRevision[],
    count: { bulkGetAttempts(count: number): void; bulkGetDocs(count: number): void },
    signal: AbortSignal,
  ): AsyncGenerator<readonly FetchedRevision[], void, void>
  /** The code of a filter function of a design document. Throws a transient error where it is not to be had. */
  filterCode(design: string, name: string, signal: AbortSignal): Promise<string>
}

export interface TargetEndpoint extends Endpoint {
  /** Whether `write` takes attachments that are packed. */
  readonly takesPacked: boolean
  /** Whether `write` tells of each design document what is wrong with it; old peers refuse all documents then. */
  readonly takesDesigns: boolean
  create(parameters: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void>
  revsDiff(
    revisions: ReadonlyMap<string, readonly string[]>,
    signal: AbortSignal,
  ): Promise<readonly MissingRevisions[]>
  /** Writes documents whose attachments are short, and read already. Resolves with those that were refused. */
  write(documents: readonly TransferredDocument[], signal: AbortSignal): Promise<readonly WriteRefusal[]>
  /** Writes one whose attachments are read on the way. Throws `MissingStubError` where the target has not what it said. */
  writeStreamed(document: TransferredDocument, signal: AbortSignal): Promise<WriteRefusal | undefined>
}

/** The target has no attachment for a stub: the document is to be sent again, attachments and all. */
export class MissingStubError extends Error {
  override readonly name = 'MissingStubError'
}
