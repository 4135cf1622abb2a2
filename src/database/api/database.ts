/**
 * What a database offers to the layers above it. Bodies travel as canonical JSON bytes (an object without
 * its top-level `_` members): no read parses or prints them. Reads are synchronous and see the last durable
 * commit; iterators hold a snapshot until they are exhausted or `return`ed.
 * Every failure is a `DatabaseError` from the table in `src/base/errors.ts`.
 */

import type { Backup, CompactionSource, ValuePlace, ValueSource } from '../../../native-free-btree/index.ts'
import type { DatabaseError } from '../../base/errors.ts'
import type { Steps } from '../../base/time-slice.ts'
import type { ByteSource, IncomingAttachment } from '../attachments/content.ts'
import type { AttachmentContent, AttachmentEdit, AttachmentInfo } from '../layout/attachment-records.ts'
import type { Expiry } from '../layout/expiry.ts'
import type { Revision } from '../revisions/revision-id.ts'

/** One write. */
export interface DocumentEdit {
  id: string
  deleted: boolean
  /** Canonical JSON of the body. */
  body: Uint8Array
  /** The body in Erlang's external term format, as the revision id hashes it. */
  term: Uint8Array
  /** Interactive: the revision that the client edited, "N-hex"; undefined for a new document. */
  rev?: string | undefined
  /** Replicated (`new_edits: false`): the whole path, newest first, without the generation numbers. */
  revisions?: { start: number; ids: string[] } | undefined
  /** In the order of the document. */
  attachments?: readonly AttachmentEdit[] | undefined
  /** When the document expires; default never. Deletions do not look at it. */
  expiry?: Expiry | undefined
}

/** An edit that is to be written, and the revision that it replaces or, replicated, its nearest stored ancestor. */
export interface CheckedEdit {
  readonly edit: DocumentEdit
  readonly parent: DocumentView | undefined
}

/**
 * Decides whether documents may be written, design documents and local ones excepted. It is asked before the writer's turn,
 * and again where the design documents, `_security` or what the edit replaces have changed meanwhile: what is written was
 * checked against what is there.
 */
export interface EditCheck {
  /** False: as the database is now, every edit may be written. */
  isNeeded(): boolean
  /** One answer an edit: undefined, or why it is refused. Rejects with what ends the whole request. */
  look(edits: readonly CheckedEdit[]): Promise<readonly (DatabaseError | undefined)[]>
}

export interface UpdateOptions {
  /** Default: every edit may be written. */
  check?: EditCheck | undefined
  /** False: the revisions are kept as they are given, conflicts included. Default true. */
  newEdits?: boolean | undefined
  /** True: where one edit is refused none is written; the others then fail with `not_written`. */
  allOrNothing?: boolean | undefined
  /** True: documents take their numbers in the update sequence in the order in which they first occur. Default: in that of their ids. */
  inGivenOrder?: boolean | undefined
}

/** In the order of the edits. With `newEdits: false` only the failures matter to callers. */
export type EditResult =
  | { ok: true; id: string; rev: string }
  | { ok: false; id: string; rev: string | undefined; refusal: DatabaseError }

export interface RevisionInfo {
  rev: string
  status: 'available' | 'missing' | 'deleted'
}

/** An attachment of a revision. Its bytes can be read as long as the database is open. */
export interface AttachmentView extends AttachmentInfo {
  /** Of its reference. */
  readonly source?: ValueSource | undefined
  /** As they are stored, `start` (inclusive) to `end` (exclusive). */
  storedBytes(start?: number, end?: number): AsyncIterable<Uint8Array>
  /** Unpacked where they are stored gzipped. */
  plainBytes(): AsyncIterable<Uint8Array>
}

/** One revision of one document, read from one snapshot. */
export interface DocumentView {
  readonly id: string
  /** "N-hex". */
  readonly rev: string
  readonly deleted: boolean
  /** The number in the update sequence at which the document last changed. */
  readonly localSeq: number
  /** When the document expires, milliseconds since the epoch; undefined for never. */
  readonly expiresAtMs: number | undefined
  /** Canonical JSON of the body, `{...}`. Fetched and verified on first use. */
  body(): Buffer
  /** Where the body lies, where it can be said: good until anything else is read. Throws as `body`. */
  locateBody?(): Readonly<ValuePlace>
  /** In the order of the document. */
  attachments(): readonly AttachmentView[]
  /** The path from this revision to the root, newest first. */
  revisions(): { start: number; ids: string[] }
  revsInfo(): RevisionInfo[]
  /** The other leaves that are not deleted, best first. */
  conflicts(): string[]
  /** The deleted leaves other than this revision, best first. */
  deletedConflicts(): string[]
}

