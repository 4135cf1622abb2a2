/** Lines out of chunks, each of a bounded length. */
export class Lines {
  readonly #most: number
  #pieces: Buffer[] = []
  #bytes = 0

  /** @param most bytes of one line. */
  constructor(most: number) {
    this.#most = most
  }

  /** The lines that end in `chunk`, without their ends. Throws RangeError for one that is too long. */
  *add(chunk: Buffer): Generator<string, void, void> {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end))
      from = end + 1
      const line = Buffer.concat(this.#pieces).toString()
      this.#pieces = []
      this.#bytes = 0
      yield line
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from))
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#most) throw new RangeError(`a line of more than ${this.#most} bytes`)
    this.#pieces.push(piece)
  }
}
