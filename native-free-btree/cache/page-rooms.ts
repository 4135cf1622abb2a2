/**
 * Memory of the pages in a cache: slabs, each cut into rooms of one size. Invariants:
 * - The bytes of a room change only while it is being filled, right after `take`. A room that was given back is taken
 *   again only after the code that ran then has ended; so whoever was handed its page looks at that page no longer than
 *   that, or asks before whether `generation` has changed, and takes the page anew then.
 * - A slab that is given up is left to the garbage collector: what lies in it stays as it is for whoever looks on.
 */
import type { PageOrigin } from '../page/origin.ts'

/** Sizes of rooms are multiples of this. */
const STEP_BYTES = 128
/** Where no room of the right size is free, and none can be made, one of the next sizes will do. */
const LARGER_SIZES = 6
/** Larger pages are rare: each has memory of its own. */
export const LARGEST_ROOM_BYTES = 16 * 1024
const MOST_SLAB_BYTES = 256 * 1024
/** A slab takes this part of the cache's budget at most: of each size one may be all but empty. */
const SLAB_SHARE = 1024

/** The pages of one file. */
export interface RoomOwner {
  readonly number: number
  /** The page that came last. */
  first: PageRoom | undefined
}

/** Where one page is, and what the cache knows of it. Used again for other pages. */
export class PageRoom {
  // What a look-up reads and writes comes first, side by side: each line of memory that it touches is a miss of the processor's caches.
  /** All of the room. */
  readonly page: Buffer
  /** The page's file, and both halves of its position there. */
  owner: RoomOwner | undefined
  low = 0
  high = 0
  /** How often the hand still passes: it was used not long ago. */
  chances = 0
  /** Of an inner page, the pages of its children that are known to be here: see child-links.ts. */
  children: (PageRoom | undefined)[] | undefined
  childPages: (Buffer | undefined)[] | undefined
  childUses: Uint8Array | undefined
  /** The next with the same hash. */
  chained: PageRoom | undefined
  /** Undefined: the page has memory of its own. */
  readonly slab: Slab | undefined
  isHeld = false
  top = 0
  garbage = 0
  origin: PageOrigin | undefined
  /** What it had when a node owned it, its room to grow included. */
  length = 0
  /** Neighbours in the order of arrival. */
  older: PageRoom | undefined
  newer: PageRoom | undefined
  /** Neighbours among the pages of one file. */
  before: PageRoom | undefined
  behind: PageRoom | undefined
  /** The page that has this one among its `children`, and where. */
  parent: PageRoom | undefined
  slot = 0

  constructor(page: Buffer, slab: Slab | undefined) {
    this.page = page
    this.slab = slab
  }
}

interface Slab {
  readonly size: RoomSize
  readonly rooms: PageRoom[]
  held: number
  isGivenUp: boolean
}

/** All of one size. */
class RoomSize {
  readonly roomBytes: number
  readonly roomsPerSlab: number
  slabs: Slab[] = []
  free: PageRoom[] = []

  constructor(roomBytes: number, slabBytes: number) {
    this.roomBytes = roomBytes
    this.roomsPerSlab = Math.max(1, Math.floor(slabBytes / roomBytes))
  }

  get slabBytes(): number {
    return this.roomBytes * this.roomsPerSlab
  }
}

export class PageRooms {
  /** Rises when rooms that were given back may be filled with other pages. */
  generation = 0
  /** For tests: whoever looks at a page too long finds nonsense. */
  static poisons = false
  /** Memory of all slabs, and of the rooms that are held. */
  bytes = 0
  heldBytes = 0
  /** Of rooms that are free when the running code has ended. */
  returnedBytes = 0
  readonly #sizes: RoomSize[]
  readonly #onMove: (from: PageRoom, to: PageRoom) => void
  readonly #onReuse: () => void
  #returned: PageRoom[] = []
  /** The size that was looked at last for a slab to give up. */
  #hand = 0
  /** The generation in which no slab could be given up: none can until rooms become free. */
  #stuckIn = -1

