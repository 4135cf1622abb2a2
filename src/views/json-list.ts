/** An array of JSON that is put together from texts of JSON, and given away when it is long enough. */
import { stringText } from '../json/writer.ts'

const OPEN = 0x5b
const CLOSE = 0x5d
const COMMA = 0x2c
const FIRST_CAPACITY = 4096

export class JsonList {
  /** Elements. */
  length = 0
  /** Of the text so far, without its end. */
  bytes = 0
  #buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY)

  add(json: Uint8Array): void {
    this.#begin(json.length + 2)
    this.#raw(json)
  }

  /** A row as reduces are given it: `[[key, id], value]`. */
  addRow(key: Uint8Array, id: string, value: Uint8Array): void {
    const idText = stringText(id)
    // A character of two bytes of UTF-16 has three of UTF-8 at most.
    this.#begin(key.length + idText.length * 3 + value.length + 8)
    this.#byte(OPEN)
    this.#byte(OPEN)
    this.#raw(key)
    this.#byte(COMMA)
    this.bytes += this.#buffer.write(idText, this.bytes)
    this.#byte(CLOSE)
    this.#byte(COMMA)
    this.#raw(value)
    this.#byte(CLOSE)
  }

  /** The text of all elements since the last time. */
  take(): Buffer {
    this.#reserve(2)
    if (this.length === 0) this.#byte(OPEN)
    this.#byte(CLOSE)
    const text = Buffer.from(this.#buffer.subarray(0, this.bytes))
    this.length = 0
    this.bytes = 0
    return text
  }

  #begin(size: number): void {
    this.#reserve(size)
    this.#byte(this.length === 0 ? OPEN : COMMA)
    this.length += 1
  }

  #byte(byte: number): void {
    this.#buffer[this.bytes++] = byte
  }

  #raw(source: Uint8Array): void {
    this.#buffer.set(source, this.bytes)
    this.bytes += source.length
  }

  #reserve(size: number): void {
    const needed = this.bytes + size
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.bytes)
    this.#buffer = grown
  }
}
