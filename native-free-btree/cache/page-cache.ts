/**
 * One budget of memory for clean nodes, shared by every store of the process that is given it. Pages here are
 * verified, and never changed: whoever wants to change one takes a copy. How long a page that was handed out may be looked
 * at is said in page-rooms.ts.
 *
 * Values take what nodes leave, and a sixteenth of the budget at least, or a megabyte while hardly any is found again: a page of 2 KB spares
 * a read to any of its twenty entries, the same memory spares it to six values.
 *
 * Eviction is SIEVE: pages stand in order of arrival; a hand moves from the oldest to the newest, spares
 * those that were used since it last passed, and evicts the first that was not. Pages that are patches in the file are
 * spared twice, for reading one takes two reads. A part of the memory is kept free: a
 * room is not filled again at once, and a new page may need one of another size than the last that went.
 */
import { requireAmount } from '../arguments.ts'
import { copyOfPage, filledBytes, type KeptPage } from '../page/origin.ts'
import { pagePool } from '../page/pool.ts'
import { CHANCES, collectUse, linkChild, moveLinks, unlink, useChildPage } from './child-links.ts'
import { LARGEST_ROOM_BYTES, PageRoom, PageRooms, type RoomOwner } from './page-rooms.ts'
import { PageTable } from './page-table.ts'
import { type ValueBudget, ValueCache, ValueSpace } from './value-cache.ts'

/** Counted for each page beside its room: the objects that stand for it, its place in the table and among its parent's children, the origin that many have. */
const PAGE_OVERHEAD_BYTES = 430
/** This part of what pages may take is free, or will be when the running code has ended, where nothing is written; */
const LEAST_FREE_SHARE = 1 / 64
/** and this, where much is: a checkpoint brings many pages at once. */
const MOST_FREE_SHARE = 1 / 16
/** So much of the budget more may be taken until the running code has ended. */
const OVERDRAFT = 1 / 16
/** Dirty nodes have used what is left to them when they took this part of it. */
const NEARLY_ALL = 7 / 8
/** The cache is full when less than this part of it is left: whatever goes may be larger than what comes. */
const ALL_BUT_FULL = 1 / 128
/** Of the leaves that others would have to go for, one in so many is taken in when it is read for one entry. */
const READS_A_PLACE = 8
/** What is left to values that are looked for in vain: a segment, its index and the note of what was refused. */
const LITTLE_VALUE_BYTES = 1024 * 1024
/** So often all pages may be replaced before dirty nodes are left half as much, where they do not use it. */
const TURNOVERS = 4

export class PageCache implements ValueBudget {
  /** Most bytes of all that is counted here: clean pages, and dirty ones as far as `setDirty` tells. */
  readonly budgetBytes: number
  /** @internal */
  readonly values = new ValueCache(this)
  /** @internal */
  readonly rooms: PageRooms
  /** Clean pages that were asked for: found, and not. */
  hits = 0
  misses = 0
  /** Clean pages that made room for others. */
  evictions = 0
  readonly #table = new PageTable()
  #spaces = 0
  #pages = 0
  /** Pages with memory of their own. */
  #largeBytes = 0
  #dirtyBytes = 0
  /**
   * Most that dirty nodes took lately. They come to it again and again, from one checkpoint to the next: clean pages leave
   * it to them, and the pool keeps what of it is not used, for memory that goes back and forth is garbage half of the time.
   */
  #dirtyRoom = 0
  /** Pages that were taken in since dirty nodes last took nearly all of that. */
  #arrivals = 0
  /** Leaves that were not taken in since the last one that was. */
  #passed = 0
  /** Whether the last page that made room was a patch in the file: the next one is one, too, for what can be known. */
  #isPatchNext = false
  #newest: PageRoom | undefined
  #oldest: PageRoom | undefined
  #hand: PageRoom | undefined

  /** `budgetBytes`: at least 1 MiB is taken. Throws INVALID_ARGUMENT. */
  constructor(budgetBytes: number) {
    requireAmount('the budget of a cache', budgetBytes)
    this.budgetBytes = Math.max(budgetBytes, 1024 * 1024)
    this.rooms = new PageRooms(
      this.budgetBytes,
      (from, to) => this.#move(from, to),
      () => this.#giveUpSlabs(),
    )
  }

  /** Whatever has the prototype alone is none. */
  static is(value: unknown): value is PageCache {
    return typeof value === 'object' && value !== null && #dirtyBytes in value
  }

  /** Clean pages that are here. */
  get pages(): number {
    return this.#pages
  }

