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
  /** As they go over; undefined for one that the target has. Read once, in the order of the document. */
  readonly bytes: (() => AsyncIterable<Buffer>) | undefined
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
  /** Gives back what it holds of the source. */
  release?(): void
}

export interface WriteRefusal {
  readonly id: string
  readonly rev: string
  readonly error: string
  readonly reason: string
}