export interface GetOptions {
  /** A revision; default the winner. Throws not_found/missing, and bad_request for malformed ones. */
  rev?: string | undefined
  /** With `rev`: the leaf that `rev` leads to, the best one where there are several. */
  latest?: boolean | undefined
  /**
   * Memory of so many bytes for the winner's body, which the view keeps: who reads many documents, one after the other, can give
   * the same memory again and again, and forgets each view before the next.
   */
  room?: ((bytes: number) => Buffer) | undefined
}

export type OpenRevision = { ok: DocumentView } | { missing: string }

export interface AllDocsOptions {
  /** Ids in CouchDB's order of ids (bytewise order of UTF-8). */
  startKey?: string | undefined
  endKey?: string | undefined
  /** Default true. */
  inclusiveEnd?: boolean | undefined
  descending?: boolean | undefined
  skip?: number | undefined
  limit?: number | undefined
}

export interface AllDocsRow {
  id: string
  rev: string
  deleted: boolean
  /** The winning revision's view, for include_docs and conflicts. */
  document(): DocumentView
  /** Nothing is to be shown of it: it is here so that who looks at many of them can leave off. */
  isHidden?: true
}

/**
 * A document of a listing as it is stored: where its parts lie. Rows that are written by the thousand are made of it without an
 * object each. It is the same object for every row, good until the next one.
 */
export interface StoredRow {
  /** The id is its bytes from `idStart` to `idEnd`, UTF-8. */
  readonly idBytes: Buffer
  readonly idStart: number
  readonly idEnd: number
  /** The winning revision: its generation, and its id as the bytes from `revisionStart` to `revisionEnd`. */
  readonly generation: number
  readonly revisionBytes: Buffer
  readonly revisionStart: number
  readonly revisionEnd: number
  /** Whether the winning revision is a deletion. */
  readonly deleted: boolean
  readonly seqNumber: number
  readonly leafCount: number
  readonly hasAttachments: boolean
  /** Where the canonical JSON of the winner's body lies: good until anything else is read. Throws as `DocumentView.body`. */
  placeBody(): Readonly<ValuePlace>
}

/** A document that was looked up, as it is stored and as a view. */
export interface StoredDocument extends StoredRow, DocumentView {
  readonly deleted: boolean
}

/** Rows that can be walked either way: each is taken once, by `next` or by `nextStored`. */
export interface StoredRows<Row> extends IterableIterator<Row> {
  /** The next row as it is stored; undefined at the end. Throws as `next`. */
  nextStored(): StoredRow | undefined
  /** The row that `nextStored` gave last. */
  row(): Row
}

/** Rows; those that are shown as they are stored have the second way, and those that somebody looks at in between have not. */
export type Rows<Row> = IterableIterator<Row> & Partial<StoredRows<Row>>

export interface AllDocsPage {
  /** Live documents in the database. */
  totalRows: number
  /** Live documents before the first row, in the direction of travel. */
  offset: number
  /** Neither of them is known. */
  isUncounted?: true
  readonly updateSeq: string
  rows: Rows<AllDocsRow>
}

export interface ChangesOptions {
  /** Exclusive. A number, 'now', or a string that a database made. One of another incarnation starts at 0. */
  since?: string | number | undefined
  limit?: number | undefined
  descending?: boolean | undefined
  /** 'all_docs' lists every leaf; default only the winner. */
  style?: 'main_only' | 'all_docs' | undefined
  /** Only these documents, which are looked up: the sequence is not walked. For small numbers of them. */
  ids?: readonly string[] | undefined
  /** Only documents whose ids begin so are wanted: rows of others may come or be left out, and are pending all the same. */
  prefix?: string | undefined
}

export interface ChangeRow {
  id: string
  /** Number in the update sequence. */
  seqNumber: number
  /** "N-opaque". */
  seq: string
  deleted: boolean
  /** The winner first; with style all_docs every leaf. */
  revs: string[]
  document(): DocumentView
}

