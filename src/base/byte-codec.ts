// Numbers of variable length: seven bits a byte, lowest first, the high bit set on all but the last. Signed
// ones are folded first: 0, -1, 1, -2 become 0, 1, 2, 3.

const INITIAL_CAPACITY = 256
/** What an unusually long value made a writer allocate beyond this is given back. */
const RETAINED_CAPACITY = 1024 * 1024
export const MAX_NUMBER_SIZE = 8
const DOUBLE_SIZE = 8
const U64_SIZE = 8

/** Bytes that end too early, or say what they cannot. */
export class ByteFormatError extends Error {
  override readonly name = 'ByteFormatError'
}

/**
 * Writes bytes front to back into a buffer that grows and is used again. Whoever writes begins with `begin`: what a writing
 * that was broken off by an error left behind must not become a part of the next one.
 */
export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
  #length = 0

  /** Empties the writer. */
  begin(): void {
    if (this.#bytes.length > RETAINED_CAPACITY) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
    this.#length = 0
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  /** `value` is a safe integer from 0 on. */
  number(value: number): void {
    this.#reserve(MAX_NUMBER_SIZE)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  /** `value` is an integer of at most 52 bits and a sign. */
  signed(value: number): void {
    this.number(value < 0 ? -2 * value - 1 : 2 * value)
  }

  /** Any number, in 8 bytes. */
  double(value: number): void {
    this.#reserve(DOUBLE_SIZE)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  /** `value` is an unsigned integer of 64 bits. */
  u64(value: bigint): void {
    this.#reserve(U64_SIZE)
    this.#length = this.#bytes.writeBigUInt64LE(value, this.#length)
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** Each character of `value` is one byte. */
  byteString(value: string): void {
    this.#reserve(value.length)
    this.#length += this.#bytes.write(value, this.#length, 'latin1')
  }

  /** `value` in UTF-8, behind the number of its bytes. */
  text(value: string): void {
    const size = Buffer.byteLength(value)
    this.number(size)
    this.#reserve(size)
    this.#length += this.#bytes.write(value, this.#length, 'utf8')
  }

  /** A copy of what was written since `begin`. */
  take(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }

  /** What was written since `begin`, good until the next one. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + size))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

/** Reads what a ByteWriter wrote. Every method throws ByteFormatError where the bytes end too early. */
export class ByteReader {
  #bytes: Buffer
  #position = 0
  #end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#end = bytes.length
  }

  /** Goes on with the bytes from `start` to `end` of others: one reader can read many values. */
  moveTo(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.#position = start
    this.#end = end
  }

  /** Where the next byte is. */
  get position(): number {
    return this.#position
  }

  get atEnd(): boolean {
    return this.#position === this.#end
  }

  u8(): number {
    return this.#bytes[this.skip(1)]!
  }

  number(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < MAX_NUMBER_SIZE; i++) {
      const byte = this.u8()
      if (byte < 0x80) return value + byte * scale
      value += (byte & 0x7f) * scale
      scale *= 0x80
    }
    throw new ByteFormatError(`a number of more than ${MAX_NUMBER_SIZE} bytes`)
  }

  signed(): number {
    const folded = this.number()
    return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.skip(DOUBLE_SIZE))
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.skip(U64_SIZE))
  }

  /** A view of the next `size` bytes. */
  bytes(size: number): Buffer {
    const start = this.skip(size)
    return this.#bytes.subarray(start, start + size)
  }

  /** What `ByteWriter.text` wrote. */
  text(): string {
    const size = this.number()
    const start = this.skip(size)
    return this.#bytes.toString('utf8', start, start + size)
  }

  byteString(size: number): string {
    const start = this.skip(size)
    return this.#bytes.toString('latin1', start, start + size)
  }

  /** Steps over `size` bytes, and answers where they begin. */
  skip(size: number): number {
    const start = this.#position
    if (start + size > this.#end) throw new ByteFormatError(`the bytes end at ${this.#end}`)
    this.#position = start + size
    return start
  }
}
