/**
 * Documents of a request read the short way: from their text into one piece of memory, without an object for each. What holds:
 * - It takes nothing but whole requests all of whose documents are plain: new revisions with an `_id` (or none), a `_rev` and
 *   `_deleted` as they are written most. All others, and whatever is wrong, are left to who makes an edit of each document, by
 *   `NotPlain`: so what is answered to them is said in one place.
 * - What it makes of a document is what that one would make.
 */
import type { Compression } from '../base/compression.ts'
import type { Uuids } from '../base/uuids.ts'
import { packed } from '../database/bodies/stored-text.ts'
import type { UsualId } from '../database/layout/linear-document.ts'
import { md5OfMany, PADDING_BYTES } from '../database/revisions/md5.ts'
import {
  completeTerm,
  HASH_ROOM_BEFORE,
  HASH_ROOM_BEHIND,
  REVISION_ID_SIZE,
} from '../database/revisions/revision-id.ts'
import { EditPacker, MOST_KEY_BYTES } from '../database/write/packed-edits.ts'
import type { DocumentReader, DocumentScan } from '../json/documents.ts'
import { DELETED, ID, REV, type SpecialPlaces } from '../json/special-places.ts'
import type { TermWriter } from '../json/term-writer.ts'
import type { DocumentLimits } from './document-edit.ts'

const QUOTE = 0x22
const DASH = 0x2d
const ZERO = 0x30
const NINE = 0x39
const BACKSLASH = 0x5c
const UNDERSCORE = 0x5f
const LOWER_F = 0x66
const LOWER_T = 0x74

/** What is done in one go for all documents of a request takes some milliseconds with so many. */
const MOST_DOCUMENTS = 10_000
/** A longer body is worth an object. */
const MOST_BODY_BYTES = 64 * 1024
/** Of a generation, all of which have less than 31 bits. */
const MOST_DIGITS = 9
const HEX_DIGITS = 2 * REVISION_ID_SIZE
/** Memory for a document beside its text. */
const OVERHEAD_BYTES = 64
/** The shortest document of which there are many. */
const SHORT_DOCUMENT_BYTES = 256

/** Longer pieces are copied by a call. */
const SHORT_BYTES = 64

/** Documents whose terms wait to be hashed together, and bytes of terms beyond which they do not. */
const HASHED_AT_ONCE = 8
const MOST_TERM_BYTES = 96 * 1024

/** The request has a document that is not plain. */
export class NotPlain extends Error {
  override readonly name = 'NotPlain'
}

/** For the scan: a document so long is none. */
export function requirePlainLength(bytes: number): void {
  if (bytes > MOST_BODY_BYTES) throw new NotPlain()
}

export class PackedDocuments implements DocumentReader {
  termStart = HASH_ROOM_BEFORE
  readonly #textBytes: number
  readonly #compression: Compression
  readonly #limits: DocumentLimits
  readonly #uuids: Pick<Uuids, 'next'>
  #packer: EditPacker
  /** Memory in which terms lie that are to be hashed, where each begins and ends, and where its hash goes. */
  #terms: Buffer = Buffer.alloc(0)
  readonly #termStarts: number[] = []
  readonly #termEnds: number[] = []
  readonly #idPlaces: number[] = []
  readonly #parent: { pos: number; id: UsualId } = { pos: 0, id: { bytes: Buffer.alloc(0), at: 0 } }

  /** `textBytes` is the length of the request's text. */
  constructor(
    textBytes: number,
    compression: Compression,
    limits: DocumentLimits,
    uuids: Pick<Uuids, 'next'>,
  ) {
    this.#textBytes = textBytes
    this.#compression = compression
    this.#limits = limits
    this.#uuids = uuids
    this.#packer = new EditPacker(0)
  }

  /** The documents that were read. */
  get packer(): EditPacker {
    return this.#packer
  }

  begin(): void {
    this.#forgetTerms()
    const bytes = this.#textBytes
    this.#packer = new EditPacker(bytes + Math.ceil(bytes / SHORT_DOCUMENT_BYTES) * OVERHEAD_BYTES)
  }

