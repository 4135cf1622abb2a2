/** Memory for the many small buffers of one request, which is given up with all of them: fewer and larger pieces than Node's pool. */
const FIRST_BYTES = 8 * 1024
const MOST_BYTES = 64 * 1024
const NOTHING = Buffer.alloc(0)

export class Slab {
  #bytes = NOTHING
  #used = 0

  /** So many bytes, with anything in them. What is long is by itself. */
  take(size: number): Buffer {
    if (size > MOST_BYTES / 4) return Buffer.allocUnsafeSlow(size)
    if (this.#used + size > this.#bytes.length) {
      const doubled = Math.min(MOST_BYTES, Math.max(FIRST_BYTES, 2 * this.#bytes.length))
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(doubled, size))
      this.#used = 0
    }
    const start = this.#used
    this.#used += size
    return this.#bytes.subarray(start, start + size)
  }
}