  /** `onMove`: another room has the same bytes and is to stand for the page. `onReuse`: rooms have become free. */
  constructor(budgetBytes: number, onMove: (from: PageRoom, to: PageRoom) => void, onReuse: () => void) {
    const slabBytes = Math.min(MOST_SLAB_BYTES, budgetBytes / SLAB_SHARE)
    this.#sizes = Array.from(
      { length: LARGEST_ROOM_BYTES / STEP_BYTES },
      (_, index) => new RoomSize((index + 1) * STEP_BYTES, slabBytes),
    )
    this.#onMove = onMove
    this.#onReuse = onReuse
  }

  /** A room of the size for `bytes` bytes, LARGEST_ROOM_BYTES at most; undefined when none is free. */
  take(bytes: number): PageRoom | undefined {
    const room = this.#sizeOf(bytes).free.pop()
    return room && this.#hold(room)
  }

  /** A room that is a little larger than those for `bytes` bytes; undefined when none is free. */
  takeLarger(bytes: number): PageRoom | undefined {
    const first = indexOf(bytes) + 1
    const end = Math.min(first + LARGER_SIZES, this.#sizes.length)
    let room: PageRoom | undefined
    for (let i = first; room === undefined && i < end; i++) room = this.#sizes[i]!.free.pop()
    return room && this.#hold(room)
  }

  #hold(room: PageRoom): PageRoom {
    room.isHeld = true
    room.slab!.held += 1
    this.heldBytes += room.page.length
    return room
  }

  giveBack(room: PageRoom): void {
    room.isHeld = false
    room.slab!.held -= 1
    this.heldBytes -= room.page.length
    if (this.#returned.length === 0) queueMicrotask(() => this.#reuse())
    this.#returned.push(room)
    this.returnedBytes += room.page.length
  }

  #reuse(): void {
    const returned = this.#returned
    this.#returned = []
    this.returnedBytes = 0
    this.generation += 1
    for (const room of returned) {
      const slab = room.slab!
      if (slab.isGivenUp) continue
      if (PageRooms.poisons) room.page.fill(0xdd)
      slab.size.free.push(room)
    }
    this.#onReuse()
  }

  /** What a slab for rooms of `bytes` bytes takes. */
  slabBytesFor(bytes: number): number {
    return this.#sizeOf(bytes).slabBytes
  }

  /** Adds a slab of rooms for `bytes` bytes. */
  grow(bytes: number): void {
    const size = this.#sizeOf(bytes)
    const memory = Buffer.allocUnsafeSlow(size.slabBytes)
    const slab: Slab = { size, rooms: [], held: 0, isGivenUp: false }
    for (let at = 0; at < memory.length; at += size.roomBytes) {
      slab.rooms.push(new PageRoom(memory.subarray(at, at + size.roomBytes), slab))
    }
    size.slabs.push(slab)
    this.#stuckIn = -1
    for (const room of slab.rooms) size.free.push(room)
    this.bytes += memory.length
  }

  /** Gives up a slab, whose pages move to free rooms in others. False: nowhere is as much free as a slab has. */
  giveUpSlab(): boolean {
    if (this.#stuckIn === this.generation) return false
    const sizes = this.#sizes
    for (let tries = 0; tries < sizes.length; tries++) {
      this.#hand = (this.#hand + 1) % sizes.length
      const size = sizes[this.#hand]!
      if (size.slabs.length === 0 || size.free.length < size.roomsPerSlab) continue
      this.#giveUp(size, emptiestOf(size.slabs))
      return true
    }
    this.#stuckIn = this.generation
    return false
  }

  #giveUp(size: RoomSize, slab: Slab): void {
    slab.isGivenUp = true
    size.slabs = size.slabs.filter((other) => other !== slab)
    size.free = size.free.filter((room) => room.slab !== slab)
    for (const room of slab.rooms) {
      if (!room.isHeld) continue
      const to = this.#hold(size.free.pop()!)
      to.page.set(room.page)
      this.#onMove(room, to)
      room.isHeld = false
      this.heldBytes -= size.roomBytes
    }
    this.bytes -= size.slabBytes
  }

  /** No page is here any more. */
  clear(): void {
    for (const size of this.#sizes) {
      for (const slab of size.slabs) slab.isGivenUp = true
      size.slabs = []
      size.free = []
    }
    this.bytes = 0
    this.heldBytes = 0
  }

  #sizeOf(bytes: number): RoomSize {
    return this.#sizes[indexOf(bytes)]!
  }
}

/** Of the smallest size for so many bytes. */
function indexOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / STEP_BYTES)) - 1
}

function emptiestOf(slabs: readonly Slab[]): Slab {
  let emptiest = slabs[0]!
  for (const slab of slabs) if (slab.held < emptiest.held) emptiest = slab
  return emptiest
}