  /** Throws NotPlain. */
  take(document: DocumentScan): void {
    if (!document.hasPlaces || this.#packer.count === MOST_DOCUMENTS) throw new NotPlain()
    const { places, canonicalOutput: output, position, writtenTerm } = document
    if (writtenTerm.hasNegativeZero) throw new NotPlain()
    const { source, length: copied, rangeStart } = output
    const bodyBytes = copied + position - rangeStart
    if (bodyBytes > MOST_BODY_BYTES || bodyBytes > this.#limits.maxDocumentBytes) throw new NotPlain()
    const isDeleted = isDeletion(source, places!)
    const packer = this.#packer
    const bodyStart = this.#beginRecord(source, places!, bodyBytes)
    const hasParent = this.#takeParent(source, places!)
    // Of most documents all but their first byte is as it came.
    if (copied > SHORT_BYTES) output.bytes.copy(packer.bytes, bodyStart, 0, copied)
    else for (let i = 0; i < copied; i++) packer.bytes[bodyStart + i] = output.bytes[i]!
    source.copy(packer.bytes, bodyStart + copied, rangeStart, position)
    const bodyEnd = this.#packed(bodyStart, bodyStart + bodyBytes)
    this.#takeTerm(writtenTerm, isDeleted, hasParent)
    packer.end(hasParent ? this.#parent.pos + 1 : 1, isDeleted, hasParent, bodyEnd)
  }

  end(): void {
    this.#hashTerms()
  }

  #takeTerm(term: TermWriter, isDeleted: boolean, hasParent: boolean): void {
    term.reserve(HASH_ROOM_BEHIND + PADDING_BYTES)
    const { bytes, length } = term
    this.#terms = bytes
    const end = length + HASH_ROOM_BEHIND
    const parent = hasParent ? this.#parent : undefined
    this.#termStarts.push(completeTerm(bytes, this.termStart, length, isDeleted, parent))
    this.#termEnds.push(end)
    this.#idPlaces.push(this.#packer.idAt)
    if (this.#termEnds.length === HASHED_AT_ONCE || end > MOST_TERM_BYTES) this.#hashTerms()
    else this.termStart = end + PADDING_BYTES + HASH_ROOM_BEFORE
  }

  #hashTerms(): void {
    const { bytes } = this.#packer
    const places = this.#idPlaces
    md5OfMany(this.#terms, this.#termStarts, this.#termEnds, (number, hash) => {
      const at = places[number]!
      for (let i = 0; i < REVISION_ID_SIZE; i++) bytes[at + i] = hash[i]!
    })
    this.#forgetTerms()
  }

  #forgetTerms(): void {
    this.#termStarts.length = 0
    this.#termEnds.length = 0
    this.#idPlaces.length = 0
    this.termStart = HASH_ROOM_BEFORE
  }

  /** Writes the document's id. Returns where the body goes. */
  #beginRecord(source: Buffer, places: SpecialPlaces, bodyBytes: number): number {
    const packer = this.#packer
    if (places.starts[ID]! < 0) {
      const id = this.#uuids.next()
      const keyBytes = Buffer.byteLength(id)
      if (keyBytes > MOST_KEY_BYTES || keyBytes > this.#limits.maxIdBytes) throw new NotPlain()
      const keyStart = packer.begin(keyBytes, bodyBytes)
      packer.bytes.write(id, keyStart)
      return keyStart + keyBytes
    }
    const start = places.starts[ID]! + 1
    const end = places.ends[ID]! - 1
    const keyBytes = end - start
    const isString = source[start - 1] === QUOTE
    if (!isString || keyBytes < 1 || keyBytes > MOST_KEY_BYTES || keyBytes > this.#limits.maxIdBytes) {
      throw new NotPlain()
    }
    if (source[start] === UNDERSCORE) throw new NotPlain()
    const keyStart = packer.begin(keyBytes, bodyBytes)
    const { bytes } = packer
    for (let i = 0; i < keyBytes; i++) {
      const byte = source[start + i]!
      if (byte === BACKSLASH) throw new NotPlain()
      bytes[keyStart + i] = byte
    }
    return keyStart + keyBytes
  }

  /** Writes the id of the revision that is replaced, and notes it. Returns whether there is one. */
  #takeParent(source: Buffer, places: SpecialPlaces): boolean {
    const start = places.starts[REV]!
    if (start < 0) return false
    const end = places.ends[REV]! - 1
    if (source[start] !== QUOTE) throw new NotPlain()
    let at = start + 1
    let pos = 0
    for (; at < end; at++) {
      const byte = source[at]!
      if (byte < ZERO || byte > NINE) break
      pos = pos * 10 + byte - ZERO
    }
    const digits = at - start - 1
    if (digits < 1 || digits > MOST_DIGITS || source[at] !== DASH || end - at - 1 !== HEX_DIGITS) {
      throw new NotPlain()
    }
    const { bytes, parentAt } = this.#packer
    for (let i = 0; i < REVISION_ID_SIZE; i++) {
      const byte = (hexDigit(source[at + 1 + 2 * i]!) << 4) | hexDigit(source[at + 2 + 2 * i]!)
      if (byte < 0) throw new NotPlain()
      bytes[parentAt + i] = byte
    }
    this.#parent.pos = pos
    this.#parent.id.bytes = bytes
    this.#parent.id.at = parentAt
    return true
  }

  /** Packs the body that was written. Returns where it ends. */
  #packed(start: number, end: number): number {
    if (this.#compression === 'none') return end
    const { bytes } = this.#packer
    const text = bytes.subarray(start, end)
    const stored = packed(text, this.#compression)
    if (stored !== text) bytes.set(stored, start)
    return start + stored.length
  }
}

function isDeletion(source: Buffer, places: SpecialPlaces): boolean {
  const start = places.starts[DELETED]!
  if (start < 0) return false
  const length = places.ends[DELETED]! - start
  const isTrue = source[start] === LOWER_T && length === 'true'.length
  if (!isTrue && !(source[start] === LOWER_F && length === 'false'.length)) throw new NotPlain()
  return isTrue
}

/** Negative for what is none. */
function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
