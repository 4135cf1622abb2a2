/**
 * The present revision of a document that was looked up, which is what most requests read: one object over the entry's bytes. What
 * few ask for is made of them when they do.
 */
import type { ValuePlace } from '../../../native-free-btree/index.ts'
import type { AttachmentView, DocumentView, RevisionInfo } from '../api/database.ts'
import { decodeInfo, expiryOfInfo, placeInfo } from '../layout/document-info.ts'
import { REFERENCE_BYTES, requireReference } from '../layout/stored-body.ts'
import { formatRevision, REVISION_ID_SIZE } from '../revisions/revision-id.ts'
import { WinnerPlace } from '../revisions/revision-tree-codec.ts'
import { bodyAt, placeOfBody, type StoredView, type ViewSource, viewOfWinner } from './document-view.ts'

const NO_ATTACHMENTS: readonly AttachmentView[] = []
/** Of the entry that a view is made of. */
const place = new WinnerPlace()

export class WinnerView implements DocumentView {
  readonly id: string
  readonly rev: string
  readonly deleted: boolean
  readonly localSeq: number
  readonly #source: ViewSource
  /** The entry's, and nobody else's. */
  readonly #value: Buffer
  readonly #referenceStart: number
  readonly #hasAttachments: boolean
  readonly #room: ((bytes: number) => Buffer) | undefined
  #body: Buffer | undefined
  #stored: StoredView | undefined

  /** `value` is the entry's of the tree `id`. `room` gives memory for the body. Throws as `decodeInfo`. */
  constructor(source: ViewSource, id: string, value: Buffer, room?: (bytes: number) => Buffer) {
    placeInfo(value, 0, value.length, place)
    this.id = id
    this.rev = revisionIn(value)
    this.deleted = place.deleted
    this.localSeq = place.updateSeq
    this.#source = source
    this.#value = value
    this.#referenceStart = requireReference(place.bodyStart, place.bodyEnd)
    this.#hasAttachments = place.attachmentsStart >= 0
    this.#room = room
  }

  get expiresAtMs(): number | undefined {
    return expiryOfInfo(this.#value)
  }

  body(): Buffer {
    if (this.#body === undefined) {
      const start = this.#referenceStart
      this.#body = bodyAt(this.#source, this.#value.subarray(start, start + REFERENCE_BYTES), this.#room)
    }
    return this.#body
  }

  locateBody(): Readonly<ValuePlace> {
    const body = this.#body
    if (body !== undefined) return { bytes: body, start: 0, end: body.length }
    return placeOfBody(this.#source, this.#value, this.#referenceStart)
  }

  attachments(): readonly AttachmentView[] {
    return this.#hasAttachments ? this.#view().attachments() : NO_ATTACHMENTS
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

  /** The same with its whole history. */
  #view(): StoredView {
    this.#stored ??= viewOfWinner(this.#source, this.id, decodeInfo(this.#value), this.#room)
    return this.#stored
  }
}

/** Of the entry in `place`. */
function revisionIn(value: Buffer): string {
  const { pos, idStart, idEnd } = place
  if (idEnd - idStart === REVISION_ID_SIZE) return `${pos}-${value.toString('hex', idStart, idEnd)}`
  return formatRevision({ pos, id: value.toString('latin1', idStart, idEnd) })
}
