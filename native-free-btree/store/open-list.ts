/**
 * Things in the order in which they came, each of which can leave at any time. A `Set` does the same, but makes its table anew
 * whenever its only element goes, which most snapshots are.
 */

/** A thing's place. Whoever added it keeps it. */
export interface Place<T> {
  readonly value: T
  /** Set by the list alone. */
  before: Place<T> | undefined
  after: Place<T> | undefined
  isIn: boolean
}

export class OpenList<T> {
  #first: Place<T> | undefined
  #last: Place<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  add(value: T): Place<T> {
    const place: Place<T> = { value, before: this.#last, after: undefined, isIn: true }
    if (this.#last === undefined) this.#first = place
    else this.#last.after = place
    this.#last = place
    this.#size += 1
    return place
  }

  /** Nothing happens where it has left already. */
  remove(place: Place<T>): void {
    if (!place.isIn) return
    place.isIn = false
    const { before, after } = place
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    this.#size -= 1
    // Who keeps the place keeps nothing else alive.
    place.before = undefined
    place.after = undefined
  }

  /** Where a walk begins, from each place to the one after it; nothing leaves on the way. */
  get first(): Place<T> | undefined {
    return this.#first
  }

  values(): T[] {
    const values: T[] = []
    for (let place = this.#first; place !== undefined; place = place.after) values.push(place.value)
    return values
  }
}
