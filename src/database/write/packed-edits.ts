/**
 * Edits of many documents in one piece of memory, as the writer's thread gets it: new revisions, each with an id of the usual length,
 * without attachments, expiries, design documents and local ones, whose revision ids are worked out. Numbers are little-endian.
 *
 * | part | |
 * |---|---|
 * | u8 | `PACKED_EDITS`, which no other form of edits begins with |
 * | for each edit, in the order of the request | see `RECORD_BYTES` |
 * | u32 for each edit | where it lies, in the order in which they are written: that of the ids, or that in which they came |
 * | 8, 8 bytes | where they were checked: versions of the design documents and of the settings, doubles |
 * | u8 | 1: they were checked; 2: some edit is no deletion; 4: each is a request of its own |
 * | u32 | edits |
 */
import { ByteFormatError } from '../../base/byte-codec.ts'
import { sortSteps } from '../../base/sort-steps.ts'
import { SpareMemory } from '../../base/spare-memory.ts'
import type { Steps } from '../../base/time-slice.ts'
import { REVISION_ID_SIZE } from '../revisions/revision-id.ts'
import type { CheckStamp } from './checked-state.ts'
import { emptyLinearEdit, type LinearEdit } from './linear-edit.ts'

/** Beyond the versions of `shared/update-codec.ts`. */
export const PACKED_EDITS = 0x81

// A record: u8 flags, u32 generation, the revision's id, its parent's id (anything without one), u16 length of the key, u32 length
// of the stored body, the document's id in UTF-8, the body as it is stored.
const DELETED = 1
const HAS_PARENT = 2
const POS_AT = 1
const ID_AT = 5
const PARENT_AT = ID_AT + REVISION_ID_SIZE
const KEY_BYTES_AT = PARENT_AT + REVISION_ID_SIZE
const BODY_BYTES_AT = KEY_BYTES_AT + 2
export const RECORD_BYTES = BODY_BYTES_AT + 4

const CHECKED = 1
const GROWS = 2
const APART = 4
const FOOTER_BYTES = 8 + 8 + 1 + 4
const OFFSET_BYTES = 4

/** Longest id: they are compared in one go. */
export const MOST_KEY_BYTES = 256

/** So many edits are sorted by numbers, in one go: of each the first bytes behind what all ids begin with, and its place. */
const MOST_NUMBERED = 16 * 1024
/** More of them with the same first bytes are put in order in steps. */
const MOST_ALIKE = 256

/** Of edits that have been written. */
const spare = new SpareMemory()

/** Writes edits one behind the other. */
export class EditPacker {
  #bytes: Buffer<ArrayBuffer>
  #length = 1
  /** Of the record that is being written. */
  #start = 1
  readonly #starts: number[] = []
  #grows = false

  /** `bytes` is about what there will be. */
  constructor(bytes: number) {
    this.#bytes = spare.take(bytes + 1)
    this.#bytes[0] = PACKED_EDITS
  }

  /** Forgets the edits: others come into the same memory. */
  clear(): void {
    this.#length = 1
    this.#starts.length = 0
    this.#grows = false
  }

  get count(): number {
    return this.#starts.length
  }

  /** Begins a record with room for a key and a body of so many bytes, and returns where the key goes. */
  begin(keyBytes: number, mostBodyBytes: number): number {
    this.#start = this.#length
    this.#reserve(RECORD_BYTES + keyBytes + mostBodyBytes)
    this.#bytes.writeUInt16LE(keyBytes, this.#start + KEY_BYTES_AT)
    return this.#start + RECORD_BYTES
  }

  /** Memory of the record that was begun, and of those before. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Where the id of the record's revision goes, and that of its parent. */
  get idAt(): number {
    return this.#start + ID_AT
  }

  get parentAt(): number {
    return this.#start + PARENT_AT
  }

