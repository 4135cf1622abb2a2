/** Reads fields one after another and notes what each is called and says. */
import { ByteReader } from '../disk/bytes.ts'
import type { DescribedField } from '../inspection.ts'
import { readReference } from '../page/reference.ts'

/** Of bytes that are shown. */
const SHOWN_BYTES = 48

type NumberType = 'u8' | 'u16' | 'u32' | 'u48' | 'varint'

/** Bytes of a length are zeros, or kept for later; the others are as FORMAT.md has them. */
export type FieldType = NumberType | 'u64' | 'hash' | `${number} bytes`

export class FieldReader {
  readonly fields: DescribedField[] = []
  readonly reader: ByteReader
  /** Of the file's byte that stands first in the buffer. */
  readonly #start: number

  constructor(bytes: Buffer, start: number) {
    this.reader = new ByteReader(bytes)
    this.#start = start
  }

  get position(): number {
    return this.#start + this.reader.at
  }

  #note(from: number, type: string, name: string, value: string): void {
    const length = this.reader.at - from
    this.fields.push({ position: this.#start + from, length, type, name, value })
  }

  number(type: NumberType, name: string, meaning: (value: number) => string = String): number {
    const from = this.reader.at
    const value = this.reader[type]()
    this.#note(from, type, name, meaning(value))
    return value
  }

  /** A position, a count or a time. */
  u64(name: string, meaning: (value: number) => string = String): number {
    const from = this.reader.at
    const value = Number(this.reader.u64())
    this.#note(from, 'u64', name, meaning(value))
    return value
  }

  hash(name: string): void {
    const from = this.reader.at
    this.#note(from, 'u64', name, `0x${this.reader.u64().toString(16).padStart(16, '0')}`)
  }

  bytes(length: number, name: string): Buffer {
    const from = this.reader.at
    const bytes = this.reader.slice(length)
    this.#note(from, `${length} bytes`, name, bytesText(bytes))
    return bytes
  }

  /** UTF-8 behind a length of one byte. */
  text(name: string): string {
    const from = this.reader.at
    const text = this.reader.text()
    this.#note(from, 'text', name, JSON.stringify(text))
    return text
  }

  reference(name: string): void {
    const from = this.reader.at
    const { position, length, chunked } = readReference(this.reader.slice(16))
    const what = chunked ? 'an index of' : 'a value of'
    this.#note(from, '16 bytes', name, `${what} ${length} bytes at ${position}`)
  }

  /** Fields in a row, which nobody asks for. */
  all(fields: readonly (readonly [type: FieldType, name: string])[]): void {
    for (const [type, name] of fields) this.one(type, name)
  }

  one(type: FieldType, name: string): void {
    if (type === 'u64') this.u64(name)
    else if (type === 'hash') this.hash(name)
    else if (type.includes(' ')) this.bytes(Number.parseInt(type, 10), name)
    else this.number(type as NumberType, name)
  }
}

/** As text in quotes where it is printable, else in hex. */
export function bytesText(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES))
  const rest = bytes.length > SHOWN_BYTES ? '…' : ''
  if (shown.length === 0) return '(none)'
  if (shown.every((byte) => byte === 0)) return `zeros${rest}`
  const isText = shown.every((byte) => byte >= 0x20 && byte < 0x7f)
  return (isText ? JSON.stringify(shown.toString('latin1')) : shown.toString('hex')) + rest
}
