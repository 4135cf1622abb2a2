/**
 * Members that come and go by the thousand, each found by a number. A `Map` or `Set` would do the same, but makes a new table
 * every time that as many have gone as it has room for, and V8 leaves in the old one a reference to each member that it had, and
 * to the next table. Once such a table has reached the old generation, every later one is kept until a full collection, and
 * with it whatever its members lead to: of a request that waits for an answer that is nearly all of what was made for it.
 */

/** Places that are there at once: what the lower part of a number can say. */
const MOST_PLACES = 2 ** 22
/** How often a place is taken until its numbers come again. */
const USES = 2 ** 31

export class Places<T> {
  readonly #members: (T | undefined)[] = []
  /** How often each place was taken. */
  readonly #uses: number[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#members.length - this.#free.length
  }

  /** The member's number, which no other has while it is there, nor for two thousand million members after. Throws RangeError. */
  add(member: T): number {
    const place = this.#free.pop() ?? this.#newPlace()
    this.#members[place] = member
    return this.#numberOf(place)
  }

  #newPlace(): number {
    const place = this.#members.length
    if (place === MOST_PLACES) throw new RangeError('there are no more places')
    this.#members.push(undefined)
    this.#uses.push(0)
    return place
  }

  /** The member, which has gone then; undefined for a number of none. */
  take(number: number): T | undefined {
    const place = number % MOST_PLACES
    const member = this.#members[place]
    if (member === undefined || Math.floor(number / MOST_PLACES) !== this.#uses[place]) return undefined
    this.#members[place] = undefined
    this.#uses[place] = (this.#uses[place]! + 1) % USES
    this.#free.push(place)
    return member
  }

  /** With their numbers, by no order. Who is come to may go. */
  *entries(): Generator<[number: number, member: T]> {
    for (const [place, member] of this.#members.entries()) {
      if (member !== undefined) yield [this.#numberOf(place), member]
    }
  }

  *[Symbol.iterator](): Generator<T> {
    for (const [, member] of this.entries()) yield member
  }

  #numberOf(place: number): number {
    return this.#uses[place]! * MOST_PLACES + place
  }
}
