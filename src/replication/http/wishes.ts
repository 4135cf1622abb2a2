/** The revisions that were asked for and have not come yet. */
import type { FetchedRevision, WantedRevision } from '../endpoint.ts'
import type { PartOutcome } from './document-parts.ts'
import { BrokenAnswer } from './peer-answer.ts'

const MOST_TOLD = 500

export class Wishes {
  readonly #byId = new Map<string, WantedRevision[]>()
  size = 0

  constructor(wanted: readonly WantedRevision[]) {
    for (const wish of wanted) {
      const those = this.#byId.get(wish.id)
      if (those === undefined) this.#byId.set(wish.id, [wish])
      else those.push(wish)
    }
    this.size = wanted.length
  }

  left(): WantedRevision[] {
    return [...this.#byId.values()].flat()
  }

  has(wish: WantedRevision): boolean {
    return this.#byId.get(wish.id)?.includes(wish) === true
  }

  /**
   * What the part is for; undefined for what nobody asked for, or has come already, and for an error among many, which is known
   * when the document is read alone.
   */
  take(part: PartOutcome, alone?: WantedRevision): FetchedRevision | undefined {
    if (part.kind === 'unreadable') {
      // Without an id: it is known by what is left over when each is read alone.
      return alone === undefined ? undefined : this.refuse(alone, part.reason)
    }
    if (part.kind === 'error') {
      const { id, rev, missing, error, reason } = part.members
      const wish =
        alone ?? this.#byId.get(String(id))?.find((each) => each.rev === rev || each.rev === missing)
      if (wish === undefined) return undefined
      if (error === undefined || error === 'not_found') return this.missing(wish)
      if (alone === undefined) return undefined
      throw new BrokenAnswer(`an error in the document's place: ${`${error}: ${reason}`.slice(0, MOST_TOLD)}`)
    }
    const { document } = part
    const { start, ids } = document.revisions
    const those = this.#byId.get(document.id) ?? []
    const path = new Set(ids.map((each, at) => `${start - at}-${each}`))
    const rest = those.filter((wish) => !path.has(wish.rev))
    if (rest.length === those.length) return undefined
    this.#keep(document.id, rest, those.length - rest.length)
    return { kind: 'document', document }
  }

  /** It is there, and no document can be made of it. */
  refuse({ id, rev }: WantedRevision, reason: string): FetchedRevision {
    this.#leave(id, rev)
    return { kind: 'refused', refusal: { id, rev, error: 'not_read', reason } }
  }

  missing({ id, rev }: WantedRevision): FetchedRevision {
    this.#leave(id, rev)
    return { kind: 'missing', id, rev }
  }

  #leave(id: string, rev: string): void {
    const those = this.#byId.get(id) ?? []
    const rest = those.filter((each) => each.rev !== rev)
    this.#keep(id, rest, those.length - rest.length)
  }

  #keep(id: string, those: WantedRevision[], gone: number): void {
    this.size -= gone
    if (those.length === 0) this.#byId.delete(id)
    else this.#byId.set(id, those)
  }
}
