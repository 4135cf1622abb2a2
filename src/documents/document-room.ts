/** Texts of documents, one after the other, put together where their bodies are read to. */
import type { DocumentView } from '../database/api/database.ts'
import { headText } from '../json/writer.ts'
import { attachmentPieces } from './attachment-output.ts'
import { type DocumentMembers, membersText } from './document-text.ts'
import type { Piece } from './piece.ts'

const HEAD_BYTES = 1024
/** A longer body is in memory of its own. */
const MOST_BODY_BYTES = 16 * 1024
const CLOSE = '}'

/**
 * Memory for one document at a time. A short document's text is no copy and no garbage: its head is written in front of the
 * body that lies there, whose last brace is the text's. What is shown of a document is good until another one is read, in this
 * turn or a later one: it has to be taken at once.
 */
export class DocumentRoom {
  readonly #bytes = Buffer.allocUnsafeSlow(HEAD_BYTES + MOST_BODY_BYTES)
  /** The body that was read last, if it is in this memory. */
  #body: Buffer | undefined

  /** For `GetOptions`. */
  readonly take = (bytes: number): Buffer => {
    if (bytes > MOST_BODY_BYTES) return Buffer.allocUnsafe(bytes)
    this.#body = this.#bytes.subarray(HEAD_BYTES, HEAD_BYTES + bytes)
    return this.#body
  }

  /** `separator`, ASCII, and the view's text, attachments as stubs. Those of a document are taken together. */
  pieces(separator: string, view: DocumentView, wanted: DocumentMembers): Piece[] {
    const body = view.body()
    const head = separator + headText(view.id, view.rev, body)
    const attachments = attachmentPieces(view, {})
    const members = membersText(view, wanted)
    const headBytes = Buffer.byteLength(head)
    const inner = body.length - 1
    // The head stands in place of the body's first brace.
    const start = HEAD_BYTES + 1 - headBytes
    if (body !== this.#body || start < 0) {
      return [head, body.subarray(1, inner), members, ...attachments, CLOSE]
    }
    this.#bytes.write(head, start)
    if (attachments.length === 0 && members === '') {
      return [this.#bytes.subarray(start, HEAD_BYTES + body.length)]
    }
    const text = this.#bytes.subarray(start, HEAD_BYTES + inner)
    return [text, members, ...attachments, CLOSE]
  }
}
