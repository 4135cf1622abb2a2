/** Texts of documents, one behind the other, put together where their bodies are read to. */
import type { DocumentView } from '../database/api/database.ts'
import { DocumentReader } from '../database/read/document-reader.ts'
import { MOST_REVISION_BYTES } from '../database/revisions/revision-id.ts'
import { headText } from '../json/writer.ts'
import { attachmentPieces } from './attachment-output.ts'
import { type DocumentMembers, membersText } from './document-text.ts'
import type { Piece } from './piece.ts'

/** A piece that is longer is not copied by who sends it, and may not be of memory that is used again. */
const PAGE_BYTES = 32 * 1024
/** What is as long is to be taken. */
const FULL_BYTES = 16 * 1024
/** In front of a body that is read before its head is written. */
const HEAD_BYTES = 1024
/** A longer body is in memory of its own. */
const MOST_BODY_BYTES = 14 * 1024
const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const TILDE = 0x7e
const CLOSE_BRACE = 0x7d
const EMPTY_BODY_BYTES = 2
const CLOSE = '}'
const HEAD_OF_ID = Buffer.from('{"_id":"')
const HEAD_OF_REV = Buffer.from('","_rev":"')
/** Of a head, beside the id and what stands before it. */
const AROUND_BYTES = HEAD_OF_ID.length + HEAD_OF_REV.length + MOST_REVISION_BYTES + 2

/**
 * Memory for some documents at a time. A short document's text is no copy and no garbage: its head is written in front of the
 * body that lies there. What is in it, and what is shown of a document that was read to it, is good until somebody adds to it in
 * another turn: it has to be taken before anybody else's turn.
 */
export class DocumentPage {
  readonly #bytes = Buffer.allocUnsafeSlow(PAGE_BYTES)
  #used = 0
  /** Where the body of the next document is read to; -1: behind room for its head. */
  #bodyAt = -1
  /** The body that was read last, if it is in this memory, and where. */
  #body: Buffer | undefined
  #placedAt = 0

  /** For `GetOptions` and readers. */
  readonly room = (bytes: number): Buffer => {
    const at = this.#bodyAt < 0 ? this.#used + HEAD_BYTES : this.#bodyAt
    if (bytes > MOST_BODY_BYTES || at + bytes > PAGE_BYTES) return Buffer.allocUnsafe(bytes)
    this.#body = this.#bytes.subarray(at, at + bytes)
    this.#placedAt = at
    return this.#body
  }

  /** Whether what is in it should be taken. */
  get isFull(): boolean {
    return this.#used >= FULL_BYTES
  }

  clear(): void {
    this.#used = 0
  }

  /** What is in it, in this memory; undefined for nothing. It is empty then. */
  take(): Buffer | undefined {
    if (this.#used === 0) return undefined
    const taken = this.#bytes.subarray(0, this.#used)
    this.#used = 0
    return taken
  }

  /** Adds bytes, where there is room; else they are to follow what is in it. `separator` is ASCII. */
  addBytes(separator: Buffer, bytes: Uint8Array): readonly Piece[] | undefined {
    if (this.#used + separator.length + bytes.length > PAGE_BYTES) return [separator, bytes]
    let at = this.#put(separator, this.#used)
    this.#bytes.set(bytes, at)
    at += bytes.length
    this.#used = at
    return undefined
  }

  /**
   * Adds `separator`, ASCII, and the view's text, attachments as stubs. What it gives is not in it, and is to follow what is.
   */
  add(separator: Buffer, view: DocumentView, wanted: DocumentMembers): readonly Piece[] | undefined {
    if (view instanceof DocumentReader && !wanted.conflicts && !view.hasAttachments) {
      if (this.#addRead(separator, view)) return undefined
    }
    // Between these pieces others may get their turn: none of them is in this memory.
    const body = this.#own(view.body())
    const head = separator.toString('latin1') + headText(view.id, view.rev, body)
    const inner = body.subarray(1, body.length - 1)
    return [head, inner, membersText(view, wanted), ...attachmentPieces(view, {}), CLOSE]
  }

  #own(body: Buffer): Buffer {
    return body === this.#body ? Buffer.from(body) : body
  }

  /** False where it has no room, or where the id is not its own JSON. */
  #addRead(separator: Buffer, view: DocumentReader): boolean {
    const bytes = this.#bytes
    const { key } = view
    if (this.#used + separator.length + key.length + AROUND_BYTES > PAGE_BYTES) return false
    if (separator.length + key.length + AROUND_BYTES > HEAD_BYTES) return false
    let at = this.#put(separator, this.#used)
    at = this.#put(HEAD_OF_ID, at)
    for (let i = 0; i < key.length; i++) {
      const byte = key[i]!
      if (byte < SPACE || byte > TILDE || byte === QUOTE || byte === BACKSLASH) return false
      bytes[at++] = byte
    }
    at = view.writeRev(bytes, this.#put(HEAD_OF_REV, at))
    if (at < 0) return false
    bytes[at++] = QUOTE
    // The comma, or the last brace, stands where the body's first brace lies.
    const body = this.#bodyAtPlace(view, at)
    if (body !== this.#body) return false
    if (this.#placedAt !== at) bytes.copyWithin(at, this.#placedAt, this.#placedAt + body.length)
    const isEmpty = body.length === EMPTY_BODY_BYTES
    bytes[at] = isEmpty ? CLOSE_BRACE : COMMA
    this.#used = isEmpty ? at + 1 : at + body.length
    return true
  }

  /** Reads it to this place, if it was not read before. */
  #bodyAtPlace(view: DocumentReader, at: number): Buffer {
    this.#bodyAt = at
    try {
      return view.body()
    } finally {
      this.#bodyAt = -1
    }
  }

  #put(text: Buffer, from: number): number {
    const bytes = this.#bytes
    let at = from
    for (let i = 0; i < text.length; i++) bytes[at++] = text[i]!
    return at
  }
}
