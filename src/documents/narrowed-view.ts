import type { AttachmentView, DocumentView, RevisionInfo } from '../database/api/database.ts'

/** A document as somebody sees it who may not see all of it: what is not overridden is the document's. */
export class NarrowedView implements DocumentView {
  readonly id: string
  readonly rev: string
  readonly deleted: boolean
  readonly localSeq: number
  readonly expiresAtMs: number | undefined
  readonly #view: DocumentView

  constructor(view: DocumentView) {
    this.id = view.id
    this.rev = view.rev
    this.deleted = view.deleted
    this.localSeq = view.localSeq
    this.expiresAtMs = view.expiresAtMs
    this.#view = view
  }

  body(): Buffer {
    return this.#view.body()
  }

  attachments(): readonly AttachmentView[] {
    return this.#view.attachments()
  }

  revisions() {
    return this.#view.revisions()
  }

  revsInfo(): RevisionInfo[] {
    return this.#view.revsInfo()
  }

  conflicts(): string[] {
    return this.#view.conflicts()
  }

  deletedConflicts(): string[] {
    return this.#view.deletedConflicts()
  }
}

/** A document with another body. */
export class ViewWithBody extends NarrowedView {
  readonly #body: Buffer
  readonly #hasAttachments: boolean

  constructor(view: DocumentView, body: Buffer, options: { attachments: boolean }) {
    super(view)
    this.#body = body
    this.#hasAttachments = options.attachments
  }

  override body(): Buffer {
    return this.#body
  }

  override attachments(): readonly AttachmentView[] {
    return this.#hasAttachments ? super.attachments() : []
  }
}
