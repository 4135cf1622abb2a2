/**
 * Reads fields of a file front to back and keeps account of them: each byte may be claimed once, and those
 * that nobody claimed can be listed. Little-endian, as FORMAT.md says.
 */

/** The file is not what FORMAT.md says at `position`. */
export class FormatError extends Error {
  override readonly name = 'FormatError'
  readonly position: number

  constructor(position: number, what: string) {
    super(`${what}, at byte ${position}`)
    this.position = position
  }
}

export class ClaimedBytes {
  readonly bytes: Buffer
  readonly #claims: Uint8Array

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#claims = new Uint8Array(bytes.length)
  }

  /** Takes bytes for one field; they must lie in the file and belong to no other. */
  claim(position: number, length: number): Buffer {
    if (position + length > this.bytes.length) throw new FormatError(position, 'the file ends too early')
    for (let at = position; at < position + length; at++) {
      if (this.#claims[at] !== 0) throw new FormatError(at, 'a byte belongs to two fields')
      this.#claims[at] = 1
    }
    return this.bytes.subarray(position, position + length)
  }

  /** Ranges [start, end) that no field took. */
  unclaimed(): [number, number][] {
    const ranges: [number, number][] = []
    for (let at = 0; at < this.#claims.length; at++) {
      if (this.#claims[at] !== 0) continue
      const last = ranges.at(-1)
      if (last?.[1] === at) last[1] = at + 1
      else ranges.push([at, at + 1])
    }
    return ranges
  }
}

/** The fields from `position` to `end`, one after the other. */
export class Fields {
  readonly file: ClaimedBytes
  readonly end: number
  position: number

  constructor(file: ClaimedBytes, position: number, end: number) {
    this.file = file
    this.position = position
    this.end = end
  }

  get left(): number {
    return this.end - this.position
  }

  bytes(length: number): Buffer {
    if (length > this.left)
      throw new FormatError(this.position, `a field of ${length} bytes has ${this.left}`)
    const taken = this.file.claim(this.position, length)
    this.position += length
    return taken
  }

  /** The same bytes as fields of their own, claimed by whoever reads them. */
  part(length: number): Fields {
    if (length > this.left) throw new FormatError(this.position, `a part of ${length} bytes has ${this.left}`)
    const part = new Fields(this.file, this.position, this.position + length)
    this.position += length
    return part
  }

  u8(): number {
    return this.bytes(1).readUInt8(0)
  }

  u16(): number {
    return this.bytes(2).readUInt16LE(0)
  }

  u32(): number {
    return this.bytes(4).readUInt32LE(0)
  }

  u48(): number {
    return this.bytes(6).readUIntLE(0, 6)
  }

  u64(): bigint {
    return this.bytes(8).readBigUInt64LE(0)
  }

  /** A u64 that is a position, a count or a time: below 2^53. */
  whole(): number {
    const value = this.u64()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError(this.position - 8, 'beyond 2^53')
    return Number(value)
  }

  /** LEB128 in its shortest form. */
  varint(): number {
    const start = this.position
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8()
      value += (byte & 127) * scale
      if (value > Number.MAX_SAFE_INTEGER) throw new FormatError(start, 'a varint beyond 2^53')
      if (byte >= 128) continue
      if (byte === 0 && this.position > start + 1) throw new FormatError(start, 'a varint longer than needed')
      return value
    }
  }

  /** UTF-8 behind a u8 length. */
  name(): string {
    return this.bytes(this.u8()).toString('utf8')
  }

  zeros(length: number): void {
    const start = this.position
    const at = this.bytes(length).findIndex((byte) => byte !== 0)
    if (at >= 0) throw new FormatError(start + at, 'a byte that must be zero is not')
  }

  /** A field whose value is given. */
  expect<T>(read: (fields: Fields) => T, expected: T, what: string): void {
    const start = this.position
    const value = read(this)
    if (value !== expected) throw new FormatError(start, `${what} is ${value}, not ${expected}`)
  }

  /** Nothing may be left over. */
  finish(what: string): void {
    if (this.left !== 0) throw new FormatError(this.position, `${this.left} bytes left over in ${what}`)
  }
}
