/**
 * Members in the order of their coming. One comes and goes in constant time, by what it has itself: a `Set` would make a new table for
 * every few that have come and gone, which is what happens to what every request takes and gives back.
 */

/** What a member has of the list. It is in one list at most. */
export interface Linked<T> {
  isListed: boolean
  previous: T | undefined
  next: T | undefined
}

export class LinkedMembers<T extends Linked<T>> {
  #first: T | undefined
  #last: T | undefined

  get first(): T | undefined {
    return this.#first
  }

  /** As the last one. Does nothing for one that is there. */
  add(member: T): void {
    if (member.isListed) return
    member.isListed = true
    member.previous = this.#last
    if (this.#last === undefined) this.#first = member
    else this.#last.next = member
    this.#last = member
  }

  /** Does nothing for one that is not there. */
  delete(member: T): void {
    if (!member.isListed) return
    const { previous, next } = member
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    member.isListed = false
    member.previous = undefined
    member.next = undefined
  }

  /** All that are there now. */
  list(): T[] {
    const members: T[] = []
    for (let member = this.#first; member !== undefined; member = member.next) members.push(member)
    return members
  }
}
