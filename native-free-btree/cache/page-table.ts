/** Finds pages by their file and position. */
import type { PageRoom, RoomOwner } from './page-rooms.ts'

const FEWEST_BUCKETS = 64

export class PageTable {
  #buckets: (PageRoom | undefined)[] = emptyBuckets(FEWEST_BUCKETS)
  #count = 0

  find(owner: RoomOwner, position: number): PageRoom | undefined {
    const low = position | 0
    const high = Math.floor(position / 2 ** 32)
    let room = this.#buckets[hashOf(owner.number, low, high) & (this.#buckets.length - 1)]
    while (room !== undefined && (room.low !== low || room.high !== high || room.owner !== owner)) {
      room = room.chained
    }
    return room
  }

  add(room: PageRoom): void {
    this.#count += 1
    if (this.#count > this.#buckets.length) this.#resize(this.#buckets.length * 2)
    this.#link(room)
  }

  remove(room: PageRoom): void {
    const bucket = this.#bucketOf(room)
    let before = this.#buckets[bucket]
    if (before === room) this.#buckets[bucket] = room.chained
    else {
      while (before!.chained !== room) before = before!.chained
      before!.chained = room.chained
    }
    room.chained = undefined
    this.#count -= 1
  }

  clear(): void {
    this.#buckets = emptyBuckets(FEWEST_BUCKETS)
    this.#count = 0
  }

  #link(room: PageRoom): void {
    const bucket = this.#bucketOf(room)
    room.chained = this.#buckets[bucket]
    this.#buckets[bucket] = room
  }

  #bucketOf({ owner, low, high }: PageRoom): number {
    return hashOf(owner!.number, low, high) & (this.#buckets.length - 1)
  }

  #resize(length: number): void {
    const old = this.#buckets
    this.#buckets = emptyBuckets(length)
    for (let room of old) {
      while (room !== undefined) {
        const next: PageRoom | undefined = room.chained
        this.#link(room)
        room = next
      }
    }
  }
}

function emptyBuckets(length: number): (PageRoom | undefined)[] {
  return new Array<PageRoom | undefined>(length).fill(undefined)
}

/** The finalizer of MurmurHash3 over the three numbers. */
function hashOf(file: number, low: number, high: number): number {
  let hash = low ^ Math.imul(high ^ Math.imul(file, 0x9e3779b1), 0x85ebca77)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
