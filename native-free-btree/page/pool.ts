/**
 * Memory of pages that nobody looks at any more, to be used again: taking new memory for a page, and having the
 * garbage collector find it, costs more than filling it. Invariants:
 * - A page has one owner: a node, or this pool. The owner gives it here, once. (Cached pages are copies: page-rooms.ts.)
 * - Whoever was handed a page by its owner looks at it only until the code that runs now has ended, unless a snapshot
 *   is open (cursors stand on pages from one turn to another). So a page is used again only after that code has ended,
 *   and one given back while a snapshot is open is left to the garbage collector.
 */

/** Sizes are multiples of this. */
const STEP_BYTES = 256
/** Larger pages are rare. */
const LARGEST_BYTES = 16 * 1024
/** Kept for later beside what is spared for dirty nodes, and as much again that was given back just now. */
const KEPT_BYTES = 4 * 1024 * 1024

export class PagePool {
  /** Open snapshots of all files. */
  readers = 0
  /** Rises before pages that were given back may hold anything else. */
  reuses = 0
  /** For tests: whoever looks at a page too long finds nonsense. */
  poisons = false
  /** What caches leave to dirty nodes and those do not take now: they will when the next checkpoint comes near. */
  #sparedBytes = 0
  readonly #free: Buffer[][] = Array.from({ length: LARGEST_BYTES / STEP_BYTES + 1 }, () => [])
  #freeBytes = 0
  /** The size that gave way last. */
  #hand = 0
  #returned: Buffer[] = []
  #returnedBytes = 0

  /** What `take` gives for `bytes` bytes. */
  static lengthFor(bytes: number): number {
    return bytes > LARGEST_BYTES ? bytes : Math.ceil(bytes / STEP_BYTES) * STEP_BYTES
  }

  /**
   * A page of `lengthFor(bytes)` bytes, which hold anything. Never a longer one: when a page is split, or its gap closed, depends on its
   * length, and the same steps make the same file.
   */
  take(bytes: number): Buffer {
    const length = PagePool.lengthFor(bytes)
    const page = length > LARGEST_BYTES ? undefined : this.#free[length / STEP_BYTES]!.pop()
    if (page === undefined) return Buffer.allocUnsafeSlow(length)
    this.#freeBytes -= page.length
    return page
  }

  /** Gives a page back that its owner forgets. */
  giveBack(page: Buffer): void {
    const { length } = page
    if (this.readers > 0 || length > LARGEST_BYTES || length === 0 || length % STEP_BYTES !== 0) return
    if (this.#freeBytes + this.#returnedBytes + length > 2 * KEPT_BYTES + this.#sparedBytes) return
    if (this.#returned.length === 0) queueMicrotask(() => this.#reuse())
    this.#returned.push(page)
    this.#returnedBytes += length
  }

  #reuse(): void {
    this.reuses += 1
    const returned = this.#returned
    this.#returned = []
    this.#returnedBytes = 0
    for (const page of returned) {
      this.#trim()
      if (this.poisons) page.fill(0xdd)
      this.#free[page.length / STEP_BYTES]!.push(page)
      this.#freeBytes += page.length
    }
  }

  /** Counts a change of what is spared for dirty nodes. */
  spare(deltaBytes: number): void {
    this.#sparedBytes += deltaBytes
    this.#trim()
  }

  #trim(): void {
    while (this.#freeBytes > KEPT_BYTES + this.#sparedBytes) this.#giveWay()
  }

  /** Forgets a page, of each size in turn: sizes that nobody takes any more would keep all others out. */
  #giveWay(): void {
    this.#hand = (this.#hand + 1) % this.#free.length
    const page = this.#free[this.#hand]!.pop()
    if (page !== undefined) this.#freeBytes -= page.length
  }
}

/** The thread's. */
export const pagePool = new PagePool()
