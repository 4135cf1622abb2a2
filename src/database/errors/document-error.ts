/** What is wrong with a document that a client sent, as CouchDB names it; each is answered with status 400. */
export type DocumentErrorCode = 'bad_request' | 'doc_validation' | 'illegal_docid'

/** A document, or a revision, that is JSON but cannot be stored. `message` is CouchDB's reason. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError'
  readonly code: DocumentErrorCode

  constructor(code: DocumentErrorCode, reason: string) {
    super(reason)
    this.code = code
  }
}