export interface ChangesPage {
  rows: Rows<ChangeRow>
  /** The sequence of the last row that was taken, or where the scan began. */
  lastSeq(): string
  /** Changes, of all documents, less those that were taken. */
  pending(): number
  /**
   * Writes the sequence of a row to `bytes` from `at` on, which has room for `MOST_SEQUENCE_BYTES`; returns where it ends. Comes with
   * rows that are shown as they are stored.
   */
  writeSeq?(seqNumber: number, bytes: Uint8Array, at: number): number
}

export interface DatabaseInfo {
  docCount: number
  docDelCount: number
  updateSeq: string
  purgeSeq: string
  sizes: { file: number; active: number; external: number }
  /** Microseconds since the epoch as digits; constant for the life of the database. */
  instanceStartTime: string
  compactRunning: boolean
  diskFormatVersion: number
}

export interface PartitionInfo {
  docCount: number
  docDelCount: number
  sizes: { active: number; external: number }
}

export interface LocalDocument {
  /** Without the `_local/`. */
  id: string
  /** "0-N". */
  rev: string
  body: Buffer
}

/** Leaf revisions of a document that are to go. */
export interface PurgeRequest {
  id: string
  revisions: readonly Revision[]
}

/** A document and revisions of it. */
export interface PurgedRevisions {
  id: string
  /** "N-hex". */
  revs: string[]
}

/** Of some revisions of a document those that are not stored, and stored ones that may be their ancestors. */
export interface MissingRevisions {
  missing: string[]
  possibleAncestors: string[]
}

/** What those use who serve requests. */
export interface Database {
  readonly name: string
  /** Hex; another in every incarnation. */
  readonly uuid: string
  readonly instanceStartTime: string
  /** Fixed at creation. In a partitioned database ids are `partition:id`. */
  readonly properties: { readonly partitioned: boolean }
  /** Number of the last change; what 'now' means. */
  readonly updateSeqNumber: number
  /** Of a change of this history, as clients see it. */
  sequenceOf(seqNumber: number): string
  /** False for what `sequenceOf` gave before a copy of the file was put back, of a change that the copy does not have. */
  isOfHistory(sequence: string): boolean
  /**
   * False: reads are behind what was acknowledged, until `refresh`, which is due before the next read that must not be.
   * Always true in the writer's own thread.
   */
  readonly isFresh: boolean
  /** Reads see every write that was acknowledged before the call. */
  refresh(): Promise<void>
  /**
   * To be awaited before a read of more than single documents: what such a read would have to do first, after many writes that
   * this thread has only heard of, is done in turns of the event loop. Undefined where there is little.
   */
  settle(): Promise<void> | undefined

  info(): DatabaseInfo
  /** Counts and sizes of the documents whose ids begin with `partition:`. */
  partitionInfo(partition: string): PartitionInfo
  /** Runs after each durable group with the number of the last change; returns the way to stop it. */
  onChange(listener: (updateSeqNumber: number) => void): () => void

  /**
   * Serialised with all other writes; one result an edit. The edits of a long request, unless they have attachments or
   * are all or nothing, are written in parts, each as a whole, and other writes may come between them: then, where storage
   * fails, those before stay. Rejects otherwise only when nothing was written: for a
   * revision that cannot be read (bad_request), an edit with a stub for which its parent, or nearest stored ancestor, has
   * no attachment (missing_stub), an id that the database cannot hold, or storage that fails. The bytes of
   * the edits must not change until it resolves. Ids that begin with `_local/` are local documents.
   */
  update(edits: readonly DocumentEdit[], options?: UpdateOptions): Promise<EditResult[]>

  /**
   * One edit of the document as it is when its turn comes, so that it never meets a conflict with writes that are not
   * its own. `make` is called with the winning revision, again where another write came first, and must be quick; what it
   * throws is thrown on and nothing is written. Throws as `get` and `update` do.
   */
  updateInTurn(
    id: string,
    make: (winner: DocumentView) => DocumentEdit,
    options?: Pick<UpdateOptions, 'check'>,
  ): Promise<EditResult>

