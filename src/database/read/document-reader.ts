/**
 * The present revisions of many documents that are looked up, one after the other, as one view: what is shown of a document is good
 * until another one is looked up, and until the code that runs now has ended. Id, revision and body are read where they lie;
 * objects are made of what else is asked for.
 */
import type { EntryPlace, ValuePlace, ValueSource } from '../../../native-free-btree/index.ts'
import type { Metrics } from '../../base/metrics.ts'
import type { AttachmentView, RevisionInfo, StoredDocument } from '../api/database.ts'
import { databaseErrorOf } from '../errors/layer-errors.ts'
import { decodeInfo, expiryOfInfo } from '../layout/document-info.ts'
import { TREES } from '../layout/layout.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { type StoredView, viewOfWinner } from './document-view.ts'
import { StoredEntry } from './stored-rows.ts'

/** What a reader reads from. */
export interface ReaderSource {
  /** As `StoreReader.place`. */
  place(tree: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean
  /** Of the file that entries are of now. */
  readonly values: ValueSource
}

export interface ReaderParts {
  /** For one use: taken for each document. Throws databaseClosed. */
  source(): ReaderSource
  readonly settings: { readonly revsLimit: number }
  readonly metrics: Metrics
}

const NO_ATTACHMENTS: readonly AttachmentView[] = []

export class DocumentReader extends StoredEntry implements StoredDocument {
  readonly #parts: ReaderParts
  #id: string | undefined
  #body: Buffer | undefined
  #stored: StoredView | undefined
  readonly #bodyPlace: ValuePlace = { bytes: new Uint8Array(0), start: 0, end: 0 }

  constructor(parts: ReaderParts) {
    super({ values: parts.source().values, metrics: parts.metrics })
    this.#parts = parts
  }

  /**
   * Finds the document whose id is bytes `start` to `end` of `bytes`, UTF-8, deleted or not; false where there is none. Throws as
   * `Database.get`.
   */
  find(bytes: Uint8Array, start: number, end: number): boolean {
    this.#id = undefined
    this.#body = undefined
    this.#stored = undefined
    try {
      const source = this.#parts.source()
      if (!source.place(TREES.id, bytes, start, end, this)) return false
      const { values } = source
      if (values !== this.source.values) this.source = { values, metrics: this.#parts.metrics }
      this.readInfo()
      return true
    } catch (error) {
      throw databaseErrorOf(error)
    }
  }

  get id(): string {
    this.#id ??= this.idBytes.toString('utf8', this.idStart, this.idEnd)
    return this.#id
  }

  get rev(): string {
    const id = this.revisionBytes.toString('latin1', this.revisionStart, this.revisionEnd)
    return formatRevision({ pos: this.generation, id })
  }

  get localSeq(): number {
    return this.seqNumber
  }

  get expiresAtMs(): number | undefined {
    return expiryOfInfo(this.valueBytes, this.valueStart)
  }

  body(): Buffer {
    if (this.#body === undefined) {
      const { bytes, start, end } = super.placeBody()
      const body = Buffer.allocUnsafe(end - start)
      body.set(bytes.subarray(start, end))
      this.#body = body
    }
    return this.#body
  }

  override placeBody(): Readonly<ValuePlace> {
    if (this.#body === undefined) return super.placeBody()
    const place = this.#bodyPlace
    place.bytes = this.#body
    place.end = this.#body.length
    return place
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
    return this.leafCount > 1 ? this.#view().conflicts() : []
  }

  deletedConflicts(): string[] {
    return this.leafCount > 1 ? this.#view().deletedConflicts() : []
  }

  /** The same as objects, of a copy of the entry. */
  #view(): StoredView {
    if (this.#stored === undefined) {
      // The entry is good until anything else is asked of the store, which the settings may do.
      this.keepInfo()
      const { metrics, settings } = this.#parts
      const source = { values: this.source.values, revsLimit: settings.revsLimit, metrics }
      this.#stored = viewOfWinner(source, this.id, decodeInfo(this.valueBytes))
    }
    return this.#stored
  }
}
