// Erlang's external term format, the part that CouchDB's revision ids are made of. Lengths are big-endian.
//
//   61 u8                 integer 0..255             6A                       empty list
//   62 i32                other signed 32-bit        6B u16 bytes             list of only 0..255, <= 65535 long
//   6E n sign bytes       other, n little-endian     6C u32 elements 6A       any other list
//   46 f64                float                      68 n elements            tuple of n
//   64 u16 name           atom                       6D u32 bytes             binary: a string or a key
//
// A JSON object is 68 01 and the list of its pairs 68 02 key value. Integers above 255 bytes (6F) cannot
// occur: the scanner refuses them at 309 digits.

export const LIST = 0x6c
export const EMPTY_LIST = 0x6a
const BYTE_LIST = 0x6b
export const SMALL_INTEGER = 0x61
export const INTEGER = 0x62
const BIG_INTEGER = 0x6e
const FLOAT = 0x46
const TUPLE = 0x68
export const BINARY = 0x6d

/** Bytes of a list's head: its tag and its count. */
export const LIST_HEAD_SIZE = 5
/** Bytes of a binary's head: its tag and its length. */
export const BINARY_HEAD_SIZE = 5
/** Bytes of the tuple's head that opens a pair. */
export const PAIR_HEAD_SIZE = 2

/** Whole words may be read and written across the end of what counts. */
const WORD = 4

const MAX_BYTE_LIST = 0xffff
const INITIAL_CAPACITY = 16 * 1024
/** What an unusually large text made us allocate beyond this is given back by `release`. */
const RETAINED_CAPACITY = 1024 * 1024
/** Below this a byte loop beats the call into the runtime that a block copy costs. */
const SHORT_COPY = 128

const TRUE = Buffer.from('d\x00\x04true', 'latin1')
const FALSE = Buffer.from('d\x00\x05false', 'latin1')
const NULL = Buffer.from('d\x00\x04null', 'latin1')

const float = new DataView(new ArrayBuffer(8))

