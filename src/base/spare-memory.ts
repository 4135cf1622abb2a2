/**
 * Memory of up to some megabytes that was given back, for who wants about as much next. New memory for each request is dear when it is
 * collected: V8 collects its whole heap as soon as some tens of megabytes have been got beside it. What holds:
 * - A piece has one owner: who took it, or this. What was not taken here is not kept.
 * - Nobody gets more than twice of what was asked for: the memory of requests is bounded by what they ask for.
 * - Nothing outlives a collection of the whole heap, so that an idle thread keeps none.
 */

/** Others are rare, or little. */
const MOST_BYTES = 8 * 1024 * 1024
const LEAST_BYTES = 16 * 1024

export class SpareMemory {
  #kept: WeakRef<ArrayBuffer> | undefined
  readonly #taken = new WeakSet<ArrayBuffer>()

  /** At least so many bytes, which hold anything. */
  take(bytes: number): Buffer<ArrayBuffer> {
    if (bytes < LEAST_BYTES || bytes > MOST_BYTES) return Buffer.allocUnsafeSlow(bytes)
    const kept = this.#kept?.deref()
    if (kept !== undefined && kept.byteLength >= bytes && kept.byteLength <= 2 * bytes) {
      this.#kept = undefined
      this.#taken.add(kept)
      return Buffer.from(kept)
    }
    const memory = Buffer.allocUnsafeSlow(bytes)
    this.#taken.add(memory.buffer)
    return memory
  }

  /** Takes back the memory that bytes lie in, at which nobody looks any more, where it was taken here. */
  give({ buffer }: Uint8Array): void {
    if (buffer instanceof ArrayBuffer && this.#taken.delete(buffer)) this.#kept = new WeakRef(buffer)
  }

  /** The memory that was taken as `before` has been handed to another thread and back, and is this now. */
  moved(before: Uint8Array, after: Uint8Array<ArrayBuffer>): void {
    if (this.#taken.delete(before.buffer as ArrayBuffer)) this.#taken.add(after.buffer)
  }
}