  /** `bodyEnd` is where the body that was written behind the key ends. */
  end(pos: number, deleted: boolean, hasParent: boolean, bodyEnd: number): void {
    const start = this.#start
    const bytes = this.#bytes
    const bodyStart = start + RECORD_BYTES + bytes.readUInt16LE(start + KEY_BYTES_AT)
    bytes[start] = (deleted ? DELETED : 0) | (hasParent ? HAS_PARENT : 0)
    bytes.writeUInt32LE(pos, start + POS_AT)
    bytes.writeUInt32LE(bodyEnd - bodyStart, start + BODY_BYTES_AT)
    this.#starts.push(start)
    this.#length = bodyEnd
    if (!deleted) this.#grows = true
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + size))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }

  /** The edits, in steps; undefined where two are of one document. */
  *edits(): Steps<PackedEdits | undefined> {
    const starts = this.#starts
    const { length } = starts
    let isSorted = true
    for (let i = 1; i < length && isSorted; i++) isSorted = this.#order(starts[i - 1]!, starts[i]!) < 0
    const sorted = isSorted ? starts : yield* this.#sorted()
    if (sorted === undefined) return undefined
    yield
    return this.#ended(sorted, 0)
  }

  /** The edits as those of requests that know nothing of each other, in the order in which they came. */
  requests(): PackedEdits {
    return this.#ended(this.#starts, APART)
  }

  #ended(starts: readonly number[], flags: number): PackedEdits {
    const { length } = starts
    this.#reserve(length * OFFSET_BYTES + FOOTER_BYTES)
    const bytes = this.#bytes
    let at = this.#length
    for (const start of starts) at = bytes.writeUInt32LE(start, at)
    at += 2 * 8
    bytes[at++] = flags | (this.#grows ? GROWS : 0)
    at = bytes.writeUInt32LE(length, at)
    return new PackedEdits(bytes.subarray(0, at))
  }

  /** In the order of the ids; undefined where two are of one document. */
  *#sorted(): Steps<number[] | undefined> {
    const starts = this.#starts
    const { length } = starts
    const byId = (a: number, b: number): number => this.#order(a, b)
    if (length > MOST_NUMBERED) {
      const sorted = yield* sortSteps(starts, byId)
      return this.#hasTwins(sorted, 0, length) ? undefined : sorted
    }
    const numbers = new Float64Array(length)
    const from = RECORD_BYTES + this.#sharedBytes()
    for (let i = 0; i < length; i++) numbers[i] = this.#firstBytes(starts[i]!, from) * MOST_NUMBERED + i
    numbers.sort()
    const sorted: number[] = []
    for (let i = 0; i < length; i++) sorted.push(starts[numbers[i]! % MOST_NUMBERED]!)
    for (let i = 0; i < length; ) {
      const first = Math.floor(numbers[i]! / MOST_NUMBERED)
      let end = i + 1
      while (end < length && Math.floor(numbers[end]! / MOST_NUMBERED) === first) end += 1
      if (end - i > 1) {
        const alike = sorted.slice(i, end)
        const inOrder = alike.length > MOST_ALIKE ? yield* sortSteps(alike, byId) : alike.sort(byId)
        for (let at = i; at < end; at++) sorted[at] = inOrder[at - i]!
        if (this.#hasTwins(sorted, i, end)) return undefined
      }
      i = end
    }
    return sorted
  }

  #hasTwins(sorted: readonly number[], from: number, to: number): boolean {
    for (let i = from + 1; i < to; i++) if (this.#order(sorted[i - 1]!, sorted[i]!) === 0) return true
    return false
  }

  /** Bytes that all ids begin with. */
  #sharedBytes(): number {
    const bytes = this.#bytes
    const first = this.#starts[0]!
    let shared = bytes.readUInt16LE(first + KEY_BYTES_AT)
    for (const start of this.#starts) {
      const most = Math.min(shared, bytes.readUInt16LE(start + KEY_BYTES_AT))
      shared = 0
      while (shared < most && bytes[first + RECORD_BYTES + shared] === bytes[start + RECORD_BYTES + shared]) {
        shared += 1
      }
    }
    return shared
  }

  /** The four bytes of an id that lie at `from` of its record, zeros where it has ended. */
  #firstBytes(start: number, from: number): number {
    const bytes = this.#bytes
    const end = start + RECORD_BYTES + bytes.readUInt16LE(start + KEY_BYTES_AT)
    let value = 0
    for (let at = start + from; at < start + from + 4; at++)
      value = value * 0x100 + (at < end ? bytes[at]! : 0)
    return value
  }

  /** By the bytes of their ids. */
  #order(a: number, b: number): number {
    const bytes = this.#bytes
    const [aBytes, bBytes] = [bytes.readUInt16LE(a + KEY_BYTES_AT), bytes.readUInt16LE(b + KEY_BYTES_AT)]
    const length = Math.min(aBytes, bBytes)
    for (let i = RECORD_BYTES; i < RECORD_BYTES + length; i++) {
      const difference = bytes[a + i]! - bytes[b + i]!
      if (difference !== 0) return difference
    }
    return aBytes - bBytes
  }
}

export class PackedEdits {
  #bytes: Buffer<ArrayBuffer>
  readonly count: number
  readonly #offsetsAt: number
  readonly #footerAt: number

