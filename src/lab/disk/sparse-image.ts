/**
 * The content of a simulated file: pages of 4 KiB, absent ones being zeros, so that a file of 4 GB of zeros costs
 * nothing. A clone shares the pages; whoever writes first copies the page. Bytes past `length` are always zero:
 * a file that shrinks and grows again reads zeros there.
 */
export const PAGE_SIZE = 4096

export class SparseImage {
  private pages = new Map<number, Uint8Array>()
  /** Pages that no clone shares. */
  private owned = new Set<number>()
  private size = 0

  get length(): number {
    return this.size
  }

  /** How many pages hold memory. */
  get pageCount(): number {
    return this.pages.size
  }

  clone(): SparseImage {
    const copy = new SparseImage()
    copy.pages = new Map(this.pages)
    copy.size = this.size
    this.owned.clear()
    return copy
  }

  /** Fills `target` from `position`; returns the bytes read, fewer only at the end. */
  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.size - position))
    let done = 0
    while (done < length) {
      const { page, offset, count } = locate(position + done, length - done)
      const bytes = this.pages.get(page)
      if (bytes === undefined) target.fill(0, done, done + count)
      else target.set(bytes.subarray(offset, offset + count), done)
      done += count
    }
    return length
  }

  /** A copy of the range; bytes past the end are zeros. */
  slice(position: number, length: number): Uint8Array {
    const target = new Uint8Array(length)
    this.read(target, position)
    return target
  }

  /** Writes and grows. */
  write(source: Uint8Array, position: number): void {
    let done = 0
    while (done < source.length) {
      const { page, offset, count } = locate(position + done, source.length - done)
      this.writablePage(page).set(source.subarray(done, done + count), offset)
      done += count
    }
    if (source.length > 0) this.size = Math.max(this.size, position + source.length)
  }

  /** Cuts, or extends with zeros. */
  truncate(length: number): void {
    if (length < this.size) this.clear(length, this.size - length)
    this.size = length
  }

  /** Makes a range zero without changing the length. */
  clear(position: number, length: number): void {
    const end = Math.min(position + length, this.size)
    const firstPage = Math.floor(position / PAGE_SIZE)
    const lastPage = Math.floor((end - 1) / PAGE_SIZE)
    if (end <= position) return
    const touched =
      lastPage - firstPage < this.pages.size
        ? Array.from({ length: lastPage - firstPage + 1 }, (_, i) => firstPage + i)
        : [...this.pages.keys()].filter((page) => page >= firstPage && page <= lastPage)
    for (const page of touched) this.clearInPage(page, position, end)
  }

  /** The page's bytes as they are now, for keeping; undefined when it is a hole. Must not be written to. */
  page(index: number): Uint8Array | undefined {
    this.owned.delete(index)
    return this.pages.get(index)
  }

  private clearInPage(page: number, position: number, end: number): void {
    if (!this.pages.has(page)) return
    const start = page * PAGE_SIZE
    const from = Math.max(position, start) - start
    const to = Math.min(end, start + PAGE_SIZE) - start
    // The end of the file cuts a page short, and past it everything is zero already.
    if (from === 0 && (to === PAGE_SIZE || start + to === this.size)) {
      this.pages.delete(page)
      this.owned.delete(page)
    } else {
      this.writablePage(page).fill(0, from, to)
    }
  }

  private writablePage(index: number): Uint8Array {
    const present = this.pages.get(index)
    if (present !== undefined && this.owned.has(index)) return present
    const bytes = present === undefined ? new Uint8Array(PAGE_SIZE) : present.slice()
    this.pages.set(index, bytes)
    this.owned.add(index)
    return bytes
  }
}

function locate(position: number, remaining: number): { page: number; offset: number; count: number } {
  const page = Math.floor(position / PAGE_SIZE)
  const offset = position - page * PAGE_SIZE
  return { page, offset, count: Math.min(PAGE_SIZE - offset, remaining) }
}