  /**
   * Removes leaf revisions for good; what is no leaf, or not there, is left alone. Resolves with what was
   * removed, one answer a request.
   */
  purge(requests: readonly PurgeRequest[]): Promise<PurgedRevisions[]>
  /** The purges that are remembered, oldest first. */
  purgedInfos(): IterableIterator<PurgedRevisions>
  purgedInfosLimit(): number
  /** Purges beyond the limit are forgotten at once. Throws bad_request unless it is a positive integer. */
  setPurgedInfosLimit(limit: number): Promise<void>

  /**
   * Takes in the bytes of an attachment, for an edit to name. Rejects with attachmentTooLarge, digestMismatch
   * and what the source throws.
   */
  takeAttachment(source: ByteSource, incoming: IncomingAttachment): Promise<AttachmentContent>

  /** Throws not_found with reason `missing` or `deleted`. */
  get(id: string, options?: GetOptions): DocumentView
  /** Throws not_found for 'all' of a document that does not exist, bad_request for a malformed revision. */
  openRevs(id: string, revs: 'all' | readonly string[], options?: { latest?: boolean }): OpenRevision[]
  /** For keys=: undefined where there is no such document; a deleted one has its tombstone's revision. */
  lookup(id: string): AllDocsRow | undefined
  /**
   * The document whose id is bytes `start` to `end` of `bytes`, UTF-8, as it is stored, deleted or not: good until another is asked
   * for, and until the code that runs now has ended. Undefined where there is none, and where documents are looked at before
   * they are shown.
   */
  storedRow(bytes: Uint8Array, start: number, end: number): StoredDocument | undefined
  allDocs(options?: AllDocsOptions): AllDocsPage
  /** Throws bad_request for a malformed `since`. Descending starts at the end, whatever `since` says. */
  changes(options?: ChangesOptions): ChangesPage
  /** Another number when a design document was written. What is read behind it is as new as it says, or newer. */
  readonly designVersion: number
  /** True while a design document with a `validate_doc_update` is stored. */
  hasValidation(): boolean

  getLocal(id: string): LocalDocument | undefined
  /** Never a conflict: resolves with one above `rev`, or with "0-1" without one. Throws bad_request. */
  putLocal(id: string, body: Uint8Array, rev: string | undefined): Promise<string>
  /** Throws not_found. Resolves with "0-0". */
  deleteLocal(id: string, rev: string | undefined): Promise<string>
  localDocs(options?: AllDocsOptions): IterableIterator<LocalDocument>

  /** In steps, which are of one moment's document. */
  missingRevs(id: string, revisions: readonly Revision[]): Steps<MissingRevisions>

  /** Canonical JSON; undefined until it was set. The same bytes each time, not to be changed, until it is set. */
  security(): Buffer | undefined
  setSecurity(body: Uint8Array): Promise<void>
  revsLimit(): number
  setRevsLimit(limit: number): Promise<void>
  /** Resolves when everything acknowledged is durable (it always is). */
  ensureFullCommit(): Promise<void>

  /** A copy of the file that holds every write that was acknowledged before. */
  backup(): Backup

  /** Refuses new work, waits for what is running, closes the file. */
  close(): Promise<void>
}

/**
 * What shows documents. Whoever stands before a database for somebody who may not see all of it has an answer of his own for each of
 * these: one that was passed on would show what the others keep back.
 */
export type ShownDocuments = Pick<
  Database,
  'get' | 'openRevs' | 'lookup' | 'storedRow' | 'allDocs' | 'changes' | 'getLocal' | 'localDocs' | 'backup'
>

/** A database in the thread that writes it: what the server does of its own accord. */
export interface OwnedDatabase extends Database {
  /** Of its file. */
  readonly path: string
  /** When the first document expires; undefined while none does. */
  nextExpiry(): number | undefined
  /** Deletes documents whose time has come at `nowMs`, the earliest first, at most `limit`. Resolves with their number. */
  expire(nowMs: number, limit: number): Promise<number>
  /**
   * The listener hears of every write that lets a document expire, with the earliest time, when it is durable and
   * before it is acknowledged, which waits for what the listener returns. One listener; it must not reject.
   */
  onExpirySet(listener: (expiresAtMs: number) => Promise<void> | undefined): void

  /** What a compaction asks of the open file; one at a time. Throws conflict. */
  beginCompaction(): CompactionSource
  /**
   * The compaction is over, or is to be: what it still asks for is refused, and writes go on. With `discard` the file
   * that it began is removed.
   */
  endCompaction(options?: { discard?: boolean }): Promise<void>
}