/** A growing buffer of external terms, written front to back; `length` may be set back to undo. */
export class TermWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
  /** Of the same bytes. */
  view = new DataView(this.bytes.buffer)
  length = 0

  /** Makes room for `size` more bytes, and WORD beyond them. */
  reserve(size: number): void {
    if (this.length + size + WORD > this.bytes.length) this.#grow(size + WORD)
  }

  #grow(size: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + size))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  /** Forgets what was written, and an outsized buffer with it. */
  release(): void {
    this.length = 0
    if (this.bytes.length <= RETAINED_CAPACITY) return
    this.bytes = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
    this.view = new DataView(this.bytes.buffer)
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  /** Appends `source[start..end)` as it is. */
  raw(source: Uint8Array, start: number, end: number): void {
    const size = end - start
    this.reserve(size)
    const bytes = this.bytes
    let at = this.length
    this.length = at + size
    if (size < SHORT_COPY) {
      for (let i = start; i < end; i++) bytes[at++] = source[i]!
    } else {
      bytes.set(source.subarray(start, end), at)
    }
  }

  /** Appends a code point's UTF-8; the caller has excluded surrogates. */
  codePoint(code: number): void {
    this.reserve(4)
    this.length = writeUtf8(this.bytes, this.length, code)
  }

  true(): void {
    this.raw(TRUE, 0, TRUE.length)
  }

  false(): void {
    this.raw(FALSE, 0, FALSE.length)
  }

  null(): void {
    this.raw(NULL, 0, NULL.length)
  }

  /**
   * A zero with a sign was written since the scanner began with a document. The canonical text of a document has no sign of it: only the
   * term says what the revision's id is made of.
   */
  hasNegativeZero = false

  float(value: number): void {
    float.setFloat64(0, value)
    if (Object.is(value, -0)) this.hasNegativeZero = true
    this.reserve(9)
    this.bytes[this.length++] = FLOAT
    for (let i = 0; i < 8; i++) this.bytes[this.length++] = float.getUint8(i)
  }

  /** `value` is an integer of at most 53 bits. */
  integer(value: number): void {
    this.reserve(11)
    const bytes = this.bytes
    if (value >= 0 && value <= 0xff) {
      bytes[this.length++] = SMALL_INTEGER
      bytes[this.length++] = value
    } else if (value === (value | 0)) {
      bytes[this.length++] = INTEGER
      this.#u32(this.length, value)
      this.length += 4
    } else {
      this.#wide(value)
    }
  }

  #wide(value: number): void {
    const bytes = this.bytes
    const head = this.length
    let at = head + 3
    for (let rest = Math.abs(value); rest > 0; rest = Math.floor(rest / 256)) bytes[at++] = rest % 256
    bytes[head] = BIG_INTEGER
    bytes[head + 1] = at - head - 3
    bytes[head + 2] = value < 0 ? 1 : 0
    this.length = at
  }

  /** `value` is beyond 32 bits and its magnitude below 2^2040. */
  bigInteger(value: bigint): void {
    const hex = (value < 0n ? -value : value).toString(16)
    const magnitude = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').reverse()
    this.reserve(3 + magnitude.length)
    this.bytes[this.length++] = BIG_INTEGER
    this.bytes[this.length++] = magnitude.length
    this.bytes[this.length++] = value < 0n ? 1 : 0
    this.raw(magnitude, 0, magnitude.length)
  }

  /** Opens a tuple of `size` elements. */
  tuple(size: number): void {
    this.reserve(2)
    this.view.setUint16(this.length, (TUPLE << 8) | size)
    this.length += 2
  }

  /** Leaves room for a binary's head and answers where; `closeBinary` fills it in. */
  openBinary(): number {
    this.reserve(BINARY_HEAD_SIZE)
    const head = this.length
    this.length = head + BINARY_HEAD_SIZE
    return head
  }

  closeBinary(head: number): void {
    this.bytes[head] = BINARY
    this.#u32(head + 1, this.length - head - BINARY_HEAD_SIZE)
  }

  /** The length of the binary whose head is at `head`. */
  binaryLength(head: number): number {
    return this.bytes.readUInt32BE(head + 1)
  }

  binary(content: Uint8Array): void {
    const head = this.openBinary()
    this.raw(content, 0, content.length)
    this.closeBinary(head)
  }

  /** Leaves room for a list's head and answers where; `closeList` fills it in. */
  openList(): number {
    this.reserve(LIST_HEAD_SIZE)
    const head = this.length
    this.length = head + LIST_HEAD_SIZE
    return head
  }

  /** Closes a list of `count` elements; one of only small integers is packed, as Erlang does with a string. */
  closeList(head: number, count: number): void {
    if (count === 0) {
      this.length = head
      this.byte(EMPTY_LIST)
      return
    }
    if (this.length - head - LIST_HEAD_SIZE === 2 * count && this.#packBytes(head, count)) return
    this.bytes[head] = LIST
    this.#u32(head + 1, count)
    this.byte(EMPTY_LIST)
  }

  /**
   * An element that starts with 61 is exactly two bytes long, so if each even byte is 61 then each element
   * is a small integer.
   */
  #packBytes(head: number, count: number): boolean {
    if (count > MAX_BYTE_LIST) return false
    const bytes = this.bytes
    const first = head + LIST_HEAD_SIZE
    for (let i = 0; i < count; i++) if (bytes[first + 2 * i] !== SMALL_INTEGER) return false
    for (let i = 0; i < count; i++) bytes[head + 3 + i] = bytes[first + 2 * i + 1]!
    bytes[head] = BYTE_LIST
    bytes[head + 1] = count >>> 8
    bytes[head + 2] = count
    this.length = head + 3 + count
    return true
  }

  #u32(at: number, value: number): void {
    this.view.setInt32(at, value)
  }
}

/** Writes a code point's UTF-8 at `at` and answers the next free place; needs up to four bytes. */
export function writeUtf8(target: Uint8Array, at: number, code: number): number {
  let next = at
  if (code < 0x80) {
    target[next++] = code
    return next
  }
  if (code < 0x800) {
    target[next++] = 0xc0 | (code >> 6)
  } else {
    if (code < 0x10000) {
      target[next++] = 0xe0 | (code >> 12)
    } else {
      target[next++] = 0xf0 | (code >> 18)
      target[next++] = 0x80 | ((code >> 12) & 0x3f)
    }
    target[next++] = 0x80 | ((code >> 6) & 0x3f)
  }
  target[next++] = 0x80 | (code & 0x3f)
  return next
}
