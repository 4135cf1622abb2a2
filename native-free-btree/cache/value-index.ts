/**
 * Finds entries by a 32-bit hash: open addressing with linear probing in typed arrays, eight bytes a slot (hash,
 * location), location 0 in an empty one. Several entries may have the same hash; who asks compares.
 *
 * It is cut into shards by the hash's top byte, and each grows on its own, at a load that differs a little from
 * shard to shard: no insertion ever waits for more than one shard of the whole to be rehashed.
 */

const SHARDS = 256
const FIRST_SLOTS = 16

/** A shard's slots: pairs of hash and location. */
type Slots = Uint32Array

export class ValueIndex {
  readonly #shards: (Slots | undefined)[] = new Array<undefined>(SHARDS).fill(undefined)
  readonly #counts = new Uint32Array(SHARDS)
  #bytes = 0
  /** Where the search for the present hash stands. */
  #slots: Slots | undefined
  #hash = 0
  #slot = 0

  /** Memory that the slots take. */
  get bytes(): number {
    return this.#bytes
  }

  /** Location of the first entry with this hash; 0 when there is none. */
  find(hash: number): number {
    this.#hash = hash
    const slots = this.#shards[hash >>> 24]
    this.#slots = slots
    if (slots === undefined) return 0
    this.#slot = (hash << 1) & (slots.length - 1)
    return this.#match(slots)
  }

  /** Location of the next entry with the hash that `find` was given; 0 when there is none. */
  findNext(): number {
    const slots = this.#slots!
    this.#slot = (this.#slot + 2) & (slots.length - 1)
    return this.#match(slots)
  }

  #match(slots: Slots): number {
    const mask = slots.length - 1
    for (;;) {
      const location = slots[this.#slot + 1]!
      if (location === 0 || slots[this.#slot] === this.#hash) return location
      this.#slot = (this.#slot + 2) & mask
    }
  }

  /** Changes the location of the entry that the search stands on. */
  move(location: number): void {
    this.#slots![this.#slot + 1] = location
  }

  /** Removes the entry that the search stands on; those behind it that it kept from their place move up. */
  remove(): void {
    const slots = this.#slots!
    const mask = slots.length - 1
    let hole = this.#slot
    let at = hole
    for (;;) {
      at = (at + 2) & mask
      if (slots[at + 1] === 0) break
      const home = (slots[at]! << 1) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]!
      slots[hole + 1] = slots[at + 1]!
      hole = at
    }
    slots[hole + 1] = 0
    this.#counts[this.#hash >>> 24]! -= 1
  }

  /** Adds an entry; `location` is not 0. */
  add(hash: number, location: number): void {
    const shard = hash >>> 24
    const count = this.#counts[shard]! + 1
    this.#counts[shard] = count
    let slots = this.#shards[shard]
    // Full at 1/2 to 3/4 of its slots.
    if (slots === undefined || count * 2 * 1024 > slots.length * (512 + shard)) slots = this.#grow(shard)
    place(slots, hash, location)
  }

  #grow(shard: number): Slots {
    const old = this.#shards[shard]
    const slots = new Uint32Array(old === undefined ? FIRST_SLOTS * 2 : old.length * 2)
    this.#shards[shard] = slots
    this.#bytes += slots.byteLength - (old?.byteLength ?? 0)
    if (old !== undefined) {
      for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) place(slots, old[at]!, old[at + 1]!)
    }
    return slots
  }

  clear(): void {
    this.#shards.fill(undefined)
    this.#counts.fill(0)
    this.#bytes = 0
    this.#slots = undefined
  }
}

function place(slots: Slots, hash: number, location: number): void {
  const mask = slots.length - 1
  let at = (hash << 1) & mask
  while (slots[at + 1] !== 0) at = (at + 2) & mask
  slots[at] = hash
  slots[at + 1] = location
}
