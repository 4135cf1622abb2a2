import type { AttachmentView, DocumentView } from '../database/api/database.ts'

/** A document with another body: as somebody sees it who may not see all of it. */
export class ViewWithBody implements DocumentView {
  readonly id: string
  readonly rev: string
  readonly deleted: boolean
  readonly localSeq: number
  readonly expiresAtMs: number | undefined
  readonly #view: DocumentView
  readonly #body: Buffer
  readonly #hasAttachments: boolean

  constructor(view: DocumentView, body: Buffer, options: { attachments: boolean }) {
    this.id = view.id
    this.rev = view.rev
    this.deleted = view.deleted
    this.localSeq = view.localSeq
    this.expiresAtMs = view.expiresAtMs
    this.#view = view
    this.#body = body
    this.#hasAttachments = options.attachments
  }

  body(): Buffer {
    return this.#body
  }

  attachments(): readonly AttachmentView[] {
    return this.#hasAttachments ? this.#view.attachments() : []
  }

  revisions() {
    return this.#view.revisions()
  }

  revsInfo() {
    return this.#view.revsInfo()
  }

  conflicts() {
    return this.#view.conflicts()
  }

  deletedConflicts() {
    return this.#view.deletedConflicts()
  }
}
