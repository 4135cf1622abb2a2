/**
 * Documents whose revisions are one line that ends in one leaf, which most are: their values of the trees `id` and `seq` are
 * made from bytes to bytes, without a revision tree of objects between. What holds:
 * - They are, byte for byte, what `encodeInfo` and `encodeChangeEntry` give of the revision tree that the general merge makes.
 * - What is not of the usual kind (branches, an expiry, ids of another length, bytes that cannot be read) is left to the
 *   general merge: then nothing was written, and it finds whatever fault there is.
 */
import type { Reference } from '../../../native-free-btree/index.ts'
import { REVISION_ID_SIZE, type Revision } from '../revisions/revision-id.ts'
import { VALUE_VERSION, writeField } from './layout.ts'
import { REFERENCE_BYTES } from './stored-body.ts'

// The formats: `document-info.ts`, `revision-tree-codec.ts`, `change-entry.ts`.
const DELETED = 1
const ACTIVE_AT = 2
const EXTERNAL_AT = 8
const HEAD_BYTES = 14
const TREE_VERSION = 1
/** Of a value in the revision tree. */
const VALUE_DELETED = 1
const VALUE_BODY = 2
const VALUE_ATTACHMENTS = 4
const VALUE_FLAGS = VALUE_DELETED | VALUE_BODY | VALUE_ATTACHMENTS
const UNKNOWN_FLAGS = 0x80

/** Most bytes of a number. */
const NUMBER_BYTES = 8
/** A new revision's id and value, and the numbers in front of them. */
const NEW_REVISION_BYTES = 128
/** Views of results are kept by their length up to here. */
const KEPT_LENGTHS = 1024

/** Longer pieces are copied by a call. */
const SHORT_BYTES = 96

/** An id of the usual length, where it lies. */
export interface UsualId {
  bytes: Uint8Array
  at: number
}

/** A revision that is added, and what is stored for it. */
export interface NewRevision {
  readonly pos: number
  readonly id: UsualId
  readonly deleted: boolean
  /** Bytes of its text, and of what is stored for it. */
  readonly size: number
  readonly activeSize: number
}

function foldedOf(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

/** Bytes of a number. */
function numberLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1
  return length
}

/** Memory that is written front to back, and used again by the next one who begins. */
class Room {
  bytes = Buffer.allocUnsafeSlow(4096)
  length = 0
  #views: (Buffer | undefined)[] = []

  begin(most: number): void {
    this.length = 0
    if (most <= this.bytes.length) return
    this.bytes = Buffer.allocUnsafeSlow(2 * most)
    this.#views = []
  }

  u8(value: number): void {
    this.bytes[this.length++] = value
  }

