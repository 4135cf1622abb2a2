/**
 * One budget of memory for clean nodes, shared by every store of the process that is given it. Entries are
 * verified pages. A page is never changed while it is here, and only a store without open snapshots takes one out
 * to change it: a reader may go on holding one that was evicted, with a snapshot as long as that is open,
 * without one until the running code ends (page-pool.ts).
 *
 * Values take what nodes leave, and a sixteenth of the budget at least: a page of 2 KB spares a read to any of
 * its twenty entries, the same memory spares it to six values.
 *
 * Eviction is SIEVE: entries stand in order of arrival; a hand moves from the oldest to the newest, spares
 * those that were used since it last passed, and evicts the first that was not.
 */
import { requireAmount } from '../arguments.ts'
import type { KeptPage, PageOrigin } from '../page/origin.ts'
import { pagePool } from '../page/pool.ts'
import { type ValueBudget, ValueCache, ValueSpace } from './value-cache.ts'

class Entry implements KeptPage {
  readonly owner: Map<number, Entry>
  readonly position: number
  readonly page: Buffer
  readonly top: number
  readonly garbage: number
  readonly origin: PageOrigin | undefined
  used = false
  older: Entry | undefined
  newer: Entry | undefined

  constructor(owner: Map<number, Entry>, position: number, kept: KeptPage) {
    this.owner = owner
    this.position = position
    this.page = kept.page
    this.top = kept.top
    this.garbage = kept.garbage
    this.origin = kept.origin
  }
}

/**
 * Counted for each entry beside its page: some 500 bytes of objects, and what lies about until the garbage
 * collector comes, which is as much again (measured: resident memory at budgets of 64 and 256 MiB).
 */
const ENTRY_OVERHEAD_BYTES = 1000

export class PageCache implements ValueBudget {
  /** Most bytes of all that is counted here: clean pages, and dirty ones as far as `setDirty` tells. */
  readonly budgetBytes: number
  /** @internal */
  readonly values = new ValueCache(this)
  /** Clean pages that were asked for: found, and not. */
  hits = 0
  misses = 0
  /** Clean pages that made room for others. */
  evictions = 0
  #pages = 0
  #cachedBytes = 0
  #dirtyBytes = 0
  #newest: Entry | undefined
  #oldest: Entry | undefined
  #hand: Entry | undefined

  /** `budgetBytes`: at least 1 MiB is taken. Throws INVALID_ARGUMENT. */
  constructor(budgetBytes: number) {
    requireAmount('the budget of a cache', budgetBytes)
    this.budgetBytes = Math.max(budgetBytes, 1024 * 1024)
  }

  /** Whatever has the prototype alone is none. */
  static is(value: unknown): value is PageCache {
    return typeof value === 'object' && value !== null && #cachedBytes in value
  }

  /** Clean pages that are here. */
  get pages(): number {
    return this.#pages
  }

  get cachedBytes(): number {
    return this.#cachedBytes
  }

  get valueBytes(): number {
    return this.values.bytes
  }

  get dirtyBytes(): number {
    return this.#dirtyBytes
  }

  /** Counts a change of the bytes of dirty nodes; clean pages make room. */
  addDirty(deltaBytes: number): void {
    this.#dirtyBytes += deltaBytes
    if (deltaBytes > 0) this.#shrink()
  }

  /** A part of the cache for one file. */
  space(): CacheSpace {
    return new CacheSpace(this)
  }

  /** @internal */
  add(owner: Map<number, Entry>, position: number, kept: KeptPage): void {
    const entry = new Entry(owner, position, kept)
    owner.set(position, entry)
    entry.older = this.#newest
    if (this.#newest !== undefined) this.#newest.newer = entry
    this.#newest = entry
    this.#oldest ??= entry
    this.#pages += 1
    this.#cachedBytes += entry.page.length + ENTRY_OVERHEAD_BYTES
    this.#shrink()
  }

  /** @internal */
  remove(entry: Entry): void {
    entry.owner.delete(entry.position)
    if (this.#hand === entry) this.#hand = entry.newer
    if (entry.older !== undefined) entry.older.newer = entry.newer
    else this.#oldest = entry.newer
    if (entry.newer !== undefined) entry.newer.older = entry.older
    else this.#newest = entry.older
    this.#pages -= 1
    this.#cachedBytes -= entry.page.length + ENTRY_OVERHEAD_BYTES
  }

  /** @internal */
  allowanceBytes(): number {
    return Math.max(this.budgetBytes - this.#dirtyBytes - this.#cachedBytes, this.budgetBytes / 16)
  }

  /** @internal */
  onValuesGrown(): void {
    this.#shrink()
  }

  #shrink(): void {
    this.values.shrinkTo(this.allowanceBytes())
    const taken = this.#dirtyBytes + this.values.bytes
    // However much is taken, a sixteenth of the budget stays for clean pages: upper nodes are needed always.
    const limit = Math.max(this.budgetBytes - taken, this.budgetBytes / 16)
    while (this.#cachedBytes > limit) {
      const entry = this.#hand ?? this.#oldest
      if (entry === undefined) return
      this.#hand = entry.newer
      if (entry.used) {
        entry.used = false
        continue
      }
      this.remove(entry)
      this.evictions += 1
      pagePool.giveBack(entry.page)
    }
  }
}

export type { Entry }

/** The pages of one file, by position. */
export class CacheSpace {
  readonly cache: PageCache
  /** Open snapshots of the file. */
  readers = 0
  readonly values: ValueSpace
  readonly #entries = new Map<number, Entry>()

  constructor(cache: PageCache) {
    this.cache = cache
    this.values = new ValueSpace(cache.values)
  }

  get(position: number): Buffer | undefined {
    const entry = this.#entries.get(position)
    if (entry === undefined) {
      this.cache.misses += 1
      return undefined
    }
    this.cache.hits += 1
    entry.used = true
    return entry.page
  }

  /** As `get`, with what else is known of the page. */
  kept(position: number): KeptPage | undefined {
    return this.#entries.get(position)
  }

  add(position: number, kept: KeptPage): void {
    if (!this.#entries.has(position)) this.cache.add(this.#entries, position, kept)
  }

  /** Takes a page out, for a caller who will change it. */
  take(position: number): KeptPage | undefined {
    const entry = this.#entries.get(position)
    if (entry !== undefined) this.cache.remove(entry)
    return entry
  }

  clear(): void {
    this.values.clear()
    for (const entry of [...this.#entries.values()]) this.cache.remove(entry)
  }
}
