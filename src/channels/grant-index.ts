/** What documents grant: channels to users and roles, roles to users, each since the earliest document that grants it. */
import type { TimedSet } from './timed-set.ts'

type Granted = ReadonlyMap<string, TimedSet>

export class GrantIndex {
  /** By who is granted, then by what, the sequences by document. */
  readonly #grants = new Map<string, Map<string, Map<string, number>>>()

  /** Takes a document from what it granted to what it grants. Returns whether that changed anything. */
  move(id: string, before: Granted | undefined, after: Granted | undefined): boolean {
    let changed = false
    for (const [name, set] of before ?? []) {
      for (const [what] of set) {
        if (after?.get(name)?.has(what)) continue
        this.#remove(name, what, id)
        changed = true
      }
    }
    for (const [name, set] of after ?? []) {
      for (const [what, seq] of set) {
        if (this.#put(name, what, id, seq)) changed = true
      }
    }
    return changed
  }

  #remove(name: string, what: string, id: string): void {
    const ofName = this.#grants.get(name)
    const documents = ofName?.get(what)
    documents?.delete(id)
    if (documents?.size === 0) ofName!.delete(what)
    if (ofName?.size === 0) this.#grants.delete(name)
  }

  #put(name: string, what: string, id: string, seq: number): boolean {
    let ofName = this.#grants.get(name)
    if (ofName === undefined) {
      ofName = new Map()
      this.#grants.set(name, ofName)
    }
    let documents = ofName.get(what)
    if (documents === undefined) {
      documents = new Map()
      ofName.set(what, documents)
    }
    if (documents.get(id) === seq) return false
    documents.set(id, seq)
    return true
  }

  /** What is granted to somebody, each with its earliest sequence. */
  *of(name: string): Generator<[what: string, seq: number]> {
    for (const [what, documents] of this.#grants.get(name) ?? []) {
      let earliest = Number.POSITIVE_INFINITY
      for (const seq of documents.values()) if (seq < earliest) earliest = seq
      yield [what, earliest]
    }
  }
}
