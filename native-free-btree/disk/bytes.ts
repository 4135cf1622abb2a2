/** Small readers and writers that Buffer has none, or only slow ones, for. All little-endian. */

/** Bytes that an unsigned LEB128 number of this value takes. */
export function varintLength(value: number): number {
  let length = 1
  let rest = value
  while (rest >= 128) {
    rest = Math.floor(rest / 128)
    length += 1
  }
  return length
}

/** Writes an unsigned LEB128 number (below 2^53) and returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset
  let rest = value
  while (rest >= 128) {
    target[at++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  target[at++] = rest
  return at
}

/** Longer pieces are copied by a call. */
const SHORT_BYTES = 160

/** Copies `length` bytes. Short ones, most cells, are copied without leaving JavaScript. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > SHORT_BYTES) target.set(source.subarray(from, from + length), to)
  else for (let i = 0; i < length; i++) target[to + i] = source[from + i]!
}

/** Reads numbers one after another; `at` stands behind the last one read. */
export class ByteReader {
  readonly bytes: Buffer
  at: number
  readonly end: number

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Throws RangeError when fewer than `length` bytes are left. */
  need(length: number): void {
    if (length < 0 || this.at + length > this.end) throw new RangeError('the bytes end too soon')
  }

  /** Passes over bytes. Throws RangeError when fewer are left. */
  skip(length: number): void {
    this.need(length)
    this.at += length
  }

  u8(): number {
    this.need(1)
    return this.bytes[this.at++]!
  }

  u16(): number {
    this.need(2)
    this.at += 2
    return this.bytes.readUInt16LE(this.at - 2)
  }

  u32(): number {
    this.need(4)
    this.at += 4
    return this.bytes.readUInt32LE(this.at - 4)
  }

  u48(): number {
    this.need(6)
    this.at += 6
    return this.bytes.readUIntLE(this.at - 6, 6)
  }

  u64(): bigint {
    this.need(8)
    this.at += 8
    return this.bytes.readBigUInt64LE(this.at - 8)
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
      if (scale > 2 ** 49) throw new RangeError('a number is too long')
    }
  }

  /** A view, not a copy. */
  slice(length: number): Buffer {
    this.need(length)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  /** UTF-8 behind a one-byte length. */
  text(): string {
    return this.slice(this.u8()).toString('utf8')
  }
}

/** Grows as it is written to; the bytes written are `view()`. */
export class ByteWriter {
  bytes: Buffer
  length = 0

  constructor(capacity = 256) {
    this.bytes = Buffer.allocUnsafe(capacity)
  }

  reserve(extra: number): void {
    if (this.length + extra <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + extra))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  u8(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  u16(value: number): void {
    this.reserve(2)
    this.length = this.bytes.writeUInt16LE(value, this.length)
  }

  u32(value: number): void {
    this.reserve(4)
    this.length = this.bytes.writeUInt32LE(value, this.length)
  }

  u48(value: number): void {
    this.reserve(6)
    this.length = this.bytes.writeUIntLE(value, this.length, 6)
  }

  u64(value: bigint): void {
    this.reserve(8)
    this.length = this.bytes.writeBigUInt64LE(value, this.length)
  }

  varint(value: number): void {
    this.reserve(8)
    this.length = writeVarint(this.bytes, this.length, value)
  }

  raw(source: Uint8Array): void {
    this.reserve(source.length)
    this.bytes.set(source, this.length)
    this.length += source.length
  }

  /** UTF-8 behind a one-byte length. */
  text(value: string): void {
    const encoded = Buffer.from(value, 'utf8')
    this.u8(encoded.length)
    this.raw(encoded)
  }

  view(): Buffer {
    return this.bytes.subarray(0, this.length)
  }
}