  /** Throws ByteFormatError for bytes that are no edits. */
  constructor(bytes: Buffer<ArrayBuffer>) {
    this.#bytes = bytes
    this.#footerAt = bytes.length - FOOTER_BYTES
    this.count = this.#footerAt < 1 ? 0 : bytes.readUInt32LE(bytes.length - 4)
    this.#offsetsAt = this.#footerAt - this.count * OFFSET_BYTES
    if (bytes[0] !== PACKED_EDITS || this.#offsetsAt < 1) throw new ByteFormatError('no packed edits')
  }

  get bytes(): Buffer<ArrayBuffer> {
    return this.#bytes
  }

  /** The memory that they were in was handed over, and has come back as this. */
  moved(bytes: Uint8Array<ArrayBuffer>): void {
    const { buffer, byteOffset, length } = bytes
    spare.moved(this.#bytes, bytes)
    this.#bytes = Buffer.from(buffer, byteOffset, length)
  }

  /** Nobody looks at them any more: their memory may be used for others. */
  release(): void {
    spare.give(this.#bytes)
  }

  get grows(): boolean {
    return (this.bytes[this.#footerAt + 16]! & GROWS) !== 0
  }

  /** Whether each is a request of its own. */
  get areApart(): boolean {
    return (this.bytes[this.#footerAt + 16]! & APART) !== 0
  }

  /** What the edits were checked against; undefined where nobody checks them. */
  get stamp(): CheckStamp | undefined {
    const at = this.#footerAt
    if ((this.bytes[at + 16]! & CHECKED) === 0) return undefined
    return { design: this.bytes.readDoubleLE(at), settings: this.bytes.readDoubleLE(at + 8) }
  }

  set stamp(stamp: CheckStamp | undefined) {
    const at = this.#footerAt
    this.bytes.writeDoubleLE(stamp?.design ?? 0, at)
    this.bytes.writeDoubleLE(stamp?.settings ?? 0, at + 8)
    const others = this.bytes[at + 16]! & ~CHECKED
    this.bytes[at + 16] = others | (stamp === undefined ? 0 : CHECKED)
  }

  /** Where the record of an edit lies, which is given by its number in the order in which they are written. Throws ByteFormatError. */
  start(number: number): number {
    const start = this.bytes.readUInt32LE(this.#offsetsAt + number * OFFSET_BYTES)
    if (start + RECORD_BYTES > this.#offsetsAt) throw new ByteFormatError('an edit beyond the others')
    return start
  }

  /** In the order in which they came: the first one, and the one behind another. */
  get firstStart(): number {
    return 1
  }

  behind(start: number): number {
    return this.bodyStart(start) + this.bytes.readUInt32LE(start + BODY_BYTES_AT)
  }

  keyStart(start: number): number {
    return start + RECORD_BYTES
  }

  bodyStart(start: number): number {
    return start + RECORD_BYTES + this.bytes.readUInt16LE(start + KEY_BYTES_AT)
  }

  pos(start: number): number {
    return this.bytes.readUInt32LE(start + POS_AT)
  }

  idStart(start: number): number {
    return start + ID_AT
  }

  /** The document's id in UTF-8: in memory that is used again by the next call. */
  key(start: number): Buffer {
    const bytes = this.#bytes
    const from = this.keyStart(start)
    const length = this.bodyStart(start) - from
    if (length > MOST_KEY_BYTES) return bytes.subarray(from, from + length)
    for (let i = 0; i < length; i++) keyDesk[i] = bytes[from + i]!
    keys[length] ??= keyDesk.subarray(0, length)
    return keys[length]
  }

  /** The edit in memory that is used again by the next call; its body is a view. */
  edit(start: number): LinearEdit {
    const end = this.behind(start)
    if (end > this.#offsetsAt) throw new ByteFormatError('an edit longer than all')
    const flags = this.bytes[start]!
    one.revision.pos = this.pos(start)
    one.revision.deleted = (flags & DELETED) !== 0
    one.revision.id.bytes = this.bytes
    one.revision.id.at = start + ID_AT
    one.hasParent = (flags & HAS_PARENT) !== 0
    one.parent.bytes = this.bytes
    one.parent.at = start + PARENT_AT
    one.body = this.bytes.subarray(this.bodyStart(start), end)
    return one
  }
}

const one = emptyLinearEdit()
/** Where an id is copied to: a view of each costs more than its bytes. By length, what was looked at before. */
const keyDesk = Buffer.allocUnsafeSlow(MOST_KEY_BYTES)
const keys: (Buffer | undefined)[] = []