  /** As `ByteWriter.number`. */
  number(value: number): void {
    const { bytes } = this
    let at = this.length
    let rest = value
    while (rest >= 0x80) {
      bytes[at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    bytes[at++] = rest
    this.length = at
  }

  /** As `ByteWriter.signed`. */
  signed(value: number): void {
    this.number(foldedOf(value))
  }

  id({ bytes, at }: UsualId): void {
    this.copy(bytes, at, at + REVISION_ID_SIZE)
  }

  copy(source: Uint8Array, start: number, end: number): void {
    const { bytes } = this
    let at = this.length
    if (end - start > SHORT_BYTES) {
      bytes.set(source.subarray(start, end), at)
      this.length = at + end - start
      return
    }
    for (let i = start; i < end; i++) bytes[at++] = source[i]!
    this.length = at
  }

  /** What was written; good until somebody begins. */
  view(): Buffer {
    const { length } = this
    if (length > KEPT_LENGTHS) return this.bytes.subarray(0, length)
    this.#views[length] ??= this.bytes.subarray(0, length)
    return this.#views[length]
  }
}

const info = new Room()
/** Where the reference goes that `finishedInfo` puts in. */
let referenceAt = 0

function writeHead(revision: NewRevision): void {
  info.u8(VALUE_VERSION)
  info.u8(revision.deleted ? DELETED : 0)
  writeField(info.bytes, ACTIVE_AT, revision.activeSize)
  writeField(info.bytes, EXTERNAL_AT, revision.size)
  info.length = HEAD_BYTES
  info.u8(TREE_VERSION)
}

/** The value of the leaf, whose sequence is the document's; its reference is put in later. */
function writeLeafValue({ deleted, size, activeSize }: NewRevision): void {
  info.number(0)
  info.u8((deleted ? VALUE_DELETED : 0) | VALUE_BODY)
  info.number(0)
  info.number(size)
  info.number(activeSize)
  info.u8(REFERENCE_BYTES)
  referenceAt = info.length
  info.length += REFERENCE_BYTES
}

/** Writes the id of a revision to `bytes`. False: it is not of the usual length. */
export function placeId({ id }: Revision, bytes: Uint8Array): boolean {
  if (id.length !== REVISION_ID_SIZE) return false
  for (let i = 0; i < REVISION_ID_SIZE; i++) bytes[i] = id.charCodeAt(i)
  return true
}

/** Begins the value of a new document of one revision. */
export function beginNewDocument(revision: NewRevision, seq: number): void {
  info.begin(NEW_REVISION_BYTES)
  writeHead(revision)
  info.number(seq)
  info.number(1)
  info.signed(revision.pos)
  info.number(1)
  info.number(0)
  info.u8(REVISION_ID_SIZE)
  info.id(revision.id)
  info.number(1)
  writeLeafValue(revision)
}

/** The value that was begun, with the reference of the leaf's body; good until another one is begun. */
export function finishedInfo(reference: Reference): Buffer {
  info.bytes.set(reference, referenceAt)
  return info.view()
}

/** Numbers that take the place of others once the bytes around them have been copied: where, from the first of these, and which. */
const MOST_NOTED = 1024
const notedAt = new Float64Array(MOST_NOTED)
const notedNumbers = new Float64Array(MOST_NOTED)

/** What lies behind a number; NaN where it has more bytes than any. */
function behindNumber(bytes: Uint8Array, start: number): number {
  let at = start
  while (bytes[at++]! >= 0x80) if (at - start >= NUMBER_BYTES) return Number.NaN
  return at
}

/** Between two changes of one document. */
const MOST_USUAL_CHANGES = 2 ** 16
/** Of all values of an entry behind the first copy. */
const MOST_COPIES = 6
/** Of fewer values each is looked at by its bytes. */
const MANY_VALUES = 8
// Which bytes of two words of a value go on to the next one: those of its number, and of its sizes behind the number's last byte or not.
const THREE_BYTES = 0x80800000 | 0
const TWO_BYTES = 0x00800000
const SIZES_BEHIND_A_BYTE = 0x80008000 | 0
const SIZES = 0x00800080
/** The longest of the values that `#raiseAlike` takes. */
const ALIKE_BYTES = 2 + 3 + 2 * 2 + 1 + REFERENCE_BYTES

/** The words of some bytes, at any place: made once for those that are asked for again and again. */
class Words {
  #bytes: Uint8Array | undefined
  #words: DataView<ArrayBufferLike> = new DataView(new ArrayBuffer(0))

  of(bytes: Uint8Array): DataView<ArrayBufferLike> {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    return this.#words
  }
}

const sourceWords = new Words()
const targetWords = new Words()

const change = new Room()

/** The value of the tree `seq` of a document of one leaf without attachments; good until the next one. */
export function linearChangeEntry(
  key: Uint8Array,
  { pos, id, deleted }: NewRevision,
  reference: Reference,
): Buffer {
  change.begin(NEW_REVISION_BYTES + key.length)
  change.u8(VALUE_VERSION)
  change.number(1)
  change.u8(deleted ? DELETED : 0)
  change.signed(pos)
  change.number(REVISION_ID_SIZE)
  change.id(id)
  change.copy(reference, 0, REFERENCE_BYTES)
  change.copy(key, 0, key.length)
  return change.view()
}

/** One document of the usual kind at a time, as the tree `id` has it. */
export class LinearDocument {
  #bytes: Buffer = info.bytes
  #length = 0
  #at = 0
  /** Number of its last change. */
  seq = 0
  #pos = 0
  #count = 0
  #idsAt = 0
  #values = 0
  #valuesAt = 0
  // The value that was read last: revisions without one in front of it, changes that its own lies behind, sizes and references.
  #skipped = 0
  #flags = 0
  #behindAt = 0
  #behind = 0
  #restAt = 0

  /**
   * Whether the first `length` bytes of `value` are a document's of the usual kind, which is live unless it `mayBeDeleted`. Not all of them
   * are looked at.
   */
  read(value: Buffer, length = value.length, mayBeDeleted = false): boolean {
    if (length < HEAD_BYTES || value[0] !== VALUE_VERSION) return false
    if (value[1] !== 0 && !(mayBeDeleted && value[1] === DELETED)) return false
    this.#bytes = value
    this.#length = length
    this.#at = HEAD_BYTES
    if (this.#number() !== TREE_VERSION) return false
    this.seq = this.#number()
    if (this.#number() !== 1) return false
    const folded = this.#number()
    this.#pos = folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2
    this.#count = this.#number()
    if (this.#number() !== 0 || this.#number() !== REVISION_ID_SIZE) return false
    this.#idsAt = this.#at
    this.#at += this.#count * REVISION_ID_SIZE
    this.#values = this.#number()
    this.#valuesAt = this.#at
    return this.#values > 0 && this.#at <= length
  }

  /** NaN where the bytes end, or one is no number's. */
  #number(): number {
    const bytes = this.#bytes
    let at = this.#at
    let value = 0
    for (let scale = 1, end = at + NUMBER_BYTES; at < end; scale *= 0x80) {
      const byte = bytes[at++]
      if (byte === undefined) break
      if (byte < 0x80) {
        this.#at = at
        return value + byte * scale
      }
      value += (byte & 0x7f) * scale
    }
    return Number.NaN
  }

  /** Whether that is its leaf. */
  hasLeaf(pos: number, { bytes, at }: UsualId): boolean {
    if (pos !== this.#pos) return false
    for (let i = 0; i < REVISION_ID_SIZE; i++) {
      if (this.#bytes[this.#idsAt + i] !== bytes[at + i]) return false
    }
    return true
  }

  /**
   * Where the reference of its leaf's body lies. -1: it has attachments, or it has more than `revsLimit` revisions, or what cannot be read. All
   * of it has been looked at.
   */
  leafReferenceAt(revsLimit: number): number {
    if (this.#count > revsLimit) return -1
    this.#at = this.#valuesAt
    if (!this.#nextValue() || this.#skipped !== 0 || (this.#flags & ~VALUE_DELETED) !== VALUE_BODY) return -1
    const at = this.#at - REFERENCE_BYTES
    if (this.#bytes[at - 1] !== REFERENCE_BYTES) return -1
    let index = 0
    for (let i = 1; i < this.#values; i++) {
      if (!this.#nextValue()) return -1
      index += 1 + this.#skipped
    }
    return index < this.#count && this.#at === this.#length ? at : -1
  }

  /** The value without those of older revisions, of which `leafReferenceAt` gave this place: itself, where there are none. */
  withoutOlder(referenceAt: number): Buffer {
    const { length } = this.#bytes
    const end = referenceAt + REFERENCE_BYTES
    if (this.#values === 1 && length === this.#length) return this.#bytes
    const idsEnd = this.#idsAt + this.#count * REVISION_ID_SIZE
    const left = Buffer.allocUnsafe(idsEnd + 1 + end - this.#valuesAt)
    this.#bytes.copy(left, 0, 0, idsEnd)
    left[idsEnd] = 1
    this.#bytes.copy(left, idsEnd + 1, this.#valuesAt, end)
    return left
  }

  /** Begins the value with a revision that extends its leaf. False: its bytes cannot be read. */
  beginUpdate(revision: NewRevision, seq: number, revsLimit: number): boolean {
    const kept = Math.min(this.#count, revsLimit - 1)
    const isCut = kept < this.#count
    const values = isCut ? this.#valuesWithin(kept) : this.#values
    if (values < 0) return false
    info.begin(NEW_REVISION_BYTES + this.#length + values * NUMBER_BYTES)
    writeHead(revision)
    info.number(seq)
    info.number(1)
    info.signed(revision.pos)
    info.number(kept + 1)
    info.number(0)
    info.u8(REVISION_ID_SIZE)
    info.id(revision.id)
    info.copy(this.#bytes, this.#idsAt, this.#idsAt + kept * REVISION_ID_SIZE)
    info.number(values + 1)
    writeLeafValue(revision)
    const start = info.length
    if (!this.#copyUsual(values, seq - this.seq)) {
      info.length = start
      if (!this.#copyValues(values, seq - this.seq)) return false
    }
    return isCut || this.#at === this.#length
  }

  /**
   * As `#copyValues`, of values that have bodies and no attachments, each of the revision behind the one before, when few of their
   * numbers get longer: all are copied in one go, and again from such a number on. False: they are others.
   */
  #copyUsual(count: number, seqs: number): boolean {
    const source = this.#bytes
    const end = this.#length
    const target = info.bytes
    let at = this.#valuesAt
    let shift = info.length - at
    let copies = 0
    if (count > this.#count || seqs < 0 || seqs > MOST_USUAL_CHANGES) return false
    target.set(source.subarray(at, end), at + shift)
    const isLong = count >= MANY_VALUES
    for (let i = 0; i < count; i++) {
      if (isLong) {
        i += this.#raiseAlike(at, shift, count - i, 2 * seqs)
        at = this.#at
        if (i === count) break
      }
      if (source[at] !== 0 || (source[at + 1]! | VALUE_DELETED) !== (VALUE_DELETED | VALUE_BODY)) return false
      const numberAt = at + 2
      at = numberAt
      let byte = source[at++]!
      let folded = byte & 0x7f
      for (let bits = 7; byte >= 0x80 && bits <= 14; bits += 7) {
        byte = source[at++]!
        folded |= (byte & 0x7f) << bits
      }
      if (byte >= 0x80 || folded % 2 !== 0) return false
      folded += 2 * seqs
      if (folded >= 0x200000) return false
      const to = numberAt + shift
      const length = folded < 0x80 ? 1 : folded < 0x4000 ? 2 : 3
      if (numberAt + length !== at) {
        copies += 1
        if (copies > MOST_COPIES) return false
        shift += numberAt + length - at
        target.set(source.subarray(at, end), at + shift)
      }
      for (let place = to; ; place++) {
        if (folded < 0x80) {
          target[place] = folded
          break
        }
        target[place] = folded | 0x80
        folded >>>= 7
      }
      // The two sizes, and the reference behind its length.
      at = behindNumber(source, behindNumber(source, at))
      at += 1 + source[at]!
      if (!(at <= end)) return false
    }
    info.length = at + shift
    this.#at = at
    return true
  }

  /**
   * Steps over values that look as most do: a body without attachments, a number of two or three bytes, both sizes of two. They have been
   * copied `shift` bytes further on, where their numbers are raised. Ends at one that is another, or whose number gets longer, and
   * leaves `#at` there. Returns how many it has passed, `most` at most.
   */
  #raiseAlike(start: number, shift: number, most: number, more: number): number {
    const source = sourceWords.of(this.#bytes)
    const target = targetWords.of(info.bytes)
    const lastStart = this.#length - ALIKE_BYTES
    let at = start
    let passed = 0
    for (; passed < most && at <= lastStart; passed++) {
      // No revision without a value in front of it, then the flags, two bytes of the number, and what lies behind them.
      const head = source.getUint32(at, true)
      const rest = source.getUint32(at + 4, true)
      if ((head & (0xffff & ~(VALUE_DELETED << 8))) !== VALUE_BODY << 8) break
      const to = at + 2 + shift
      const low = ((head >>> 16) & 0x7f) | ((head >>> 17) & 0x3f80)
      if ((head & 0x80800000) === THREE_BYTES && (rest & 0x80808080) === SIZES_BEHIND_A_BYTE) {
        const raised = (low | ((rest & 0x7f) << 14)) + more
        if (raised % 2 !== 0 || raised < 0x4000 || raised >= 0x200000) break
        if (source.getUint16(at + 8, true) >>> 7 !== REFERENCE_BYTES << 1) break
        target.setUint16(to, (raised & 0x7f) | ((raised << 1) & 0x7f00) | 0x8080, true)
        target.setUint8(to + 2, raised >>> 14)
        at += 2 + 3 + 4 + 1 + REFERENCE_BYTES
      } else if ((head & 0x80800000) === TWO_BYTES && (rest & 0x80808080) === SIZES) {
        const raised = low + more
        if (raised % 2 !== 0 || raised < 0x80 || raised >= 0x4000) break
        if (source.getUint8(at + 8) !== REFERENCE_BYTES) break
        target.setUint16(to, (raised & 0x7f) | ((raised << 1) & 0x7f00) | 0x80, true)
        at += 2 + 2 + 4 + 1 + REFERENCE_BYTES
      } else break
    }
    this.#at = at
    return passed
  }

  /**
   * Each tells how many changes lie between it and the document's last one: by `seqs` more. What lies between two of these numbers
   * is copied as it is, as far as the new ones take as many bytes as the old ones in one go. False: they cannot be read.
   */
  #copyValues(count: number, seqs: number): boolean {
    this.#at = this.#valuesAt
    let from = this.#at
    let index = -1
    let noted = 0
    for (let i = 0; i < count; i++) {
      if (!this.#nextValue()) return false
      index += 1 + this.#skipped
      const behind = foldedOf(this.#behind + seqs)
      if (numberLength(behind) !== this.#restAt - this.#behindAt) {
        this.#copyNoting(from, this.#behindAt, noted)
        info.number(behind)
        noted = 0
        from = this.#restAt
        continue
      }
      if (noted === MOST_NOTED) {
        this.#copyNoting(from, this.#behindAt, noted)
        noted = 0
        from = this.#behindAt
      }
      notedAt[noted] = this.#behindAt - from
      notedNumbers[noted] = behind
      noted += 1
    }
    this.#copyNoting(from, this.#at, noted)
    return index < this.#count
  }

  /** Copies bytes of the value, with the numbers that were noted in their places. */
  #copyNoting(from: number, to: number, noted: number): void {
    const start = info.length
    info.copy(this.#bytes, from, to)
    const { length } = info
    for (let i = 0; i < noted; i++) {
      info.length = start + notedAt[i]!
      info.number(notedNumbers[i]!)
    }
    info.length = length
  }

  /** How many of the values are of the newest `kept` revisions; -1 where they cannot be read. */
  #valuesWithin(kept: number): number {
    this.#at = this.#valuesAt
    let index = -1
    for (let i = 0; i < this.#values; i++) {
      if (!this.#nextValue()) return -1
      index += 1 + this.#skipped
      if (index >= kept) return i
    }
    return this.#values
  }

  /** Reads one value and steps over it. False: it cannot be read. */
  #nextValue(): boolean {
    this.#skipped = this.#number()
    this.#flags = this.#bytes[this.#at++] ?? UNKNOWN_FLAGS
    if ((this.#flags & ~VALUE_FLAGS) !== 0) return false
    this.#behindAt = this.#at
    const folded = this.#number()
    this.#behind = folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2
    this.#restAt = this.#at
    let known = this.#skipped + this.#behind + this.#number() + this.#number()
    if ((this.#flags & VALUE_BODY) !== 0) {
      this.#at += 1 + (this.#bytes[this.#at] ?? 0)
    }
    if ((this.#flags & VALUE_ATTACHMENTS) !== 0) {
      const length = this.#number()
      known += length
      this.#at += length
    }
    return !Number.isNaN(known) && this.#at <= this.#length
  }
}
