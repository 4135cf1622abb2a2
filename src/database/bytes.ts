/**
 * Reads and writes the parts that values are made of. A varint is LEB128 of an integer below 2^53. A revision
 * is a varint generation, then a varint length and that many bytes of id, where length 0 stands for the usual
 * 16 bytes. A reference is 16 bytes.
 */
import { DatabaseError } from '../base/errors.ts'
import { REVISION_ID_SIZE, type Revision } from './revision-id.ts'

export const REFERENCE_BYTES = 16

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(256)
  #length = 0

  #reserve(length: number): number {
    const at = this.#length
    const needed = at + length
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    this.#length = needed
    return at
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#bytes[at] = value
    return this
  }

  u48(value: number): this {
    const at = this.#reserve(6)
    this.#bytes.writeUIntBE(value, at, 6)
    return this
  }

  varint(value: number): this {
    let rest = value
    while (rest > 0x7f) {
      this.u8((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    return this.u8(rest)
  }

  bytes(source: Uint8Array): this {
    const at = this.#reserve(source.length)
    this.#bytes.set(source, at)
    return this
  }

  revision(revision: Revision): this {
    const { pos, id } = revision
    this.varint(pos).varint(id.length === REVISION_ID_SIZE ? 0 : id.length)
    const at = this.#reserve(id.length)
    this.#bytes.write(id, at, 'latin1')
    return this
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** Every method throws storage_damaged at the end of the bytes. */
export class ByteReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  take(length: number): Buffer {
    const from = this.#at
    if (from + length > this.#bytes.length)
      throw new DatabaseError('storageDamaged', 'a stored value is too short')
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  u8(): number {
    return this.take(1)[0]!
  }

  u48(): number {
    return this.take(6).readUIntBE(0, 6)
  }

  varint(): number {
    let value = 0
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.u8()
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
    }
  }

  revision(): Revision {
    const pos = this.varint()
    const length = this.varint()
    return { pos, id: this.take(length === 0 ? REVISION_ID_SIZE : length).toString('latin1') }
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at)
  }
}
