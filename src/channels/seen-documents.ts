/**
 * Documents as somebody sees them who may read those of his channels alone. What holds:
 * - A revision is shown whose record says that it is in one of his channels, and no other.
 * - The index was found to be as new as the database. Of a document that was written since, and is not in the index yet, the
 *   revisions that are in it are shown: each document is shown as it was at one of the moments in which an answer is made.
 * - A deletion that took a document out of his channels is shown to who had it, by its revision and nothing else.
 */
import { DatabaseError } from '../base/errors.ts'
import type { Database, DocumentView, RevisionInfo } from '../database/api/database.ts'
import { isDesignId } from '../documents/document-id.ts'
import { NarrowedView, ViewWithBody } from '../documents/narrowed-view.ts'
import { grantsVersionOf, purgeSeqOf } from './channel-indexer.ts'
import type { ChannelSight } from './channel-sight.ts'
import { type DocumentRecord, recordOf } from './document-record.ts'
import { Notes } from './notes.ts'
import { mayRead, type Reader } from './reader.ts'

const EMPTY = Buffer.from('{}')

export interface SeenDocument {
  readonly record: DocumentRecord
  /** Undefined: he may not see the present revision. */
  readonly view: DocumentView | undefined
}

export class SeenDocuments {
  readonly notes: Notes
  readonly #database: Database
  readonly #sight: ChannelSight
  readonly #reader: Reader
  /** They are others once `_security` was set. */
  readonly #security: Buffer | undefined

  constructor(database: Database, sight: ChannelSight) {
    this.#database = database
    this.notes = new Notes(sight.index)
    this.#sight = sight
    this.#reader = sight.reader
    this.#security = database.security()
  }

  /** Throws serviceUnavailable where the document, and what somebody may read, have changed since. */
  record(id: string): DocumentRecord | undefined {
    const record = isDesignId(id) ? undefined : recordOf(this.notes, id)
    // What he may read is of one moment: what was written later is shown only while he may still read that.
    const isLater = record !== undefined && record.seq > this.#sight.seq
    if (isLater && grantsVersionOf(this.notes) !== this.#sight.grantsVersion) throw changing()
    return record
  }

  /** The present revision; undefined where there is no such document, or it was in none of his channels. */
  find(id: string): SeenDocument | undefined {
    const record = this.record(id)
    if (record === undefined) return undefined
    const [winner] = record.leaves
    if (mayRead(this.#reader, winner!.output.channels))
      return { record, view: this.#view(id, winner!.rev, record) }
    return { record, view: record.deleted ? this.#farewell(id, winner!.rev, record) : undefined }
  }

  /** A revision that he may see: a leaf, or a deletion that took the document from him. */
  revision(id: string, rev: string, record = this.record(id)): DocumentView | undefined {
    if (record === undefined) return undefined
    const leaf = record.leaves.find((each) => each.rev === rev)
    if (leaf !== undefined && mayRead(this.#reader, leaf.output.channels)) return this.#view(id, rev, record)
    return this.#farewell(id, rev, record)
  }

  /** The leaves that he may see. */
  leaves(id: string, record = this.record(id)): DocumentView[] {
    return (record?.leaves ?? []).flatMap(({ rev }) => this.revision(id, rev, record) ?? [])
  }

  /** Whether a deletion of that revision took the document out of a channel of his. */
  isFarewell(rev: string, { state }: DocumentRecord): boolean {
    for (const [channel, removal] of state.channels) {
      if (removal?.rev === rev && removal.deleted && mayRead(this.#reader, [channel])) return true
    }
    return false
  }

  #farewell(id: string, rev: string, record: DocumentRecord): DocumentView | undefined {
    if (!this.isFarewell(rev, record)) return undefined
    const view = this.#stored(id, rev, record)
    return view && new SeenView(new ViewWithBody(view, EMPTY, { attachments: false }), [], [])
  }

  #view(id: string, rev: string, record: DocumentRecord): DocumentView | undefined {
    const view = this.#stored(id, rev, record)
    if (view === undefined) return undefined
    const others = record.leaves.filter(
      (each) => each.rev !== rev && mayRead(this.#reader, each.output.channels),
    )
    const revs = others.map((each) => each.rev)
    const live = new Set([...view.conflicts()])
    return new SeenView(
      view,
      revs.filter((each) => live.has(each)),
      revs.filter((each) => !live.has(each)),
    )
  }

  /** Throws serviceUnavailable where what is recorded may be of something else than what the database has. */
  #stored(id: string, rev: string, { seq }: DocumentRecord): DocumentView | undefined {
    const database = this.#database
    if (database.security() !== this.#security) throw changing()
    const row = database.lookup(id)
    const winner = row?.document()
    // A revision that was purged since may have given its id to another one.
    if (winner?.localSeq !== seq && database.info().purgeSeq !== purgeSeqOf(this.notes)) throw changing()
    if (winner?.rev === rev) return winner
    const [found] = winner === undefined ? [] : database.openRevs(id, [rev])
    if (found !== undefined && 'ok' in found) return found.ok
    if (!database.isFresh) throw changing()
    return undefined
  }
}

/** A request that began now would be answered. */
export function changing(): DatabaseError {
  return new DatabaseError('serviceUnavailable', 'The database has just been changed: ask again.')
}

/** A revision without what it says of others. */
class SeenView extends NarrowedView {
  readonly #conflicts: string[]
  readonly #deletedConflicts: string[]

  constructor(view: DocumentView, conflicts: string[], deletedConflicts: string[]) {
    super(view)
    this.#conflicts = conflicts
    this.#deletedConflicts = deletedConflicts
  }

  /** Older revisions are not shown. */
  override revsInfo(): RevisionInfo[] {
    return super.revsInfo().map(({ rev, status }) => ({ rev, status: rev === this.rev ? status : 'missing' }))
  }

  override conflicts(): string[] {
    return this.#conflicts
  }

  override deletedConflicts(): string[] {
    return this.#deletedConflicts
  }
}