  /** Memory of clean pages, free rooms included. */
  get cachedBytes(): number {
    return this.rooms.bytes + this.#largeBytes + this.#pages * PAGE_OVERHEAD_BYTES
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
    if (this.#dirtyBytes >= this.#dirtyRoom * NEARLY_ALL) this.#arrivals = 0
    const room = this.#dirtyBytes === 0 ? 0 : Math.max(this.#dirtyRoom, this.#dirtyBytes)
    pagePool.spare(room - this.#dirtyRoom - deltaBytes)
    this.#dirtyRoom = room
    if (deltaBytes > 0) this.#shrink()
  }

  /** Whoever reads without writing gets the room of dirty nodes in the end. */
  #countArrival(): void {
    this.#arrivals += 1
    if (this.#arrivals < (this.#pages + 1) * TURNOVERS || this.#dirtyRoom === this.#dirtyBytes) return
    this.#arrivals = 0
    const room = Math.max(this.#dirtyBytes, this.#dirtyRoom / 2)
    pagePool.spare(room - this.#dirtyRoom)
    this.#dirtyRoom = room
  }

  /** A part of the cache for one file. */
  space(): CacheSpace {
    this.#spaces += 1
    return new CacheSpace(this, this.#spaces)
  }

  /** @internal */
  find(space: CacheSpace, position: number): PageRoom | undefined {
    return this.#table.find(space, position)
  }

  /** @internal Takes a copy in, if there is room. `length`: of the page with its owner. */
  add(space: CacheSpace, position: number, kept: KeptPage, length: number): PageRoom | undefined {
    const room = this.#take(filledBytes(kept))
    if (room === undefined) return undefined
    const { top, garbage, origin } = copyOfPage(kept, room.page)
    room.owner = space
    room.low = position | 0
    // As a small integer: a number that may be a fraction would be an object, for each page.
    room.high = Math.floor(position / 2 ** 32) | 0
    room.top = top
    room.garbage = garbage
    room.origin = origin
    room.length = length
    room.chances = 0
    room.older = this.#newest
    room.newer = undefined
    if (this.#newest !== undefined) this.#newest.newer = room
    this.#newest = room
    this.#oldest ??= room
    room.before = undefined
    room.behind = space.first
    if (space.first !== undefined) space.first.before = room
    space.first = room
    this.#table.add(room)
    this.#pages += 1
    this.#countArrival()
    this.#shrink()
    return room
  }

  /**
   * @internal Whether a leaf of so many bytes, which was read for one of its entries, is worth a place: while no other has to
   * go for it. Beyond that the pages that are looked at often come to stay all the same, only later, and reads all over a large tree
   * replace few. One that is a patch has two reads spared by its place: it is taken in as long as those that go are no patches, and counts
   * twice then.
   */
  wants(bytes: number, isPatch: boolean): boolean {
    const limit = this.#limit
    if (this.#takenBytes + bytes <= limit * (1 - ALL_BUT_FULL) - this.#freeBytes(limit)) return true
    if (isPatch && !this.#isPatchNext) return true
    this.#passed += isPatch ? 2 : 1
    if (this.#passed < READS_A_PLACE) return false
    this.#passed = 0
    return true
  }

  get #takenBytes(): number {
    return this.rooms.heldBytes + this.#largeBytes + this.#pages * PAGE_OVERHEAD_BYTES
  }

  /** A room that holds nothing yet; undefined when none is free. */
  #take(bytes: number): PageRoom | undefined {
    const { rooms } = this
    if (bytes > LARGEST_ROOM_BYTES) {
      this.#largeBytes += bytes
      return new PageRoom(Buffer.allocUnsafeSlow(bytes), undefined)
    }
    const fitting = rooms.take(bytes)
    if (fitting !== undefined) return fitting
    // While rooms wait for the running code to end, as many more may be taken: many pages of a checkpoint come at once.
    const most = this.#limit + Math.min(rooms.returnedBytes, this.budgetBytes * OVERDRAFT)
    if (this.cachedBytes + rooms.slabBytesFor(bytes) > most) {
      // What is free of other sizes will do, or makes way.
      const larger = rooms.takeLarger(bytes)
      if (larger !== undefined) return larger
      if (!rooms.giveUpSlab()) return undefined
    }
    rooms.grow(bytes)
    return rooms.take(bytes)
  }

  /** @internal */
  remove(room: PageRoom): void {
    this.#table.remove(room)
    unlink(room)
    const owner = room.owner!
    if (owner.first === room) owner.first = room.behind
    if (this.#hand === room) this.#hand = room.newer
    if (room.older !== undefined) room.older.newer = room.newer
    else this.#oldest = room.newer
    if (room.newer !== undefined) room.newer.older = room.older
    else this.#newest = room.older
    if (room.before !== undefined) room.before.behind = room.behind
    if (room.behind !== undefined) room.behind.before = room.before
    room.older = undefined
    room.newer = undefined
    room.before = undefined
    room.behind = undefined
    room.owner = undefined
    room.origin = undefined
    this.#pages -= 1
    if (room.slab !== undefined) this.rooms.giveBack(room)
    else this.#largeBytes -= room.page.length
  }

  /** @internal Gives all memory back when nothing is here. */
  giveBackMemory(): void {
    if (this.#pages === 0) this.rooms.clear()
  }

  /** `to` has the bytes of `from` and stands for the page from now on. */
  #move(from: PageRoom, to: PageRoom): void {
    this.#table.remove(from)
    moveLinks(from, to)
    to.owner = from.owner
    to.low = from.low
    to.high = from.high
    to.top = from.top
    to.garbage = from.garbage
    to.origin = from.origin
    to.length = from.length
    to.chances = from.chances
    to.older = from.older
    to.newer = from.newer
    to.before = from.before
    to.behind = from.behind
    if (to.older !== undefined) to.older.newer = to
    else this.#oldest = to
    if (to.newer !== undefined) to.newer.older = to
    else this.#newest = to
    if (to.before !== undefined) to.before.behind = to
    else to.owner!.first = to
    if (to.behind !== undefined) to.behind.before = to
    if (this.#hand === from) this.#hand = to
    this.#table.add(to)
  }

  /** @internal */
  allowanceBytes(): number {
    return Math.max(this.budgetBytes - this.#dirtyRoom - this.cachedBytes, this.#leastValueBytes)
  }

  /** What values may take however much pages would. */
  get #leastValueBytes(): number {
    const { budgetBytes } = this
    return this.values.isInVain ? Math.min(budgetBytes / 16, LITTLE_VALUE_BYTES) : budgetBytes / 16
  }

  /** @internal */
  onValuesGrown(): void {
    this.#shrink()
  }

  /** However much is taken, a sixteenth of the budget stays for clean pages: upper nodes are needed always. */
  get #limit(): number {
    const least = this.budgetBytes / 16
    const ofValues = Math.min(this.values.bytes, this.#leastValueBytes)
    return Math.max(this.budgetBytes - this.#dirtyRoom - ofValues, least)
  }

  /** Of so many bytes that pages may take, those that stay free: the more, the more dirty nodes come to. */
  #freeBytes(limit: number): number {
    return Math.min(limit * LEAST_FREE_SHARE + this.#dirtyRoom, limit * MOST_FREE_SHARE)
  }

  #shrink(): void {
    this.values.shrinkTo(this.allowanceBytes())
    const limit = this.#limit
    const most = limit - this.#freeBytes(limit)
    while (this.#takenBytes > most) {
      const room = this.#hand ?? this.#oldest
      if (room === undefined) break
      this.#hand = room.newer
      collectUse(room)
      if (room.chances > 0) {
        // Who reads a patch again reads its base too.
        room.chances = room.origin === undefined ? 0 : room.chances - 1
        continue
      }
      this.#isPatchNext = room.origin !== undefined
      this.remove(room)
      this.evictions += 1
    }
    this.#giveUpSlabs()
  }

  #giveUpSlabs(): void {
    const limit = this.#limit
    while (this.cachedBytes > limit && this.rooms.giveUpSlab());
  }
}

/** The pages of one file, by position. */
export class CacheSpace implements RoomOwner {
  readonly cache: PageCache
  readonly number: number
  first: PageRoom | undefined
  /** Open snapshots of the file. */
  readers = 0
  readonly values: ValueSpace

  constructor(cache: PageCache, number: number) {
    this.cache = cache
    this.number = number
    this.values = new ValueSpace(cache.values)
  }

  get(position: number): Buffer | undefined {
    return this.use(position)?.page
  }

  /** As `get`; gives the room, which stands for the page until another is taken in. */
  use(position: number): PageRoom | undefined {
    const room = this.#used(this.cache.find(this, position))
    if (room === undefined) this.cache.misses += 1
    return room
  }

  /** As `use`, where who does not find it looks again, and is counted then. */
  useIfHere(position: number): PageRoom | undefined {
    return this.#used(this.cache.find(this, position))
  }

  /** As `useIfHere`, of the child at `slot` of the inner page in `parent`, whose pointer is not looked at: gives its page. */
  useLinked(parent: PageRoom, slot: number): Buffer | undefined {
    const page = useChildPage(parent, slot)
    if (page !== undefined) this.cache.hits += 1
    return page
  }

  #used(room: PageRoom | undefined): PageRoom | undefined {
    if (room === undefined) return undefined
    this.cache.hits += 1
    room.chances = CHANCES
    return room
  }

  /** As `use`, of the child at `slot` of the inner page in `parent`, which stands at `position`. */
  useChild(parent: PageRoom | undefined, slot: number, position: number): PageRoom | undefined {
    const room = this.use(position)
    if (room !== undefined && parent !== undefined) linkChild(parent, slot, room)
    return room
  }

  /** As `get`, without counting it as a use, and with what else is known of the page. */
  kept(position: number): PageRoom | undefined {
    return this.cache.find(this, position)
  }

  /** Whether a leaf that was read for one entry should be taken in. */
  wants(bytes: number, isPatch: boolean): boolean {
    return this.cache.wants(bytes, isPatch)
  }

  /** Takes a copy of a page in, which is `length` bytes long with its owner. Undefined: there is no room now. */
  add(position: number, kept: KeptPage, length: number): Buffer | undefined {
    return (this.cache.find(this, position) ?? this.cache.add(this, position, kept, length))?.page
  }

  /** Forgets a page that nothing leads to any more. */
  drop(position: number): void {
    const room = this.cache.find(this, position)
    if (room !== undefined) this.cache.remove(room)
  }

  clear(): void {
    this.values.clear()
    while (this.first !== undefined) this.cache.remove(this.first)
    this.cache.giveBackMemory()
  }
}
