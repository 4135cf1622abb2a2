/** Frames out of chunks: a length of 4 bytes, big end first, and so many bytes. */
const LENGTH_BYTES = 4

export class Frames {
  readonly #most: number
  #pieces: Buffer[] = []
  #bytes = 0
  /** Of the frame that is being read; undefined as long as its length is. */
  #length: number | undefined

  /** @param most bytes of one frame. */
  constructor(most: number) {
    this.#most = most
  }

  /** What is in the frames that end in `chunk`. Throws RangeError for one that is too long. */
  *add(chunk: Buffer): Generator<Buffer, void, void> {
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
    for (;;) {
      if (this.#length === undefined) {
        if (this.#bytes < LENGTH_BYTES) return
        this.#length = this.#take(LENGTH_BYTES).readUInt32BE()
        if (this.#length > this.#most) throw new RangeError(`a frame of more than ${this.#most} bytes`)
      }
      if (this.#bytes < this.#length) return
      const frame = this.#take(this.#length)
      this.#length = undefined
      yield frame
    }
  }

  /** The next `length` bytes, in memory of their own; there have to be so many. */
  #take(length: number): Buffer {
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    const rest = all.subarray(length)
    this.#pieces = rest.length === 0 ? [] : [rest]
    this.#bytes -= length
    return Buffer.from(all.subarray(0, length))
  }
}
