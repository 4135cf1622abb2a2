/**
 * The present revisions of many documents, one after the other, as one view: what is shown of a document is good until anybody's
 * reader finds another one, in this turn or a later one. The entry is read where it was copied to, in memory of the thread; objects
 * are made of what is asked for beside id, revision and body.
 */
import type { Reference, ValueSource } from '../../../native-free-btree/index.ts'
import type { Metrics } from '../../base/metrics.ts'
import type { AttachmentView, DocumentView, RevisionInfo } from '../api/database.ts'
import { readText } from '../bodies/stored-text.ts'
import { databaseErrorOf } from '../errors/layer-errors.ts'
import { decodeInfo, expiryOfInfo, treeAt } from '../layout/document-info.ts'
import { checkVersion, TREES } from '../layout/layout.ts'
import { REFERENCE_BYTES, referenceOf } from '../layout/stored-body.ts'
import { formatRevision, REVISION_ID_SIZE, writeUsualRevision } from '../revisions/revision-id.ts'
import { placeWinner, WinnerPlace } from '../revisions/revision-tree-codec.ts'
import { type StoredView, viewOfWinner } from './document-view.ts'

/** What a reader reads from. */
export interface ReaderSource {
  /** As `Store.getInto`. */
  getInto(tree: string, key: Uint8Array, target: Uint8Array): number
  /** Of the file that entries are of now. */
  readonly values: ValueSource
}

export interface ReaderParts {
  /** For one use: taken for each document. Throws databaseClosed. */
  source(): ReaderSource
  readonly revsLimit: number
  readonly metrics: Metrics
  /** Gives memory for the body of the document that was found. */
  readonly room: (bytes: number) => Buffer
}

/** Most entries are shorter. */
const ENTRY_BYTES = 1024
const NO_ATTACHMENTS: readonly AttachmentView[] = []

/** The thread's: of whoever found a document last. */
const desk = Buffer.allocUnsafeSlow(ENTRY_BYTES)
const reference = Buffer.allocUnsafeSlow(REFERENCE_BYTES)
const places = new WinnerPlace()

export class DocumentReader implements DocumentView {
  readonly #parts: ReaderParts
  #values: ValueSource | undefined
  #key: Buffer = desk
  #entry: Buffer = desk
  #entryBytes = 0
  #id: string | undefined
  #body: Buffer | undefined
  #stored: StoredView | undefined

  constructor(parts: ReaderParts) {
    this.#parts = parts
  }

  /**
   * Finds the document whose id is `key`, UTF-8, which may not change as long as it is shown; false where there is none, or a
   * deleted one. Throws as `Database.get`.
   */
  find(key: Buffer): boolean {
    this.#key = key
    this.#id = undefined
    this.#body = undefined
    this.#stored = undefined
    try {
      const source = this.#parts.source()
      let entry = desk
      let bytes = source.getInto(TREES.id, key, entry)
      if (bytes < 0) return false
      if (bytes > entry.length) {
        entry = Buffer.allocUnsafe(bytes)
        bytes = source.getInto(TREES.id, key, entry)
      }
      this.#values = source.values
      this.#entry = entry
      this.#entryBytes = bytes
      checkVersion(entry, TREES.id)
      placeWinner(entry, treeAt(entry), bytes, places)
      return !places.deleted
    } catch (error) {
      throw databaseErrorOf(error)
    }
  }

  /** The id in UTF-8. */
  get key(): Buffer {
    return this.#key
  }

  get id(): string {
    this.#id ??= this.#key.toString()
    return this.#id
  }

  get rev(): string {
    const { pos, idStart, idEnd } = places
    return formatRevision({ pos, id: this.#entry.toString('latin1', idStart, idEnd) })
  }

  /** Writes `rev` into `target`, no more than `MOST_REVISION_BYTES`. Returns where it ends; -1 for one that is not of the usual form. */
  writeRev(target: Uint8Array, from: number): number {
    const { pos, idStart, idEnd } = places
    if (idEnd - idStart !== REVISION_ID_SIZE || pos < 1) return -1
    return writeUsualRevision(pos, this.#entry, idStart, target, from)
  }

  get deleted(): boolean {
    return places.deleted
  }

  get localSeq(): number {
    return places.updateSeq
  }

  get expiresAtMs(): number | undefined {
    return expiryOfInfo(this.#entry)
  }

  /** Whether `attachments()` has some. */
  get hasAttachments(): boolean {
    return places.attachmentsStart >= 0
  }

  body(): Buffer {
    if (this.#body !== undefined) return this.#body
    const { room, metrics } = this.#parts
    try {
      this.#body = readText(this.#values!, this.#reference(), room)
    } catch (error) {
      throw databaseErrorOf(error)
    }
    metrics.count('couchdb.database_reads')
    return this.#body
  }

  /** As a revision tree keeps it, of which the first bytes are the reference. */
  #reference(): Reference {
    const { bodyStart: bodyAt, bodyEnd } = places
    if (bodyAt < 0 || bodyEnd - bodyAt < REFERENCE_BYTES) return referenceOf(null)
    const entry = this.#entry
    for (let i = 0; i < REFERENCE_BYTES; i++) reference[i] = entry[bodyAt + i]!
    return reference
  }

  attachments(): readonly AttachmentView[] {
    return this.hasAttachments ? this.#view().attachments() : NO_ATTACHMENTS
  }

  revisions(): { start: number; ids: string[] } {
    return this.#view().revisions()
  }

  revsInfo(): RevisionInfo[] {
    return this.#view().revsInfo()
  }

  conflicts(): string[] {
    return this.#view().conflicts()
  }

  deletedConflicts(): string[] {
    return this.#view().deletedConflicts()
  }

  /** The same as objects, of a copy of the entry. */
  #view(): StoredView {
    const { revsLimit, metrics } = this.#parts
    const entry = Buffer.from(this.#entry.subarray(0, this.#entryBytes))
    this.#stored ??= viewOfWinner({ values: this.#values!, revsLimit, metrics }, this.id, decodeInfo(entry))
    return this.#stored
  }
}
