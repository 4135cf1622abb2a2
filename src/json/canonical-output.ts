import type { Slab } from './slab.ts'
import { writeUtf8 } from './term-writer.ts'

// The canonical text, made from a source of which most bytes are already canonical. Nothing is copied as
// long as the source agrees with the output: [rangeStart, position) of the source is output that has not
// been copied yet, and follows the `length` bytes that have. An output offset is therefore
// `length + position - rangeStart`, known without copying.

const INITIAL_CAPACITY = 16 * 1024
const RETAINED_CAPACITY = 1024 * 1024
const SHORT_COPY = 128
const NOTHING = Buffer.alloc(0)

/** The canonical text under construction over one source. */
export class CanonicalOutput {
  source: Buffer = NOTHING
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
  /** Bytes of output that have been copied. */
  length = 0
  /** Where the part of the source begins that is output but not copied. */
  rangeStart = 0

  /** Starts a new output at `position` of `source`. */
  start(source: Buffer, position: number): void {
    this.source = source
    this.length = 0
    this.rangeStart = position
  }

  /** Forgets the source, and an outsized buffer. */
  release(): void {
    this.source = NOTHING
    this.length = 0
    if (this.bytes.length > RETAINED_CAPACITY) this.bytes = Buffer.allocUnsafeSlow(INITIAL_CAPACITY)
  }

  /** The output offset that `position` of the source stands for. */
  offset(position: number): number {
    return this.length + position - this.rangeStart
  }

  /** Takes the source as it is up to `from`, and leaves [from, to) out. */
  skip(from: number, to: number): void {
    this.#copy(from)
    this.rangeStart = to
  }

  /** Takes the source as it is up to `from`, and puts `text` (ASCII) in the place of [from, to). */
  replace(from: number, to: number, text: string): void {
    this.#copy(from)
    this.#reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i)
    this.rangeStart = to
  }

  /** Takes the source as it is up to `from`, and puts one code point in the place of [from, to). */
  replaceCodePoint(from: number, to: number, code: number): void {
    this.#copy(from)
    this.#reserve(4)
    this.length = writeUtf8(this.bytes, this.length, code)
    this.rangeStart = to
  }

  /** Cuts the output back to `offset`, and goes on with the source at `position`. */
  cut(offset: number, position: number): void {
    if (offset >= this.length) this.#copy(this.rangeStart + offset - this.length)
    else this.length = offset
    this.rangeStart = position
  }

  /**
   * The output from `offset` to where `position` of the source stands, a view of the source where nothing
   * had to be changed, else a copy in memory of `slab`.
   */
  take(offset: number, position: number, slab: Slab | undefined): Buffer {
    if (offset >= this.length) return this.source.subarray(this.rangeStart + offset - this.length, position)
    const copied = this.length - offset
    const size = copied + position - this.rangeStart
    const taken = slab === undefined ? Buffer.allocUnsafe(size) : slab.take(size)
    if (copied < SHORT_COPY) for (let i = 0; i < copied; i++) taken[i] = this.bytes[offset + i]!
    else this.bytes.copy(taken, 0, offset, this.length)
    this.source.copy(taken, copied, this.rangeStart, position)
    return taken
  }

  #copy(end: number): void {
    const source = this.source
    const start = this.rangeStart
    const size = end - start
    this.#reserve(size)
    const bytes = this.bytes
    let at = this.length
    this.length = at + size
    if (size < SHORT_COPY) {
      for (let i = start; i < end; i++) bytes[at++] = source[i]!
    } else {
      bytes.set(source.subarray(start, end), at)
    }
  }

  #reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + size))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }
}
